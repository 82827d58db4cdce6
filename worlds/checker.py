"""The checker: holds a world's history against the law's words. It shares no code with the services."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from worlds import law
from worlds.truth import FRESHNESS_LIMIT, Contact, Grant, History, Person, Refusal, Stop, Verdict

_BREATHING_SPACE: Final = timedelta(days=60)
_AFTER_TREATMENT: Final = timedelta(days=30)


class Breach(NamedTuple):
    """A promise that was broken, and by what."""

    promise: str
    detail: str


@dataclass(slots=True)
class Checked:
    """What came out: the breaches, and how much there was to judge."""

    breaches: list[Breach] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def check(history: History) -> Checked:
    """Every promise of permits.md that a world can put to the test."""
    return _Checker(history).check()


class _Checker:
    def __init__(self, history: History) -> None:
        self.history = history
        self.found = Checked()
        self._stops: dict[UUID, list[Stop]] = {party_id: [] for party_id in history.people}
        for stop in history.stops:
            self._stops[stop.party_id].append(stop)
        self._of: dict[UUID, list[Contact]] = {party_id: [] for party_id in history.people}
        for contact in sorted(history.contacts.values(), key=lambda one: one.start):
            self._of[contact.party_id].append(contact)
        self._grants: dict[UUID, list[Grant]] = {party_id: [] for party_id in history.people}
        for grant in history.grants.values():
            self._grants[grant.party_id].append(grant)

    def check(self) -> Checked:
        """All of it."""
        for grant in self.history.grants.values():
            self._check_grant(grant)
        for refusal in self.history.refusals:
            self._check_refusal(refusal)
        for contact in self.history.contacts.values():
            if contact.honest:
                self._check_honest(contact)
            self._check_audit(contact)
        for party_id, leaves in self.history.leaves.items():
            self._check_chain(party_id, leaves)
        return self.found

    def _breach(self, promise: str, detail: str) -> None:
        self.found.breaches.append(Breach(promise, detail))

    # The stops.

    def _until(self, stop: Stop) -> datetime | None:
        """When it ends: by law, or by the word of as many people as it takes, whichever is first; None: open."""
        ends = [] if stop.until is None else [stop.until]
        if stop.kind == "breathing_space":
            ends = [stop.since + _BREATHING_SPACE]
        elif stop.kind == "mental_health_crisis" and stop.until is not None:
            ends = [stop.until + _AFTER_TREATMENT]
        said = stop.closed_at if stop.kind in ("complaint", "cured") else self._said_over(stop)
        if said is not None:
            over = max(said, stop.since)
            ends.append(over + _AFTER_TREATMENT if stop.kind == "mental_health_crisis" else over)
        return min(ends, default=None)

    def _said_over(self, stop: Stop) -> datetime | None:
        """The word that ends it; of some kinds the word of a second person."""
        words = [(who, when) for who, when in stop.words if when >= stop.recorded_at]
        if stop.kind not in law.TWO_PEOPLE:
            return words[0][1] if words else None
        return next((when for who, when in words if who != words[0][0]), None)

    def _keeps_away(self, stop: Stop, person: Person, channel: str, purpose: str, moment: datetime) -> bool:
        until = self._until(stop)
        stands = stop.since <= moment and (until is None or moment < until)
        return stands and law.stopped(person.place, stop.kind, stop.scope, channel, purpose)

    # The limits.

    def _over_limit(
        self,
        person: Person,
        one: Contact | Grant,
        start: datetime,
        end: datetime,
        others: Iterable[Contact],
        reserved: Iterable[Grant] = (),
        *,
        known_real: datetime | None = None,
    ) -> str | None:
        """The first limit that one more contact passes. What is only reserved counts as everything."""
        dates = law.dates_of(start, start, person.zones)
        others, reserved = list(others), list(reserved)
        for limit in self._limits(person, dates, self._stricter(known_real)):
            if one.channel not in limit.channels or one.purpose not in limit.purposes:
                continue
            if isinstance(one, Contact) and not limit.counts(one):
                continue
            if limit.passable and self._excepted(person, limit.name, start, end):
                continue
            counted = [law.dates_of(it.start, it.end, person.zones) for it in others if limit.counts(it)]
            counted += [
                law.dates_of(it.start, it.end, person.zones)
                for it in reserved
                if it.channel in limit.channels and it.purpose in limit.purposes
            ]
            if law.busiest(dates, counted, limit.dates) >= limit.most:
                return limit.name
        return None

    def _limits(self, person: Person, dates: frozenset[date], stricter: date | None) -> Iterator[law.Limit]:
        seen: set[law.Limit] = set()
        for day in dates:
            for limit in law.limits_of(person.place, day, stricter):
                if limit not in seen:
                    seen.add(limit)
                    yield limit

    def _stricter(self, known_real: datetime | None) -> date | None:
        """Since when the bank is stricter, as far as that was released at that real time (None: ever)."""
        released = self.history.released_real
        return self.history.stricter_from if known_real is None or (released and released <= known_real) else None

    def _excepted(self, person: Person, limit: str, start: datetime, end: datetime) -> bool:
        return any(
            one.party_id == person.party_id and one.limit == limit and one.start <= start and end <= one.end
            for one in self.history.exceptions
        )

    # The hours.

    def _in_hours(
        self,
        person: Person,
        channel: str,
        purpose: str,
        start: datetime,
        end: datetime,
        *,
        known_real: datetime | None = None,
    ) -> bool:
        since = self._stricter(known_real)
        for zone in person.zones:
            first = law.local(start, zone).date()
            days = law.dates_of(start, end, person.zones)
            stricter = since is not None and max(days) >= since
            for hours in law.hours_of(person.place, channel, purpose, stricter=stricter):
                allowed = [(first, *hours.bounds(first))]
                if not law.inside(allowed, start, end, zone) and not self._agreed(person, hours, start, end):
                    return False
        return True

    def _agreed(self, person: Person, hours: law.Hours, start: datetime, end: datetime) -> bool:
        """Whether the person agreed to that time, in every zone where the person may be."""
        return any(
            one.party_id == person.party_id
            and one.limit == hours.agreed
            and one.opens_minute is not None
            and one.closes_minute is not None
            and one.start <= start
            and end <= one.end
            and all(
                law.inside([(law.local(start, zone).date(), one.opens_minute, one.closes_minute)], start, end, zone)
                for zone in person.zones
            )
            for one in self.history.exceptions
        )

    # Permits.

    def _check_grant(self, grant: Grant) -> None:
        """When it was granted nothing known stood in its way, and every reservation made before still counted."""
        person = self.history.people[grant.party_id]
        self.found.counts["granted"] += 1
        name = f"{grant.channel} permit {grant.permit_id} of {person.name} at {grant.start}"
        for stop in self._stops[grant.party_id]:
            known = stop.recorded_real <= grant.granted_real
            if known and self._known_then(stop, person, grant):
                self._breach("granted under a stop", f"{name}: {stop.source}")
        told = [one for one in self._of[grant.party_id] if one.told_real and one.told_real <= grant.granted_real]
        taken_over = {one.permit_id for one in told}
        reserved = [
            one
            for one in self._grants[grant.party_id]
            if one.granted_real < grant.granted_real
            and (one.released_real is None or one.released_real > grant.granted_real)
            and one.permit_id not in taken_over
        ]
        real = grant.granted_real
        over = self._over_limit(person, grant, grant.start, grant.end, told, reserved, known_real=real)
        if over is not None:
            self._breach("a budget was passed by a grant", f"{name}: {over}")
        if not self._in_hours(person, grant.channel, grant.purpose, grant.start, grant.end, known_real=real):
            self._breach("granted outside the hours", name)
        self._check_boundary(person, grant, name)

    def _check_boundary(self, person: Person, grant: Grant, name: str) -> None:
        """Stricter rules that were released after the grant void what they forbid, whoever holds it."""
        released = self.history.released_real
        if released is None or released < grant.granted_real:
            return
        self.found.counts["permits before a change of rules"] += 1
        users = [one for one in self._of[grant.party_id] if one.permit_id == grant.permit_id]
        spent = any(one.told_real and one.told_real < released for one in users)
        given_back = grant.released_real is not None and grant.released_real < released
        over = grant.end + (grant.granted_real - grant.granted_at) < released
        if spent or given_back or over or grant.void_since_real is not None:
            return
        if not self._in_hours(person, grant.channel, grant.purpose, grant.start, grant.end):
            self._breach("a permit outlived a boundary of the rules", name)

    def _known_then(self, stop: Stop, person: Person, grant: Grant) -> bool:
        """Whether it was known when the permit was granted that the stop stands at some moment of the window."""
        spoken = [(who, when) for who, when in stop.words if when <= grant.granted_at]
        closed = stop.closed_at if stop.closed_at is not None and stop.closed_at <= grant.granted_at else None
        then = Stop(
            party_id=stop.party_id, source=stop.source, kind=stop.kind, scope=stop.scope, since=stop.since,
            until=stop.until, reached_real=stop.reached_real, recorded_real=stop.recorded_real,
            recorded_at=stop.recorded_at, words=spoken, closed_at=closed,
        )  # fmt: skip
        until = self._until(then)
        stands = stop.since < grant.end and (until is None or grant.start < until)
        return stands and law.stopped(person.place, stop.kind, stop.scope, grant.channel, grant.purpose)

    def _check_refusal(self, refusal: Refusal) -> None:
        """No refusal without rule, citation and the earliest lawful moment; and that moment is lawful."""
        self.found.counts["refused"] += 1
        name = f"{refusal.channel} at {refusal.start}"
        if not refusal.reasons or any(not one.rule or len(one.citation) < 10 for one in refusal.reasons):
            self._breach("a refusal without rule or citation", name)
        answers = [(refusal.at, refusal.after), *((one.at, one.after) for one in refusal.reasons)]
        if any((at is None) == (after is None) for at, after in answers):
            self._breach("a refusal without its earliest lawful answer", name)
        if refusal.kept is not None:
            self.found.counts["asked again at the earliest"] += 1
        if refusal.kept is False:
            self._breach("the earliest lawful moment was refused", f"{name}: {refusal.at}")
        if refusal.at is not None and refusal.at < refusal.start:
            self._breach("the earliest lawful moment lies before the one asked for", name)
        person = self.history.people[refusal.party_id]
        lawful = refusal.at is None or self._in_hours(
            person, refusal.channel, refusal.purpose, refusal.at, refusal.at + refusal.duration,
            known_real=refusal.asked_real,
        )  # fmt: skip
        if not lawful:
            self._breach("the earliest lawful moment is outside the hours", f"{name}: {refusal.at}")

    # Contacts.

    def _check_honest(self, contact: Contact) -> None:
        """By the protocol nobody begins without a valid permit, over a limit, or later than F after a fact."""
        person = self.history.people[contact.party_id]
        name = f"{contact.channel} {contact.contact_id} to {person.name} at {contact.start}"
        grant = self.history.grants.get(contact.permit_id) if contact.permit_id is not None else None
        self.found.counts["contacts by the protocol"] += 1
        if grant is None or not (grant.start <= contact.start and contact.end <= grant.end):
            self._breach("a contact without a valid permit", name)
            return
        void = grant.void_since_real
        if void is not None and contact.start_real >= void:
            if contact.start_real > void + FRESHNESS_LIMIT:
                self._breach("a contact on a revoked permit, later than F", name)
            else:
                self.found.counts["within F after a fact"] += 1
        for stop in self._stops[contact.party_id]:
            known = stop.reached_real + FRESHNESS_LIMIT < contact.start_real
            if known and self._keeps_away(stop, person, contact.channel, contact.purpose, contact.start):
                self._breach("a contact under a stop, later than F", f"{name}: {stop.source}")
        if not self._in_hours(person, contact.channel, contact.purpose, contact.start, contact.end):
            self._breach("a contact outside the hours", name)
        others = [
            one
            for one in self._of[contact.party_id]
            if one.start < contact.start
            and (one.honest or (one.told_real and one.told_real + FRESHNESS_LIMIT < contact.start_real))
        ]
        over = self._over_limit(person, contact, contact.start, contact.end, others)
        if over is not None:
            self._breach("a budget was passed", f"{name}: {over}")

    def _check_audit(self, contact: Contact) -> None:
        """The audit says of every contact that was told exactly what the law says."""
        said = self.history.verdicts.get(contact.contact_id)
        person = self.history.people[contact.party_id]
        name = f"{contact.channel} {contact.contact_id} to {person.name} at {contact.start}"
        if contact.told_real is None or said is None:
            if (contact.told_real is None) != (said is None):
                self._breach("a contact was not judged once", name)
            return
        self.found.counts["contacts judged"] += 1
        conduct: set[str] = set()
        harm: set[str] = set()
        for sort, known in self._broken(person, contact):
            harm.add(sort)
            if known:
                conduct.add(sort)
        self.found.counts["contacts unlawful"] += bool(harm)
        if said != Verdict(conduct=frozenset(conduct), harm=frozenset(harm)):
            detail = f"{name}: law {sorted(conduct)}/{sorted(harm)}, audit {sorted(said.conduct)}/{sorted(said.harm)}"
            self._breach("the audit differs from the law", detail)

    def _broken(self, person: Person, contact: Contact) -> Iterator[tuple[str, bool]]:
        """The sorts of rules that it broke, each with whether that was known when it was made."""
        yield from self._permit_broken(contact)
        if not self._in_hours(person, contact.channel, contact.purpose, contact.start, contact.end):
            yield "hours", True
        asked_for_two = person.place == "CN" and contact.channel == "visit" and contact.purpose != "safety"
        if asked_for_two and len(contact.crew) < 2:
            yield "crew", True
        for stop in self._stops[contact.party_id]:
            if stop.kind == "cured" or stop.since > contact.start:
                continue
            if self._keeps_away(stop, person, contact.channel, contact.purpose, contact.start):
                yield "stop", stop.recorded_real + FRESHNESS_LIMIT < contact.start_real
        told = [one for one in self._of[contact.party_id] if one.told_real is not None and one.start < contact.start]
        if self._over_limit(person, contact, contact.start, contact.end, told):
            known = [one for one in told if self._was_known(one, contact)]
            yield "limit", self._over_limit(person, contact, contact.start, contact.end, known) is not None
        if self._record_lacks(person, contact):
            yield "record", True
        if contact.conduct and contact.channel in law.MISCONDUCT[contact.conduct].get(person.place, ()):
            yield "conduct", True

    def _was_known(self, one: Contact, contact: Contact) -> bool:
        """Conduct is judged once, when the contact is told: on the contacts told by then that were made on a permit or
        had been told before it began."""
        if one.told_real is None or contact.told_real is None or one.told_real > contact.told_real:
            return False
        return one.permit_id is not None or one.told_real <= contact.start_real

    def _permit_broken(self, contact: Contact) -> Iterator[tuple[str, bool]]:
        grant = None if contact.permit_id is None else self.history.grants.get(contact.permit_id)
        told = contact.told_real
        if grant is None or grant.party_id != contact.party_id or told is None:
            yield "permit", True
            return
        if (grant.channel, grant.purpose, grant.subject_id) != (contact.channel, contact.purpose, contact.subject_id):
            yield "permit", True
        if grant.released_real is not None and grant.released_real <= told:
            yield "permit", True
        if self._first_user(grant) is not contact:
            yield "permit", True
        if not (grant.start <= contact.start and contact.end <= grant.end):
            yield "permit", True
        if contact.channel == "visit" and not contact.crew <= grant.crew:
            yield "permit", True
        late = contact.use_told_real is None or contact.use_told_real > told
        if contact.channel != "visit" and late:
            yield "permit", True
        if grant.void_since_real is not None and contact.start_real >= grant.void_since_real:
            yield "permit", contact.start_real > grant.void_since_real + FRESHNESS_LIMIT

    def _first_user(self, grant: Grant) -> Contact | None:
        """The contact whose use of the permit was told first."""
        users = [one for one in self._of[grant.party_id] if one.permit_id == grant.permit_id]
        first: tuple[datetime, Contact] | None = None
        for one in users:
            for moment in (one.told_real, one.use_told_real):
                if moment is not None and (first is None or moment < first[0]):
                    first = moment, one
        return None if first is None else first[1]

    def _record_lacks(self, person: Person, contact: Contact) -> bool:
        """Whether the record does not show what the place asks for."""
        asked = {name for name, places in law.PROOFS.items() if contact.channel in places.get(person.place, ())}
        reached = contact.contact or contact.household_contacted
        day = min(law.dates_of(contact.start, contact.end, person.zones))
        recorded = contact.recording_complete or (
            contact.channel == "call" and (not contact.contact or day < law.CALL_RECORDING_SINCE)
        )
        return (
            ("identity" in asked and reached and not contact.identity_shown)
            or ("recording" in asked and not recorded)
            or ("entry" in asked and contact.entered_home and not contact.entry_consented)
            or ("leaving" in asked and contact.asked_to_leave and not contact.left_when_asked)
            or ("disclosure" in asked and contact.disclosed)
        )

    # The log.

    def _check_chain(self, party_id: UUID, leaves: list[bytes]) -> None:
        """The party's leaves are numbered without a gap, each names the hash of the one before, and none is missing."""
        previous: str | None = None
        audited: set[str] = set()
        granted: set[str] = set()
        for number, content in enumerate(leaves, start=1):
            leaf = json.loads(content)
            if leaf["party_sequence"] != number or leaf["previous"] != previous:
                self._breach("a gap in the party's chain", f"{party_id}: leaf {number}")
            previous = hashlib.sha256(b"\x00" + content).hexdigest()
            if leaf["kind"] == "contact":
                audited.add(leaf["contact_id"])
            elif leaf["kind"] == "decision" and leaf["permit_id"] is not None:
                granted.add(leaf["permit_id"])
        self.found.counts["leaves"] += len(leaves)
        told = {str(one.contact_id) for one in self._of[party_id] if one.told_real is not None}
        if audited != told or granted != {str(one.permit_id) for one in self._grants[party_id]}:
            self._breach("a contact or permit without its leaf", str(party_id))
