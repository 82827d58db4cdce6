"""How the people of a world lived over time: where, in which home, owing what, reached on which numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from worlds.truth import Grant, History, Move, Person, Removal, Sale


class Lives:
    """Each answer is for a moment, as far as somebody knew by a real time."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.moves: dict[UUID, list[Move]] = {}
        for move in history.moves:
            self.moves.setdefault(move.party_id, []).append(move)
        self.removals: dict[UUID, list[Removal]] = {}
        for removal in history.removals:
            self.removals.setdefault(removal.party_id, []).append(removal)
        self.sales: dict[UUID, list[Sale]] = {}
        for sale in history.sales:
            self.sales.setdefault(sale.party_id, []).append(sale)
        self._called: dict[str, list[Grant]] = {}
        for grant in history.grants.values():
            if grant.number is not None:
                self._called.setdefault(grant.number, []).append(grant)

    def living(self, party_id: UUID, *, at: datetime | None = None, known_by: datetime | None = None) -> Person:
        """The person as they lived at that business time (None: last), as far as was known by that real time.

        Before the first move that was known they lived, for all anybody knew, where they lived at first.
        """
        person = self.history.people[party_id]
        moves = [
            one
            for one in self.moves.get(party_id, ())
            if (known_by is None or one.recorded_real <= known_by) and (at is None or one.since <= at)
        ]
        last = max(moves, key=lambda one: (one.since, one.recorded_real), default=None)
        return person if last is None else replace(person, place=last.place, zones=last.zones)

    def homes(self, party_id: UUID, *, known_by: datetime | None = None) -> list[str]:
        """All homes in which the person was ever known to live, by that real time; the last is where they live."""
        homes = [self.history.people[party_id].home]
        removals = self.removals.get(party_id, ())
        return homes + [one.home for one in removals if known_by is None or one.recorded_real <= known_by]

    def owed(self, party_id: UUID, *, known_by: datetime | None = None) -> frozenset[UUID]:
        """The debts that are ours to collect, as far as was known by that real time."""
        sold = {
            one.debt for one in self.sales.get(party_id, ()) if known_by is None or one.recorded_real <= known_by
        }  # fmt: skip
        return frozenset(self.history.people[party_id].debts) - sold

    def called(self, party_id: UUID, number: str | None, *, known_by: datetime | None) -> bool:
        """Whether somebody was to reach the person on that number, as far as was known by that real time."""
        return number is not None and any(
            one.party_id == party_id and (known_by is None or one.asked_real <= known_by)
            for one in self._called.get(number, ())
        )


def share(one: Person, other: Person) -> bool:
    """Whether the two share a home or a debt."""
    return one.home == other.home or not set(one.debts).isdisjoint(other.debts)
