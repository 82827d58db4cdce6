"""The observer's ledger: what stood in the way of a contact at a moment, as far as somebody knew it then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from worlds import law
from worlds.lives import Lives
from worlds.truth import Contact, Grant, History, Leave, Person, Refusal, Stop, Wish

_BREATHING_SPACE: Final = timedelta(days=60)
_AFTER_TREATMENT: Final = timedelta(days=30)
_REQUEST_LASTS: Final = timedelta(days=7)
_WATERMARK_LIMIT: Final = timedelta(seconds=30)
OBSTACLES: Final = frozenset({"stop", "case", "limit", "hours", "day off", "wish", "request", "stale", "crew", "debt"})
"""The sorts of rules that the ledger knows all about: for these an answer is right or wrong."""


class Asked(Protocol):
    """A window that somebody asked for, granted or not."""

    @property
    def party_id(self) -> UUID: ...
    @property
    def channel(self) -> str: ...
    @property
    def purpose(self) -> str: ...
    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...
    @property
    def asked_at(self) -> datetime: ...
    @property
    def asked_real(self) -> datetime: ...
    @property
    def watermark_real(self) -> datetime: ...
    @property
    def debts(self) -> frozenset[UUID] | None: ...
    @property
    def number(self) -> str | None: ...


class Ledger(Lives):
    """Counts over the true history."""

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.stops: dict[UUID, list[Stop]] = {party_id: [] for party_id in history.people}
        for stop in history.stops:
            self.stops[stop.party_id].append(stop)
            for other in self._jointly_liable(stop):
                self.stops[other.party_id].append(other)
        self.contacts: dict[UUID, list[Contact]] = {party_id: [] for party_id in history.people}
        for contact in sorted(history.contacts.values(), key=lambda one: one.start):
            self.contacts[contact.party_id].append(contact)
        self.everything = sorted(history.contacts.values(), key=lambda one: one.start)
        self._about: dict[UUID, law.About] = {}
        self._on: dict[UUID, frozenset[date]] = {}
        self.grants: dict[UUID, list[Grant]] = {party_id: [] for party_id in history.people}
        for grant in history.grants.values():
            self.grants[grant.party_id].append(grant)

    def _jointly_liable(self, stop: Stop) -> Iterator[Stop]:
        """The same moratorium on each debt of others who are liable for it together with the person."""
        if stop.kind not in law.MORATORIA or stop.scope not in ("party", "collection", "loan"):
            return
        own = self.history.people[stop.party_id]
        on = set(own.debts) if stop.scope != "loan" else {stop.debt}
        for other in self.history.people.values():
            if other is not own:
                for debt in on.intersection(other.debts):
                    yield replace(stop, party_id=other.party_id, scope="loan", debt=debt)

    def about(self, contact: Contact) -> tuple[frozenset[UUID] | None, str | None]:
        """The debts and the number that a contact was permitted for; without a permit of the person nobody said."""
        grant = None if contact.permit_id is None else self.history.grants.get(contact.permit_id)
        return (None, None) if grant is None or grant.party_id != contact.party_id else (grant.debts, grant.number)

    def aspects(self, one: Contact | Asked) -> law.About:
        """What it is about: where nobody said, all that the person owes and the home, as was known when it was asked.

        A contact is about what its permit was granted for; without one about what was known when it was told.
        """
        if not isinstance(one, Contact | Grant):
            return self._aspects(one, one.asked_real)
        name = one.contact_id if isinstance(one, Contact) else one.permit_id
        known = self._about.get(name)
        if known is None:
            if isinstance(one, Contact):
                grant = None if one.permit_id is None else self.history.grants.get(one.permit_id)
                granted = grant is not None and grant.party_id == one.party_id
                known = self.aspects(grant) if grant is not None and granted else self._aspects(one, one.told_real)
            else:
                known = self._aspects(one, one.asked_real)
            self._about[name] = known
        return known

    def _aspects(self, one: Contact | Asked, known_by: datetime | None) -> law.About:
        debts, number = (None, None) if isinstance(one, Contact) else (one.debts, one.number)
        owed = self.owed(one.party_id, known_by=known_by) if debts is None else debts
        return law.About(one.party_id, owed, self.homes(one.party_id, known_by=known_by)[-1], number)

    def obstacles(self, asked: Asked) -> frozenset[str]:
        """Everything that stood in the way when it was asked, on what was known then."""
        return frozenset(self._obstacles(asked))

    def _obstacles(self, asked: Asked) -> Iterator[str]:
        person = self.living(asked.party_id, known_by=asked.asked_real)
        for stop in self.stops[asked.party_id]:
            if stop.recorded_real <= asked.asked_real and self._touches(self._as_of(stop, asked), person, asked):
                yield "case" if stop.kind == "cured" else "stop"
        if asked.purpose in law.COLLECTING:
            owed = self.owed(asked.party_id, known_by=asked.asked_real)
            if not owed:
                yield "case"
            if asked.debts is not None and not asked.debts <= owed:
                yield "debt"
        of_all = [one for one in self.everything if one.told_real and one.told_real <= asked.asked_real]
        replaced = asked.replaces if isinstance(asked, Refusal) else None  # of a grant it is given back by then
        all_reserved = list(self._reserved(asked, {replaced, *(one.permit_id for one in of_all)}))
        told = [one for one in of_all if one.party_id == asked.party_id]
        reserved = [one for one in all_reserved if one.party_id == asked.party_id]
        stricter = self.stricter(asked.asked_real)
        passed = self.over_limit(person, asked, of_all, all_reserved, stricter=stricter)
        if passed or self.over_limit_of_sharers(person, asked, of_all, all_reserved, known_by=asked.asked_real):
            yield "limit"
        if not self.in_hours(person, asked, stricter=stricter):
            yield "hours"
        if law.day_off(person.place, asked.channel, asked.purpose, law.dates_of(asked.start, asked.end, person.zones)):
            yield "day off"
        known = (one for one in self.wishes(person) if one.recorded_real <= asked.asked_real)
        if self.unwished(person, known, asked):
            yield "wish"
        if asked.purpose == "customer_requested" and not self._requested(asked, told, reserved):
            yield "request"
        if asked.purpose != "safety" and asked.asked_real - asked.watermark_real > _WATERMARK_LIMIT:
            yield "stale"

    # What keeps away.

    def until(self, stop: Stop) -> datetime | None:
        """When it ends: by law, or by the word of as many people as it takes, whichever is first; None: open."""
        ends = [] if stop.until is None else [stop.until]
        if stop.kind == "breathing_space":
            ends = [stop.since + _BREATHING_SPACE]
        elif stop.kind == "mental_health_crisis" and stop.until is not None:
            ends = [stop.until + _AFTER_TREATMENT]
        elif stop.kind in law.TWO_PEOPLE and stop.kind != "vulnerability":
            ends = []  # nobody says alone, and beforehand, when it is over
        said = stop.closed_at if stop.kind in ("complaint", "cured") else _said_over(stop)
        if said is not None:
            over = max(said, stop.since)
            ends.append(over + _AFTER_TREATMENT if stop.kind == "mental_health_crisis" else over)
        return min(ends, default=None)

    def keeps_away(self, stop: Stop, person: Person, contact: Contact) -> bool:
        """Whether it stood when the contact began, and forbids such a contact."""
        until = self.until(stop)
        stands = stop.since <= contact.start and (until is None or contact.start < until)
        debts, number = self.about(contact)
        return stands and law.stopped(
            person.place, stop, contact.channel, contact.purpose, debts=debts, number=number
        )  # fmt: skip

    def _touches(self, stop: Stop, person: Person, asked: Asked) -> bool:
        until = self.until(stop)
        stands = stop.since < asked.end and (until is None or asked.start < until)
        return stands and law.stopped(
            person.place, stop, asked.channel, asked.purpose, debts=asked.debts, number=asked.number
        )  # fmt: skip

    def _as_of(self, stop: Stop, asked: Asked) -> Stop:
        """The stop without what was said of its end only later."""
        words = [(who, when) for who, when in stop.words if when <= asked.asked_at]
        closed = stop.closed_at if stop.closed_at is not None and stop.closed_at <= asked.asked_at else None
        return replace(stop, words=words, closed_at=closed)

    # The person's own word.

    def wishes(self, person: Person) -> list[Wish]:
        """What the person called inconvenient, where the law listens to it."""
        if person.place not in law.WISHES_BIND:
            return []
        return [one for one in self.history.wishes if one.party_id == person.party_id]

    def unwished(self, person: Person, known: Iterable[Wish], asked: Asked | Contact) -> bool:
        """Whether the last of the known wishes speaks against it."""
        last = max(known, key=lambda one: one.since, default=None)
        if last is None or asked.channel != last.channel or asked.purpose == "safety":
            return False
        dates = law.dates_of(asked.start, asked.end, person.zones)
        return any(
            law.overlaps(day, last.opens_minute, last.closes_minute, asked.start, asked.end, zone)
            for day in dates
            for zone in person.zones
        )

    def _requested(self, asked: Asked, told: Sequence[Contact], reserved: Sequence[Grant]) -> bool:
        """Whether a request of the person covers it that no contact has used up: each covers one, for seven days."""
        covering = [
            one
            for one in self.history.requests
            if (one.party_id, one.channel) == (asked.party_id, asked.channel)
            and one.recorded_real <= asked.asked_real
            and asked.asked_at - _REQUEST_LASTS < one.since <= asked.start
            and asked.end <= one.since + _REQUEST_LASTS
        ]
        first = min((one.since for one in covering), default=asked.start)
        made: list[Contact | Grant] = [*told, *reserved]
        used = sum(
            (one.channel, one.purpose) == (asked.channel, "customer_requested") and one.start >= first for one in made
        )
        return used < len(covering)

    # The limits.

    def _reserved(self, asked: Asked, taken_over: set[UUID | None]) -> Iterator[Grant]:
        """A reservation counts until it is given back or the record of its contact takes over the count."""
        for one in self.history.grants.values():
            back = one.released_real
            outstanding = one.asked_real < asked.asked_real and (back is None or back > asked.asked_real)
            if outstanding and one.permit_id not in taken_over:
                yield one

    def over_limit(
        self, person: Person, one: Contact | Asked, others: Iterable[Contact], reserved: Iterable[Grant] = (), *,
        stricter: date | None,
    ) -> str | None:  # fmt: skip
        """The first limit that one more contact passes. What is only reserved counts as everything.

        `others`, `reserved`: with the person and with whoever may share a debt, the home or a number.
        What a limit looks back on and nobody attests may have been full. A contact that was made counts as what it was.
        """
        others, reserved, about = list(others), list(reserved), self.aspects(one)
        for limit in law.limits_on(person.place, law.dates_of(one.start, one.end, person.zones), stricter):
            if limit.passable and self._leaves(person, limit.name, one):
                continue
            passed = self._passed(limit, person, one, about, others, reserved)
            if passed is not None:
                return passed
        return None

    def over_limit_of_sharers(
        self, person: Person, one: Contact | Asked, others: Iterable[Contact], reserved: Iterable[Grant] = (), *,
        at: datetime | None = None, known_by: datetime | None,
    ) -> str | None:  # fmt: skip
        """The same by the laws of those who share the debt, the home or the number: each is counted on what both have.

        `at`, `known_by`: where they lived then (business time, None: last), as far as was known by that real time.
        """
        others, reserved, about = list(others), list(reserved), self.aspects(one)
        days = law.dates_of(one.start, one.end, person.zones)
        for party_id in self.history.people:
            if party_id == person.party_id:
                continue
            sharer = self.living(party_id, at=at, known_by=known_by)
            if sharer.place == person.place:  # the same law is asked already, on all that it is about
                continue
            common = about._replace(debts=about.debts.intersection(sharer.debts))
            for limit in law.limits_on(sharer.place, days, None):
                if not self._share(limit, party_id, common, known_by=known_by):
                    continue
                passed = self._passed(limit, person, one, common, others, reserved)
                if passed is not None:
                    return passed
        return None

    def _share(self, limit: law.Limit, party_id: UUID, common: law.About, *, known_by: datetime | None) -> bool:
        """Whether all that the limit is on is also the other's: homes in which they ever lived, for who knows of an
        end, and numbers on which they were ever to be reached. `common`: what it is about, of the debts those of both.
        """
        return "person" not in limit.on and (
            ("debt" not in limit.on or bool(common.debts))
            and ("home" not in limit.on or common.home in self.homes(party_id, known_by=known_by))
            and ("number" not in limit.on or self.called(party_id, common.number, known_by=known_by))
        )

    def _passed(
        self, limit: law.Limit, person: Person, one: Contact | Asked, about: law.About, others: Sequence[Contact],
        reserved: Sequence[Grant],
    ) -> str | None:  # fmt: skip
        made = isinstance(one, Contact)
        counts = limit.counts(one) if made else one.channel in limit.channels and one.purpose in limit.purposes
        if not counts:
            return None
        dates = law.dates_of(one.start, one.start, person.zones)
        first = limit.looks_back_to(min(dates))
        if not isinstance(one, Contact) and first < self._attested_from(person, limit, about, one.asked_real):
            return f"{limit.name} (not attested)"
        together: list[Contact | Grant] = [it for it in others if limit.counts(it)]
        together += [it for it in reserved if limit.may_count(it)]
        for each in about.one_by_one() if "debt" in limit.on else (about,):
            counted = [self._dates(it) for it in together if limit.concerns(each, self.aspects(it))]
            if law.busiest(dates, counted, limit.dates, months=limit.months) >= limit.most:
                return limit.name
        return None

    def _dates(self, one: Contact | Grant) -> frozenset[date]:
        name = one.contact_id if isinstance(one, Contact) else one.permit_id
        dates = self._on.get(name)
        if dates is None:
            if isinstance(one, Contact) and one.imported:
                person = replace(self.history.people[one.party_id], zones=law.EARTHS_ENDS)
            elif isinstance(one, Contact):
                person = self.living(one.party_id, at=one.start)
            else:
                person = self.living(one.party_id, known_by=one.asked_real)
            dates = self._on[name] = law.dates_of(one.start, one.end, person.zones)
        return dates

    def _attested_from(self, person: Person, limit: law.Limit, about: law.About, known_by: datetime) -> date:
        """Since when all that the limit counts is attested, also of those who share what it is on."""
        found = [person.history_known_from]
        for other in () if "person" in limit.on else self.history.people.values():
            if (
                ("debt" in limit.on and not about.debts.isdisjoint(other.debts))
                or ("home" in limit.on and about.home in self.homes(other.party_id, known_by=known_by))
                or ("number" in limit.on and self.called(other.party_id, about.number, known_by=known_by))
            ):
                found.append(other.history_known_from)
        return max(found)

    def stricter(self, known_real: datetime) -> date | None:
        """Since when the bank is stricter, as far as that was released at that real time."""
        released = self.history.released_real
        return self.history.stricter_from if released is not None and released <= known_real else None

    # The hours.

    def in_hours(self, person: Person, one: Contact | Asked, *, stricter: date | None) -> bool:
        """Whether it lies inside the hours in every zone, or in hours that the person agreed to."""
        newer = stricter is not None and max(law.dates_of(one.start, one.end, person.zones)) >= stricter
        for zone in person.zones:
            first = law.local(one.start, zone).date()
            for hours in law.hours_of(person.place, one.channel, one.purpose, stricter=newer):
                inside = law.inside(first, *hours.bounds(first), one.start, one.end, zone)
                if not inside and not self._agreed(person, hours, one):
                    return False
        return True

    def _agreed(self, person: Person, hours: law.Hours, one: Contact | Asked) -> bool:
        """Whether the person agreed to that time, in every zone where the person may be, before it was asked for."""
        for leave in self._leaves(person, hours.agreed, one):
            opens, closes = leave.opens_minute, leave.closes_minute
            if opens is None or closes is None:
                continue
            if all(
                law.inside(law.local(one.start, zone).date(), opens, closes, one.start, one.end, zone)
                for zone in person.zones
            ):
                return True
        return False

    def _leaves(self, person: Person, limit: str | None, one: Contact | Asked) -> list[Leave]:
        """What lets it pass that limit: it never acts before it was given, and nobody knew of it before."""
        return [
            leave
            for leave in self.history.exceptions
            if leave.party_id == person.party_id
            and leave.limit == limit
            and leave.start <= one.start
            and one.end <= leave.end
            and (isinstance(one, Contact) or leave.given_real <= one.asked_real)
        ]


def _said_over(stop: Stop) -> datetime | None:
    """The word that ends it; of some kinds the word of a second person."""
    words = [(who, when) for who, when in stop.words if when >= stop.recorded_at]
    if stop.kind not in law.TWO_PEOPLE:
        return words[0][1] if words else None
    return next((when for who, when in words if who != words[0][0]), None)
