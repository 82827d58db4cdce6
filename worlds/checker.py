"""The checker: holds a world's history against the law's words. It shares no code with the services."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from worlds import law
from worlds.ledger import NOW, OBSTACLES, Ledger, View
from worlds.truth import FRESHNESS_LIMIT, Contact, Grant, History, Move, Person, Refusal, Removal, Verdict


class Breach(NamedTuple):
    """A promise that was broken, and by what."""

    promise: str
    detail: str


class Broken(NamedTuple):
    """A sort of rule that a contact may have broken, with the two verdicts."""

    sort: str
    conduct: bool
    harm: bool


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
        self.ledger = Ledger(history)
        self.found = Checked()
        self.law_says: dict[UUID, Verdict] = {}

    def check(self) -> Checked:
        for grant in self.history.grants.values():
            self._check_grant(grant)
        for refusal in self.history.refusals:
            self._check_refusal(refusal)
        for contact in sorted(self.history.contacts.values(), key=lambda one: (one.start, one.contact_id)):
            if contact.honest:
                self._check_honest(contact)
            if not contact.imported:
                self._check_audit(contact)
        for party_id, leaves in self.history.leaves.items():
            self._check_chain(party_id, leaves)
        return self.found

    def _breach(self, promise: str, detail: str) -> None:
        self.found.breaches.append(Breach(promise, detail))

    # Answers.

    def _check_grant(self, grant: Grant) -> None:
        """When it was granted nothing known stood in its way, and every reservation made before still counted."""
        self.found.counts["granted"] += 1
        name = f"{grant.channel} ({grant.purpose}) permit {grant.permit_id} at {grant.start}"
        for obstacle in sorted(self.ledger.obstacles(grant)):
            self._breach(f"granted against: {obstacle}", name)
        self._check_boundary(grant, name)

    def _check_boundary(self, grant: Grant, name: str) -> None:
        """Stricter rules that were released after the grant void what they forbid, whoever holds it."""
        released = self.history.released_real
        if released is None or released < grant.asked_real:
            return
        self.found.counts["permits before a change of rules"] += 1
        users = [one for one in self.ledger.contacts[grant.party_id] if one.permit_id == grant.permit_id]
        spent = any(one.told_real and one.told_real < released for one in users)
        given_back = grant.released_real is not None and grant.released_real < released
        over = grant.end + (grant.asked_real - grant.asked_at) < released
        if spent or given_back or over or grant.void_since_real is not None:
            return
        person, since = self.ledger.living(grant.party_id, known_by=released), self.history.stricter_from
        if not self.ledger.in_hours(person, grant, stricter=since):
            self._breach("a permit outlived a boundary of the rules", name)

    def _check_refusal(self, refusal: Refusal) -> None:
        """No refusal without rule, citation and earliest lawful moment; it names what stood in the way and no more."""
        self.found.counts["refused"] += 1
        name = f"{refusal.channel} ({refusal.purpose}) at {refusal.start}"
        if not refusal.reasons or any(not one.rule or len(one.citation) < 10 for one in refusal.reasons):
            self._breach("a refusal without rule or citation", name)
        answers = [(refusal.at, refusal.after), *((one.at, one.after) for one in refusal.reasons)]
        if any((at is None) == (after is None) for at, after in answers):
            self._breach("a refusal without its earliest lawful answer", name)
        named = frozenset(one.sort for one in refusal.reasons) & OBSTACLES
        true = self.ledger.obstacles(refusal)
        if named != true:
            self._breach("a refusal names other grounds than the law", f"{name}: {sorted(named)}, law {sorted(true)}")
        if refusal.kept is not None:
            self.found.counts["asked again at the earliest"] += 1
        if refusal.kept is False:
            self._breach("the earliest lawful moment was refused", f"{name}: {refusal.at}")
        if refusal.at is not None and refusal.at < refusal.start:
            self._breach("the earliest lawful moment lies before the one asked for", name)

    # Contacts.

    def _check_honest(self, contact: Contact) -> None:
        """By the protocol nobody begins without a valid permit, over a limit, or later than F after a fact."""
        person = self.ledger.living(contact.party_id, known_by=contact.start_real - FRESHNESS_LIMIT)
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
        long_ago = contact.start_real - FRESHNESS_LIMIT
        for stop in self.ledger.stops_of(contact.party_id, known_by=long_ago):
            if stop.reached_real < long_ago and self.ledger.keeps_away(stop, person, contact):
                self._breach("a contact under a stop, later than F", f"{name}: {stop.source}")
        if all(self._begins_against_a_wish(person, contact, known_by=one) for one in _moments(contact)):
            self._breach("a contact against a wish, later than F", name)
        if not self.ledger.in_hours(person, contact, stricter=self.history.stricter_from):
            self._breach("a contact outside the hours", name)
        self._check_change(contact, grant, name)
        others = [
            one
            for one in self.ledger.everything
            if one.start < contact.start and (one.honest or (one.told_real is not None and one.told_real < long_ago))
        ]
        view = View(long_ago)
        over = self.ledger.over_limit(person, contact, others, stricter=self.history.stricter_from, view=view)
        over = over or self.ledger.over_limit_of_sharers(person, contact, others, known_by=long_ago, view=view)
        if over is not None:
            self._breach("a budget was passed", f"{name}: {over}")

    def _begins_against_a_wish(self, person: Person, contact: Contact, *, known_by: datetime) -> bool:
        """Whether a wish that reached us longer than F before speaks against it, and no newer one came since.

        `known_by`: by then it was known, or known no more, that somebody else's are theirs.
        """
        long_ago = contact.start_real - FRESHNESS_LIMIT
        wishes = self.ledger.wishes(person, known_by=known_by)
        if any(long_ago <= one.reached_real and one.recorded_real <= contact.start_real for one in wishes):
            return False
        return self.ledger.unwished(person, (one for one in wishes if one.reached_real < long_ago), contact)

    def _check_change(self, contact: Contact, grant: Grant, name: str) -> None:
        """What was granted before a loan was sold collects nothing later than F after that; nor is a home visited
        that was left.
        """
        long_ago = contact.start_real - FRESHNESS_LIMIT
        sales, removals = self.ledger.sales.get(contact.party_id, ()), self.ledger.removals.get(contact.party_id, ())
        sold = any(grant.asked_real < one.reached_real < long_ago for one in sales)
        if sold and contact.purpose in law.COLLECTING:
            self._breach("a contact for a loan that was sold, later than F", name)
        named = {one.debt for one in sales if grant.asked_real < one.reached_real < long_ago} & (grant.debts or set())
        if named and contact.purpose == "plan_service":
            self._breach("a plan for a loan that was sold served, later than F", name)
        merge = self.history.merge
        words = () if merge is None else (merge.reached_real, merge.parted_reached)
        told_of = merge is not None and contact.party_id in (merge.survivor, merge.merged)
        if told_of and contact.purpose != "safety" and any(one and grant.asked_real < one < long_ago for one in words):
            self._breach("a contact on a permit of before who is who was known, later than F", name)
        left = any(grant.asked_real < one.reached_real < long_ago for one in removals)
        if left and contact.channel == "visit" and contact.purpose != "safety":
            self._breach("a visit to a home that was left, later than F", name)

    def _check_audit(self, contact: Contact) -> None:
        """The audit says of every contact that was told exactly what the law says. Earlier contacts came before."""
        said = self.history.verdicts.get(contact.contact_id)
        person = self.history.people[contact.party_id]
        name = f"{contact.channel} {contact.contact_id} to {person.name} at {contact.start}"
        if contact.told_real is None or said is None:
            if (contact.told_real is None) != (said is None):
                self._breach("a contact was not judged once", name)
            return
        self.found.counts["contacts judged"] += 1
        conduct, harm = self._verdicts(contact)
        self.law_says[contact.contact_id] = Verdict(conduct=conduct, harm=harm)
        self.found.counts["contacts unlawful"] += bool(harm)
        audit = (said.conduct - {"other"}, said.harm - {"other"})
        if audit != (conduct, harm):
            detail = f"{name}: law {sorted(conduct)}/{sorted(harm)}, audit {sorted(said.conduct)}/{sorted(said.harm)}"
            self._breach("the audit differs from the law", detail)

    def _verdicts(self, contact: Contact) -> tuple[frozenset[str], frozenset[str]]:
        """What it broke on what was known when it was made, by the law of where the person was thought to be then; and
        on what is known now."""
        found = list(self._broken(self.ledger.living(contact.party_id, at=contact.start), contact))
        harm = frozenset(one.sort for one in found if one.harm)
        conduct = frozenset(one.sort for one in found if one.conduct)
        long_before = min(_moments(contact))
        changes: list[Move | Removal] = [*self.history.moves, *self.history.removals]
        if not any(one.since <= contact.start and one.recorded_real > long_before for one in changes):
            return conduct, harm
        views = [
            self._broken(self.ledger.living(contact.party_id, at=contact.start, known_by=one), contact, known_by=one)
            for one in _moments(contact)
        ]
        early, late = (frozenset(one.sort for one in view if one.conduct) for view in views)
        return early & late, harm

    def _broken(self, person: Person, contact: Contact, *, known_by: datetime | None = None) -> Iterator[Broken]:
        """The sorts of rules that it broke, as was known when it was made and as is known now, by the laws of where
        people were known to live by that real time (None: now).
        """
        yield from (Broken(sort, conduct, True) for sort, conduct in self._permit_broken(contact))
        if not self.ledger.in_hours(person, contact, stricter=self.history.stricter_from):
            yield Broken("hours", True, True)
        dates = law.dates_of(contact.start, contact.end, person.zones)
        if law.day_off(person.place, contact.channel, contact.purpose, dates):
            yield Broken("day off", True, True)
        asked_for_two = person.place == "CN" and contact.channel == "visit" and contact.purpose != "safety"
        if asked_for_two and max(dates) >= law.CBA_GUIDE_SINCE and len(contact.crew) < 2:
            yield Broken("crew", True, True)
        for stop in self.ledger.stops_of(contact.party_id, known_by=None):
            if stop.kind != "cured" and self.ledger.keeps_away(stop, person, contact):
                yield Broken("stop", stop.recorded_real + FRESHNESS_LIMIT <= contact.start_real, True)
        yield self._against_wish(person, contact)
        since = self.history.stricter_from
        of_all = self.ledger.everything
        of_all = [one for one in of_all if one.told_real is not None and one.start < contact.start]
        told = [one for one in of_all if self.ledger.counts_for(contact.party_id, one, known_by=None)]
        known = [one for one in of_all if _was_known(one, contact)]
        over = [
            (self.ledger.over_limit(person, contact, others, stricter=since, view=view),
             self.ledger.over_limit_of_sharers(
                 person, contact, others, at=contact.start, known_by=known_by, view=view))
            for others, view in ((of_all, NOW), (known, View(moment=min(_moments(contact)))))
        ]  # fmt: skip
        if any(over[0]):
            yield Broken("limit", any(over[1]), True)
        if law.visit_after_failure(person.place, contact.channel, contact.purpose):
            yield self._too_soon(contact, told)
        if _record_lacks(person, contact):
            yield Broken("record", True, True)
        if contact.conduct and contact.channel in law.MISCONDUCT[contact.conduct].get(person.place, ()):
            yield Broken("conduct", True, True)

    def _against_wish(self, person: Person, contact: Contact) -> Broken:
        wishes = [one for one in self.ledger.wishes(person) if one.since <= contact.start]
        known = [[one for one in wishes if one.recorded_real <= moment] for moment in _moments(contact)]
        return Broken(
            "wish",
            all(self.ledger.unwished(person, heard, contact) for heard in known),
            self.ledger.unwished(person, wishes, contact),
        )

    def _too_soon(self, contact: Contact, told: list[Contact]) -> Broken:
        """Only a lawful call or letter that reached nobody lets a visit follow."""
        failed = [
            one
            for one in told
            if one.channel in ("call", "letter")
            and not one.imported
            and one.end <= contact.start
            and not (one.contact or one.household_contacted)
        ]
        before = [(one, self.law_says[one.contact_id]) for one in failed]
        known = any(
            not said.conduct
            and one.told_real is not None
            and one.told_real <= contact.start_real
            and (one.party_id == contact.party_id or self._merged_by(contact.start_real))
            for one, said in before
        )
        return Broken("gate", not known, not any(not (said.conduct or said.harm) for _, said in before))

    def _merged_by(self, moment: datetime) -> bool:
        merge = self.history.merge
        return merge is not None and merge.reached_real <= moment

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
        """The contact on the permit that began first, of those of which at least the use was told, whenever it was."""
        told = [
            (one.start, one.contact_id, one)
            for one in self.ledger.contacts[grant.party_id]
            if one.permit_id == grant.permit_id and (one.told_real, one.use_told_real) != (None, None)
        ]
        return min(told)[2] if told else None

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
        told = {str(one.contact_id) for one in self.ledger.contacts[party_id] if one.told_real is not None}
        if audited != told or granted != {str(one.permit_id) for one in self.ledger.grants[party_id]}:
            self._breach("a contact or permit without its leaf", str(party_id))


def _moments(contact: Contact) -> tuple[datetime, datetime]:
    """What was known at only one of the two, nobody had to know: as it began, and a freshness limit before."""
    return contact.start_real, contact.start_real - FRESHNESS_LIMIT


def _was_known(one: Contact, contact: Contact) -> bool:
    """Of a contact on a permit its reservation; of another one what had been told in time."""
    told = one.told_real
    return told is not None and (one.permit_id is not None or told <= min(_moments(contact)))


def _record_lacks(person: Person, contact: Contact) -> bool:
    """Whether the record does not show what the place asks for."""
    asked = {name for name, places in law.PROOFS.items() if contact.channel in places.get(person.place, ())}
    reached = contact.contact or contact.household_contacted
    day = min(law.dates_of(contact.start, contact.end, person.zones))
    if person.place == "CN" and day < law.CBA_GUIDE_SINCE:
        asked -= {"identity", "recording"}
    silent_call = contact.channel == "call" and not contact.contact
    return (
        ("identity" in asked and reached and not contact.identity_shown)
        or ("recording" in asked and not contact.recording_complete and not silent_call)
        or ("entry" in asked and contact.entered_home and not contact.entry_consented)
        or ("leaving" in asked and contact.asked_to_leave and not contact.left_when_asked)
        or ("disclosure" in asked and contact.disclosed)
    )
