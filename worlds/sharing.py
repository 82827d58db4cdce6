"""What people of a world share: debts and homes, and what each other's contacts count on them, as the store says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from services.compliance.domain.budget_keys import Keys, keys_named, names_of
from services.compliance.domain.debts import Debt, Obligor
from services.compliance.domain.facts import Counted, Sharer
from services.compliance.domain.holds import Hold
from services.compliance.domain.moratoria import reaching
from services.compliance.domain.past_sharers import PastSharer
from services.compliance.domain.permits import Permit
from worlds.kept import Case


class Shared(NamedTuple):
    """What others count on the keys of one person, and since when their contacts are attested, by name of the key."""

    counted: tuple[Counted, ...]
    known_from: dict[str, date | None]


_ALWAYS: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NOTHING: Final = Shared((), {})


class _Ties(NamedTuple):
    """Who shares something with one person, each with the keys that both have.

    `known_from`: by name of a key that others have, too.
    """

    keys: Keys
    others: tuple[tuple[Case, Keys], ...]
    known_from: dict[str, date | None]


class Sharing:
    """All that follows from who lives with whom and owes with whom. Everybody has settled before anything happens."""

    def __init__(self, cases: dict[UUID, Case]) -> None:
        self._cases = cases
        self._tied: dict[UUID, _Ties] = {}
        self._made: dict[tuple[UUID, bool], Counted] = {}
        self._debts: list[Debt] = []

    def keys(self, case: Case) -> Keys:
        """What every contact with the person counts on."""
        return self._ties(case).keys

    def sharers(self, case: Case) -> Iterable[Case]:
        """The others who share a debt or the home."""
        return (other for other, _ in self._ties(case).others)

    def of(self, case: Case, *, decided: bool) -> Shared:
        """`decided`: for a decision, which looks at reservations and attested histories, too."""
        ties = self._ties(case)
        if not ties.others:
            return _NOTHING
        counted: list[Counted] = []
        for other, common in ties.others:
            counted += [self._of_another(place, one, common, decided=decided) for place, one in other.made.items()]
            if decided:
                reserved = (permit.reservation() for permit in other.permits.values() if permit.reserves)
                counted += [msgspec.structs.replace(one, of_another=True) for one in reserved]
        own = ties.keys
        counted = [one for one in counted if any(not own[kind].isdisjoint(one.keys.get(kind, ())) for kind in own)]
        return Shared(tuple(counted), ties.known_from if decided else _NOTHING.known_from)

    def _of_another(self, contact_id: UUID, one: Counted, common: Keys, *, decided: bool) -> Counted:
        """One whose debts and home are not known counts on those that both have."""
        found = self._made.get((contact_id, decided))
        if found is None:
            told_real = None if decided else one.told_real
            found = msgspec.structs.replace(one, of_another=True, told_real=told_real, keys=one.keys or common)
            if one.keys:
                self._made[contact_id, decided] = found
        return found

    def _ties(self, case: Case) -> _Ties:
        found = self._tied.get(case.party_id)
        if found is None:
            own = set(names_of(_keys(case)))
            named = {other.party_id: own.intersection(names_of(_keys(other))) for other in self._cases.values()}
            others = tuple(
                (one, keys_named(named[one.party_id]))
                for one in self._cases.values()
                if one is not case and named[one.party_id]
            )
            known_from: dict[str, date | None] = {
                name: max(dates)
                for name in own
                if (dates := [one.history_known_from for one, _ in others if name in named[one.party_id]])
            }
            found = self._tied[case.party_id] = _Ties(_keys(case), others, known_from)
        return found

    def laws(self, case: Case, *, at: datetime) -> tuple[Sharer, ...]:
        """The laws of the others, with what was told by then of what decides which of their rules apply."""
        return tuple(
            Sharer(jurisdiction=other.place, keys=common, circumstances=other.dossier().circumstances(at=at))
            for other, common in self._ties(case).others
        )

    def past(self, case: Case) -> tuple[PastSharer, ...]:
        """The same for an audit: all places in which they lived. What they share was always known."""
        return tuple(
            PastSharer(
                known_real=dict.fromkeys(names_of(common), _ALWAYS), places=other.places, dossier=other.dossier()
            )
            for other, common in self._ties(case).others
        )

    def permits(self, case: Case) -> Iterable[Permit]:
        """The reservations of the others."""
        return (permit for other in self.sharers(case) for permit in other.permits.values() if permit.reserves)

    def reaching(self, case: Case) -> list[Hold]:
        """Moratoria of others that reach the person."""
        if len(case.debts) < 2 or len(self._cases) < 2:
            return []
        others = {other.party_id: other.holds for other in self._cases.values() if other is not case and other.holds}
        return reaching(case.party_id, self.debts(), others, {}) if others else []

    def debts(self) -> list[Debt]:
        """The debts of this world, each with everybody whose case names it."""
        if not self._debts:
            bound: dict[UUID, list[Obligor]] = {}
            for case in self._cases.values():
                for debt_id in case.debts:
                    bound.setdefault(debt_id, []).append(Obligor(case.party_id, "borrower", "joint"))
            self._debts = [
                Debt(
                    debt_id=debt_id, case_party_id=obligors[0].party_id, loan_id=debt_id, is_overdue=True,
                    originated_on=None, obligors=tuple(obligors),
                )
                for debt_id, obligors in bound.items()
            ]  # fmt: skip
        return self._debts


def _keys(case: Case) -> Keys:
    return {"debt": frozenset(map(str, case.debts)), "household": frozenset({case.home})}
