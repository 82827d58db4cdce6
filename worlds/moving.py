"""People of a world who move house: other hours, other limits, other zones, while permits are outstanding."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Final

from worlds.people import COLLECTOR, ZONES
from worlds.truth import Move, Person
from worlds.world import World

_MOVES: Final = 0.15


class Moving:
    """The moves of one person. They are drawn apart, so that a world without any is what it was before."""

    def __init__(self, world: World, person: Person) -> None:
        self.world = world
        self.person = person
        self.case = world.bureau.cases[person.party_id]
        self._draw = Random(f"moves of {person.party_id}")

    def plan(self) -> None:
        """Draw whether and when."""
        if not self.world.merges and self._draw.random() < _MOVES:
            self.world.at(self.world.now + (self.world.ends - self.world.now) * self._draw.random(), self._move)

    def _move(self) -> None:
        since = self.world.now
        place = self._draw.choice(tuple(ZONES))
        zones = self._draw.choice(ZONES[place])

        def handle(reached: datetime) -> None:
            self.world.history.moves.append(
                Move(
                    party_id=self.person.party_id, since=since, reached_real=reached,
                    recorded_real=self.world.real_now, place=place, zones=zones,
                )
            )  # fmt: skip
            self.world.hearing.move(
                self.case, self.world.moment(), place=place, zones=zones, collector=COLLECTOR[place], since=since,
                reached=reached,
            )  # fmt: skip
            self.plan()  # a person's events are handled in their order

        self.world.tell(f"{self.person.name} moves to {place}, {' or '.join(zones)}")
        self.world.reaches(handle)
