"""The observer's ledger: what stood in the way of a contact at a moment, as far as somebody knew it then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from worlds import law
from worlds.standing import Asked, Standing
from worlds.truth import Contact, Grant, History, Leave, Person, Refusal, Wish

_REQUEST_LASTS: Final = timedelta(days=7)
_WATERMARK_LIMIT: Final = timedelta(seconds=30)
OBSTACLES: Final = frozenset({"stop", "case", "limit", "hours", "day off", "wish", "request", "stale", "crew", "debt"})
"""The sorts of rules that the ledger knows all about: for these an answer is right or wrong."""


class View(NamedTuple):
    """As what contacts under another id of a person are seen: as was known by that real time (None: now).

    `moment`: of an audit: before both were known to be one, they were somebody else's.
    """

    known_by: datetime | None = None
    moment: datetime | None = None


NOW: Final = View()


class Ledger(Standing):
    """Counts over the true history."""

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.contacts: dict[UUID, list[Contact]] = {party_id: [] for party_id in history.people}
        for contact in sorted(history.contacts.values(), key=lambda one: one.start):
            self.contacts[contact.party_id].append(contact)
        self.everything = sorted(history.contacts.values(), key=lambda one: one.start)
        self._about: dict[UUID, law.About] = {}
        self._on: dict[UUID, frozenset[date]] = {}
        self.grants: dict[UUID, list[Grant]] = {party_id: [] for party_id in history.people}
        for grant in history.grants.values():
            self.grants[grant.party_id].append(grant)

    def aspects(self, one: Contact | Asked) -> law.About:
        """What it is about: where nobody said, all that the person owes and the home, as was known when it was asked.

        A contact is about what its permit was granted for; without one about what was known when it was told, and about
        the home of its own time.
        """
        if not isinstance(one, Contact | Grant):
            return self._aspects(one, one.asked_real)
        name = one.contact_id if isinstance(one, Contact) else one.permit_id
        known = self._about.get(name)
        if known is None:
            if isinstance(one, Contact):
                grant = None if one.permit_id is None else self.history.grants.get(one.permit_id)
                granted = grant is not None and grant.party_id == one.party_id
                known = (
                    self.aspects(grant)
                    if grant is not None and granted
                    else self._aspects(one, one.told_real, at=one.start)
                )
            else:
                known = self._aspects(one, one.asked_real)
            self._about[name] = known
        return known

    def _aspects(self, one: Contact | Asked, known_by: datetime | None, *, at: datetime | None = None) -> law.About:
        debts, number = (None, None) if isinstance(one, Contact) else (one.debts, one.number)
        owed = self.owed(one.party_id, known_by=known_by) if debts is None else debts
        return law.About(one.party_id, owed, self.home(one.party_id, at=at, known_by=known_by), number)

    def obstacles(self, asked: Asked) -> frozenset[str]:
        """Everything that stood in the way when it was asked, on what was known then."""
        return frozenset(self._obstacles(asked))

    def _obstacles(self, asked: Asked) -> Iterator[str]:
        person = self.living(asked.party_id, known_by=asked.asked_real)
        for stop in self.stops_of(asked.party_id, known_by=asked.asked_real):
            if stop.recorded_real <= asked.asked_real and self._touches(self._as_of(stop, asked), person, asked):
                yield "case" if stop.kind == "cured" else "stop"
        owed = self.owed(asked.party_id, known_by=asked.asked_real)
        over = not owed or self._given_up(asked.party_id, known_by=asked.asked_real)
        if asked.purpose in law.COLLECTING and over:
            yield "case"
        if asked.purpose in law.UNASKED and asked.debts is not None and not asked.debts <= owed:
            yield "debt"
        known_by = asked.asked_real
        of_all = [one for one in self.everything if one.told_real and one.told_real <= known_by]
        replaced = asked.replaces if isinstance(asked, Refusal) else None  # of a grant it is given back by then
        all_reserved = list(self._reserved(asked, {replaced, *(one.permit_id for one in of_all)}))
        stricter = self.stricter(asked.asked_real)
        view = View(known_by)
        passed = self.over_limit(person, asked, of_all, all_reserved, stricter=stricter, view=view)
        passed = passed or self.over_limit_of_sharers(
            person, asked, of_all, all_reserved, known_by=known_by, view=view
        )  # fmt: skip
        if passed:
            yield "limit"
        if not self.in_hours(person, asked, stricter=stricter):
            yield "hours"
        if law.day_off(person.place, asked.channel, asked.purpose, law.dates_of(asked.start, asked.end, person.zones)):
            yield "day off"
        known = (one for one in self.wishes(person, known_by=known_by) if one.recorded_real <= known_by)
        if self.unwished(person, known, asked):
            yield "wish"
        if asked.purpose == "customer_requested" and not self._requested(asked, [*of_all, *all_reserved]):
            yield "request"
        if asked.purpose != "safety" and asked.asked_real - asked.watermark_real > _WATERMARK_LIMIT:
            yield "stale"

    def _given_up(self, party_id: UUID, *, known_by: datetime) -> bool:
        """Whether the case is over because the person is another one."""
        merge = self.history.merge
        return merge is not None and merge.merged == party_id and self.one_person(known_by=known_by)

    # The person's own word.

    def wishes(self, person: Person, *, known_by: datetime | None = None) -> list[Wish]:
        """What the person called inconvenient, under whichever id of theirs, where the law listens to it; under another
        one nobody knew before both were one.
        """
        if person.place not in law.WISHES_BIND:
            return []
        merge, other = self.history.merge, self.other_id(person.party_id)
        return [
            one if merge is None or one.party_id == person.party_id
            else replace(
                one, recorded_real=max(one.recorded_real, merge.reached_real),
                reached_real=max(one.reached_real, merge.reached_real),
            )
            for one in self.history.wishes
            if one.party_id == person.party_id
            or (one.party_id == other and self.told_of_both(one.recorded_real, known_by=known_by))
        ]  # fmt: skip

    def unwished(self, person: Person, known: Iterable[Wish], asked: Asked | Contact) -> bool:
        """Whether the last of the known wishes speaks against it, or the last under another id of the person; that one
        stands until they say it anew under this id, with both known to be one.
        """
        if asked.purpose == "safety":
            return False
        last: dict[UUID, Wish] = {}
        for one in sorted(known, key=lambda one: one.since):
            last[one.party_id] = one
        own, merge = last.get(person.party_id), self.history.merge
        if merge is not None and own is not None and own.recorded_real >= merge.reached_real:
            last = {party_id: one for party_id, one in last.items() if one is own or one.since > own.since}
        dates = law.dates_of(asked.start, asked.end, person.zones) if last else frozenset()
        return any(
            law.overlaps(day, one.opens_minute, one.closes_minute, asked.start, asked.end, zone)
            for one in last.values()
            if one.channel == asked.channel
            for day in dates
            for zone in person.zones
        )

    def _requested(self, asked: Asked, made: Sequence[Contact | Grant]) -> bool:
        """Whether a request of the person covers it that no contact has used up: each covers one, for seven days.

        `made`: all contacts that were told, and those that are reserved.
        """
        covering = [
            one
            for one in self.history.requests
            if (one.party_id, one.channel) == (asked.party_id, asked.channel)
            and one.recorded_real <= asked.asked_real
            and asked.asked_at - _REQUEST_LASTS < one.since <= asked.start
            and asked.end <= one.since + _REQUEST_LASTS
        ]
        first = min((one.since for one in covering), default=asked.start)
        used = sum(
            (one.channel, one.purpose) == (asked.channel, "customer_requested")
            and one.start >= first
            and self.counts_for(asked.party_id, one, known_by=asked.asked_real)
            for one in made
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
        stricter: date | None, view: View = NOW,
    ) -> str | None:  # fmt: skip
        """The first limit that one more contact passes. What is only reserved counts as everything.

        `others`, `reserved`: with the person and with whoever may share a debt, the home or a number.
        What a limit looks back on and nobody attests may have been full. A contact that was made counts as what it was.
        """
        others, reserved, about = list(others), list(reserved), self.aspects(one)
        days = law.dates_of(one.start, one.end, person.zones)
        for limit in law.limits_on(person.place, days, stricter, one.channel, one.purpose):
            if limit.passable and self._leaves(person, limit.name, one):
                continue
            passed = self._passed(limit, person, one, about, others, reserved, view)
            if passed is not None:
                return passed
        return None

    def over_limit_of_sharers(
        self, person: Person, one: Contact | Asked, others: Iterable[Contact], reserved: Iterable[Grant] = (), *,
        at: datetime | None = None, known_by: datetime | None, view: View = NOW,
    ) -> str | None:  # fmt: skip
        """The same by the laws of those who share the debt, the home or the number: each is counted on what both have.

        `at`, `known_by`: where they lived then (business time, None: last), as far as was known by that real time.
        """
        others, reserved, about = list(others), list(reserved), self.aspects(one)
        days = law.dates_of(one.start, one.end, person.zones)
        for party_id in self.history.people:
            if party_id == person.party_id or (
                party_id == self.other_id(person.party_id) and self.one_person(known_by=view.known_by)
            ):
                continue
            sharer = self.living(party_id, at=at, known_by=known_by)
            if sharer.place == person.place:  # the same law is asked already, on all that it is about
                continue
            common = about._replace(debts=about.debts.intersection(sharer.debts))
            for limit in law.limits_on(sharer.place, days, None, one.channel, one.purpose):
                if not self._share(limit, person.party_id, party_id, common, at=at, known_by=known_by):
                    continue
                passed = self._passed(limit, person, one, common, others, reserved, view)
                if passed is not None:
                    return passed
        return None

    def _share(
        self, limit: law.Limit, own_id: UUID, party_id: UUID, common: law.About, *, at: datetime | None,
        known_by: datetime | None,
    ) -> bool:  # fmt: skip
        """Whether all that the limit is on is also the other's: homes in which they had ever lived by then, for who
        knows of an end, and numbers on which they were ever to be reached. `common`: what it is about, of the debts
        those of both. That it is about that home must have been known, too.
        """
        return "person" not in limit.on and (
            ("debt" not in limit.on or bool(common.debts))
            and ("home" not in limit.on or self._live(own_id, party_id, common.home, at=at, known_by=known_by))
            and ("number" not in limit.on or self.called(party_id, common.number, at=at, known_by=known_by))
        )

    def _live(self, own_id: UUID, party_id: UUID, home: str, *, at: datetime | None, known_by: datetime | None) -> bool:
        known = known_by is None or home in self.homes(own_id, known_by=known_by)
        return known and home in self.homes(party_id, at=at, known_by=known_by)

    def _passed(
        self, limit: law.Limit, person: Person, one: Contact | Asked, about: law.About, others: Sequence[Contact],
        reserved: Sequence[Grant], view: View,
    ) -> str | None:  # fmt: skip
        if isinstance(one, Contact) and not limit.counts(one):
            return None
        dates = law.dates_of(one.start, one.start, person.zones)
        first = limit.looks_back_to(min(dates))
        if not isinstance(one, Contact) and first < self._attested_from(person, limit, about, one.asked_real):
            return f"{limit.name} (not attested)"
        together: list[Contact | Grant] = [it for it in others if limit.counts(it)]
        together += [it for it in reserved if limit.may_count(it)]
        for each in about.one_by_one() if "debt" in limit.on else (about,):
            counted = [self._dates(it) for it in together if limit.concerns(each, self._seen(it, person, view))]
            if law.busiest(dates, counted, limit.dates, months=limit.months) >= limit.most:
                return limit.name
        return None

    def _seen(self, one: Contact | Grant, person: Person, view: View) -> law.About:
        """What it is about, as the person's own where it was told of another id of theirs."""
        about, merge = self.aspects(one), self.history.merge
        if merge is None or one.party_id == person.party_id:
            return about
        known = view.moment is None or merge.reached_real <= view.moment
        own = known and self.counts_for(person.party_id, one, known_by=view.known_by)
        return about._replace(person=person.party_id) if own else about

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
        found, other_id = [person.history_known_from], self.other_id(person.party_id)
        merge = self.history.merge if self.one_person(known_by=known_by) else None
        if merge is not None and other_id is not None and merge.survivor == person.party_id:
            found.append(self.history.people[other_id].history_known_from)
        for other in () if "person" in limit.on else self.history.people.values():
            if merge is not None and other.party_id == other_id:
                continue
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
