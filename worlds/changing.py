"""Homes of a world that change hands, and loans that are sold."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final
from uuid import UUID

from worlds.truth import Person, Removal, Sale
from worlds.world import Deed, World

_REMOVES: Final = 0.12
_SOLD: Final = 0.08
_TOLD_LATE: Final = 0.4


class Changing:
    """The changes of one person. They are drawn apart, so that a world without any is what it was before."""

    def __init__(self, world: World, person: Person) -> None:
        self.world = world
        self.person = person
        self.case = world.bureau.cases[person.party_id]
        self._draw = Random(f"changes of {person.party_id}")

    def plan(self) -> None:
        """Draw whether and when the person removes, and which of the debts that nobody before owes are sold."""
        if self.world.merges:
            return
        if self._draw.random() < _REMOVES:
            self.world.homes_change = True
            self._some_time(self._remove)
        before = {debt for one in self.world.people[: self.world.people.index(self.person)] for debt in one.debts}
        for debt in self.person.debts:
            if debt not in before and self._draw.random() < _SOLD:
                self._some_time(partial(self._sell, debt))

    def _some_time(self, deed: Deed) -> None:
        self.world.at(self.world.now + (self.world.ends - self.world.now) * self._draw.random(), deed)

    def _remove(self) -> None:
        homes = {one.home for one in self.world.people} | {"an empty home"}
        home = self._draw.choice(sorted(homes - {self.case.home}))
        since = self.world.now

        def handle(reached: datetime) -> None:
            self.world.history.removals.append(
                Removal(
                    party_id=self.person.party_id, since=since, reached_real=reached,
                    recorded_real=self.world.real_now, home=home,
                )
            )  # fmt: skip
            self.world.hearing.resettle(self.case, self.world.moment(), home=home, since=since, reached=reached)
            if self._draw.random() < 0.5:  # a person's events are handled in their order
                self._some_time(self._remove)

        self.world.tell(f"{self.person.name} removes to {home}")
        silence = self._silence()
        if silence:
            self.world.at(since + silence, lambda: self.world.reaches(handle))
        else:
            self.world.reaches(handle)

    def _silence(self) -> timedelta:
        """Some tell it only weeks later. Drawn apart, as everything else that came later."""
        draw = Random(f"silence of {self.person.party_id} at {self.world.now}")
        return timedelta(days=20 * draw.random()) if draw.random() < _TOLD_LATE else timedelta()

    def _sell(self, debt: UUID) -> None:
        """Everybody who owes it hears another creditor from now on; it reaches us person by person."""
        for one in self.world.people:
            if debt in one.debts:
                self.world.tell(f"debt {str(debt)[:4]} of {one.name} is sold")
                self.world.reaches(partial(self._sold, one, debt))

    def _sold(self, person: Person, debt: UUID, reached: datetime) -> None:
        world = self.world
        world.history.sales.append(
            Sale(party_id=person.party_id, debt=debt, reached_real=reached, recorded_real=world.real_now)
        )  # fmt: skip
        world.hearing.sell(world.bureau.cases[person.party_id], world.moment(), debt=debt, reached=reached)
