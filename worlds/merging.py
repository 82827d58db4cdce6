"""Two people of a world who are found to be one, and perhaps two again."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Final

from worlds.truth import Merge
from worlds.world import Deed, World

_MERGES: Final = 0.25
_PARTS: Final = 0.5


class Merging:
    """Only in worlds of two. Drawn apart, so that a world without it is what it was before.

    Nobody of such a world moves, pays everything, or brings a history.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._draw = Random(f"merges of {world.history.seed}")

    def plan(self) -> None:
        """Draw whether and when."""
        if len(self.world.people) == 2 and self._draw.random() < _MERGES:
            self.world.merges = True
            self._some_time(self._merge)

    def _some_time(self, deed: Deed) -> None:
        self.world.at(self.world.now + (self.world.ends - self.world.now) * self._draw.random(), deed)

    def _merge(self) -> None:
        survivor, merged = self._draw.sample(self.world.people, 2)
        cases = self.world.bureau.cases

        def handle(reached: datetime) -> None:
            merge = self.world.history.merge = Merge(
                survivor=survivor.party_id, merged=merged.party_id, reached_real=reached,
                recorded_real=self.world.real_now,
            )  # fmt: skip
            self.world.hearing.merge(
                cases[survivor.party_id], cases[merged.party_id], self.world.moment(), reached=reached
            )  # fmt: skip
            if self._draw.random() < _PARTS:
                self._some_time(lambda: self._part(merge))

        self.world.tell(f"{merged.name} is found to be {survivor.name}")
        self.world.reaches(handle)

    def _part(self, merge: Merge) -> None:
        cases, people = self.world.bureau.cases, self.world.history.people

        def handle(reached: datetime) -> None:
            merge.parted_reached, merge.parted_real = reached, self.world.real_now
            self.world.hearing.part(
                cases[merge.survivor], cases[merge.merged], self.world.moment(), reached=reached,
                attested=people[merge.survivor].history_known_from,
            )  # fmt: skip

        self.world.tell(f"{people[merge.merged].name} is not {people[merge.survivor].name} after all")
        self.world.reaches(handle)
