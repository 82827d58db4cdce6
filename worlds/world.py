"""One world: a seeded history of several people, their collectors, devices, diallers, complaints and faults.

Events happen in the order of real time; business time runs at a fixed distance from it. Whoever acts by the protocol
asks for a permit, looks into the revocation list and begins only on a valid one; the rogue do not.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random
from uuid import UUID

from services.compliance.domain.permits import Permit
from shared.ids import uuid_of
from worlds import people
from worlds.books import POLICY_CHANGES, book_of, sort_of_rule
from worlds.bureau import Bureau
from worlds.hearing import Hearing
from worlds.kept import Moment
from worlds.truth import FRESHNESS_LIMIT, History, Person, Verdict

Deed = Callable[[], None]
_BOUNDARY_LEAD = timedelta(hours=14)
"""Somewhere on earth a date begins 14 hours before UTC's."""


class World:
    """The clockwork: what is due next, both clocks, and the compliance that everybody talks to."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self.history = History(seed)
        draw = self.draw
        self.history.stricter_from = draw.choice(POLICY_CHANGES) if draw.random() < 0.5 else None
        self.real = timedelta(days=draw.randint(-40, 40), seconds=draw.randint(0, 86_399))
        self.begins, _ = people.midnight(people.first_day(draw, self.history.stricter_from), self.real)
        self.ends = self.begins + timedelta(days=draw.choice((14, 21, 35, 60)))
        self.now = self.begins
        self._due: list[tuple[datetime, int, Deed]] = []
        self._number = 0
        self._unhandled: list[datetime] = []
        self.bureau = Bureau(
            book_of(None),
            freshness_limit=FRESHNESS_LIMIT,
            draw_id=self.new_id,
            draw_bytes=draw.randbytes,
            on_revoked=self._revoked,
        )
        self.hearing = Hearing(self.bureau)
        self.homes_change = False
        self.merges = False
        self._shared_debt = self.new_id()
        self.people: list[Person] = []
        for _ in range(draw.randint(1, 3)):
            self.people.append(self._settle())
        self._plan_rules()

    @property
    def real_now(self) -> datetime:
        """Real time."""
        return self.now + self.real

    def moment(self) -> Moment:
        """Now, on both clocks, with compliance's watermark."""
        return Moment(self.now, self.real_now, self.watermark())

    def watermark(self) -> datetime:
        """Real time up to which compliance has handled everything that reached it."""
        return min(self._unhandled, default=self.real_now)

    def new_id(self) -> UUID:
        """An id of this world."""
        return self.drawn_id(self.draw)

    @staticmethod
    def drawn_id(draw: Random) -> UUID:
        """An id drawn apart from the world's own."""
        return uuid_of(draw.getrandbits(128))

    def at(self, moment: datetime, deed: Deed) -> None:
        """Let it happen then; not before now. Moments are made unique, so that nothing happens at once."""
        self._number += 1
        due = max(moment, self.now) + timedelta(microseconds=self._number)
        heapq.heappush(self._due, (due, self._number, deed))

    def reaches(self, deed: Callable[[datetime], None]) -> None:
        """An event reaches compliance now and is handled after its lag; now and then there is an outage."""
        reached = self.real_now
        luck = self.draw.random()
        lag = self.draw.uniform(0.1, 3) if luck < 0.8 else self.draw.uniform(5, 200)
        if luck > 0.97:
            lag = self.draw.uniform(200, 7_200)
        self._unhandled.append(reached)

        def handle() -> None:
            self._unhandled.remove(reached)
            deed(reached)

        self.at(self.now + timedelta(seconds=lag), handle)

    def run(self) -> History:
        """Let everything happen, then write down what the audit said in the end."""
        while self._due:
            self.now, _, deed = heapq.heappop(self._due)
            deed()
        book = self.bureau.book
        for case in self.bureau.cases.values():
            if self.homes_change:  # whatever came when, the same must be found now
                self.bureau.judge_since(case, self.begins, self.moment())
            self.history.leaves[case.party_id] = case.leaves
            for contact_id in case.judged:
                found = [version.finding for version in case.findings.get(contact_id, {}).values()]
                self.history.verdicts[contact_id] = Verdict(
                    conduct=frozenset(sort_of_rule(book, one.rule) for one in found if one.conduct),
                    harm=frozenset(sort_of_rule(book, one.rule) for one in found if one.harm),
                )
        return self.history

    def tell(self, text: str) -> None:
        """A line of the story, now."""
        self.history.tell(self.now, text)

    def _settle(self) -> Person:
        own, party_id = self.new_id(), self.new_id()
        debts = (own, self._shared_debt) if self.draw.random() < 0.6 else (own,)
        person = people.person_of(self.draw, party_id, self.begins, debts, self.people)
        person = people.on_a_number_of(person, self.people)
        case = people.case_of(
            self.draw, person, self.new_id(), begins=self.begins, ends=self.ends + timedelta(days=30), real=self.real
        )
        self.bureau.open_case(case)
        self.history.people[person.party_id] = person
        self.tell(f"{person.name} lives in {person.place}, {person.home}, {' or '.join(person.zones)}")
        return person

    def _plan_rules(self) -> None:
        """A newer policy is released days before it is in effect; each boundary is a turn, before anybody's day."""
        change = self.history.stricter_from
        if change is not None:
            released, _ = people.midnight(change, self.real)
            released -= timedelta(days=self.draw.randint(1, 3), seconds=self.draw.randint(0, 80_000))
            self.at(released, lambda: self._turn(change))
        for day in book_of(change).boundaries:
            begins, _ = people.midnight(day, self.real)
            if self.begins < begins < self.ends:
                self.at(begins - _BOUNDARY_LEAD, lambda: self._turn(None))

    def _turn(self, change: date | None) -> None:
        book = self.bureau.book if change is None else book_of(change)
        self.tell("a date of the rules comes" if change is None else f"stricter policy from {change} on is released")
        self.history.turns_real.append(self.real_now)
        if change is not None:
            self.history.released_real = self.real_now
        self.bureau.turn(book, self.moment())

    def _revoked(self, permit: Permit, moment: Moment) -> None:
        grant = self.history.grants[permit.permit_id]
        grant.void_since_real = permit.fact_arrived_real
        grant.revoked_real = moment.real
        grant.revoked_for = permit.revoke_cause
        self.tell(f"permit {_short(permit.permit_id)} is revoked: {permit.revoke_cause}")


def _short(some_id: UUID) -> str:
    return str(some_id)[:4]
