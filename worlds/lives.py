"""How the people of a world lived over time: where, in which home, owing what, reached on which numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from worlds.truth import Contact, Grant, History, Move, Person, Removal, Sale


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
        if party_id not in self.moves:
            return person
        moves = [
            one
            for one in self.moves[party_id]
            if (known_by is None or one.recorded_real <= known_by) and (at is None or one.since <= at)
        ]
        last = max(moves, key=lambda one: (one.since, one.recorded_real), default=None)
        return person if last is None else replace(person, place=last.place, zones=last.zones)

    def homes(self, party_id: UUID, *, at: datetime | None = None, known_by: datetime | None = None) -> list[str]:
        """All homes in which the person had ever lived at that business time (None: ever), as far as was known by that
        real time; the last is where they live.
        """
        homes = [self.history.people[party_id].home]
        return homes + [
            one.home
            for one in self.removals.get(party_id, ())
            if (known_by is None or one.recorded_real <= known_by) and (at is None or one.since <= at)
        ]

    def home(self, party_id: UUID, *, at: datetime | None = None, known_by: datetime | None = None) -> str:
        """Where the person lives, as far as was known by that real time; at a business time before they first moved in
        there, into which home they had moved last.
        """
        since = {self.history.people[party_id].home: datetime.min.replace(tzinfo=UTC)}
        last = next(iter(since))
        for one in self.removals.get(party_id, ()):
            if known_by is None or one.recorded_real <= known_by:
                last = one.home
                since[last] = min(one.since, since.get(last, one.since))
        if at is None or since[last] <= at:
            return last
        return max((moment, home) for home, moment in since.items() if moment <= at)[1]

    def owed(self, party_id: UUID, *, known_by: datetime | None = None) -> frozenset[UUID]:
        """The debts that are ours to collect, as far as was known by that real time."""
        sold = {
            one.debt for one in self.sales.get(party_id, ()) if known_by is None or one.recorded_real <= known_by
        }  # fmt: skip
        other = self.other_id(party_id) if self.one_person(known_by=known_by) else None
        debts = self.history.people[party_id].debts
        return frozenset(debts if other is None else (*debts, *self.history.people[other].debts)) - sold

    def one_person(self, *, known_by: datetime | None) -> bool:
        """Whether the two who were found to be one are one, as far as was known by that real time."""
        merge = self.history.merge
        if merge is None or (known_by is not None and known_by < merge.recorded_real):
            return False
        return merge.parted_real is None or (known_by is not None and known_by < merge.parted_real)

    def other_id(self, party_id: UUID) -> UUID | None:
        """The other one of the two who are, or were, thought to be one."""
        merge = self.history.merge
        if merge is None or party_id not in (merge.survivor, merge.merged):
            return None
        return merge.merged if party_id == merge.survivor else merge.survivor

    def told_of_both(self, told_real: datetime | None, *, known_by: datetime | None) -> bool:
        """Whether what was told of one of the two then (None: not yet) counts for both: while they are one, anything;
        for ever what was told while they were thought to be.
        """
        merge = self.history.merge
        if merge is None or self.one_person(known_by=known_by):
            return merge is not None
        parted = merge.parted_reached
        over = merge.parted_real is not None and (known_by is None or merge.parted_real <= known_by)
        return over and parted is not None and told_real is not None and merge.reached_real <= told_real <= parted

    def counts_for(self, party_id: UUID, one: Contact | Grant, *, known_by: datetime | None) -> bool:
        """Whether it is the person's own, under whichever id of theirs."""
        if one.party_id == party_id:
            return True
        if one.party_id != self.other_id(party_id):
            return False
        told = one.told_real if isinstance(one, Contact) else None
        if told is not None and known_by is not None and told > known_by:
            told = None
        return self.told_of_both(told, known_by=known_by)

    def called(
        self, party_id: UUID, number: str | None, *, at: datetime | None = None, known_by: datetime | None
    ) -> bool:
        """Whether somebody was to reach the person on that number before that business time (None: ever), as far as
        was known by that real time.
        """
        return number is not None and any(
            one.party_id == party_id
            and (known_by is None or one.asked_real <= known_by)
            and (at is None or one.asked_at <= at)
            for one in self._called.get(number, ())
        )


def share(one: Person, other: Person) -> bool:
    """Whether the two share a home or a debt."""
    return one.home == other.home or not set(one.debts).isdisjoint(other.debts)
