"""What people of a world share: debts, homes, numbers; what others' contacts count on them, as the store says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from services.compliance.domain.budget_keys import Keys, joined, keys_named, names_of
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


class _Reach(NamedTuple):
    """Since when it is known (real time) that somebody is reached on a key, and from which business time on."""

    known_real: datetime = _ALWAYS
    since: datetime = _ALWAYS


_EVER: Final = _Reach()
_NOTHING: Final = Shared((), {})
_NO_KEYS: Final[Keys] = {}


class _Ties(NamedTuple):
    """Who shares something with one person, each with the keys that both have, and by name since when they do.

    `wanted`: the keys asked for, as names of each kind. `known_from`: by name of a key that others have, too.
    """

    wanted: Keys
    others: tuple[tuple[Case, Keys, dict[str, _Reach]], ...]
    known_from: dict[str, date | None]


class Sharing:
    """All that follows from who lives with whom, owes with whom, and is reached on whose number."""

    def __init__(self, cases: dict[UUID, Case]) -> None:
        self._cases = cases
        self._reached: dict[str, dict[UUID, _Reach]] = {}
        self._tied: dict[tuple[UUID, tuple[str, ...]], _Ties] = {}
        self._made: dict[tuple[UUID, bool], Counted] = {}
        self._debts: list[Debt] = []

    def reach(
        self, case: Case, names: Iterable[str], *, known_real: datetime = _ALWAYS, since: datetime = _ALWAYS
    ) -> None:
        """Remember that the person is, or may be, reached on these keys: from the earliest moment told on for ever, for
        nobody knows who has left.
        """
        for name in names:
            people = self._reached.setdefault(name, {})
            known = people.get(case.party_id)
            if known is None or since < known.since:
                people[case.party_id] = _Reach(known_real if known is None else known.known_real, since)
                self._tied.clear()

    def homes(self, case: Case) -> dict[str, datetime]:
        """All homes of the person, each with the business time from which it is theirs."""
        return {
            name.partition(":")[2]: people[case.party_id].since
            for name, people in self._reached.items()
            if name.startswith("household:") and case.party_id in people
        }

    def forget(self) -> None:
        """What every contact with somebody counts on is another thing from now on."""
        self._tied.clear()

    def reached_on(self, keys: Keys, case: Case) -> list[Case]:
        """Everybody else who is, or may be, reached on one of the keys."""
        found = {one: None for name in names_of(keys) for one in self._reached.get(name, ()) if one != case.party_id}
        return [self._cases[one] for one in found]

    def sharers(self, case: Case, named: Keys = _NO_KEYS) -> Iterable[Case]:
        """The others who share a debt, the home, or one of the keys named."""
        return (other for other, _, _ in self._ties(case, named).others)

    def of(self, case: Case, named: Keys, *, decided: bool) -> Shared:
        """`decided`: for a decision, which looks at reservations and attested histories, too."""
        ties = self._ties(case, named)
        if not ties.others:
            return _NOTHING
        counted: list[Counted] = []
        for other, common, _ in ties.others:
            same = case.same.get(other.party_id)
            counted += [
                self._of_another(place, one, common, decided=decided)
                for place, one in other.made.items()
                if same is None or not same.shares(one.told_real)
            ]
            if decided:
                reserved = (permit.reservation() for permit in other.permits.values() if permit.reserves)
                counted += [msgspec.structs.replace(one, of_another=True) for one in reserved]
        wanted = ties.wanted.items()
        counted = [one for one in counted if any(not keys.isdisjoint(one.keys.get(kind, ())) for kind, keys in wanted)]
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

    def _ties(self, case: Case, named: Keys) -> _Ties:
        """The keys of all contacts with the person, and those named, with whoever is, or may be, reached on them."""
        own = case.keys()
        if all(values <= own.get(kind, frozenset()) for kind, values in named.items()):
            named = _NO_KEYS
        place = (case.party_id, names_of(named))
        found = self._tied.get(place)
        if found is None:
            wanted = joined(own, named)
            common: dict[UUID, dict[str, _Reach]] = {}
            for name in names_of(wanted):
                for party_id, (known_real, since) in self._reached.get(name, {}).items():
                    if party_id != case.party_id and not self._is_one_with(case, party_id):
                        known_of_both = max(known_real, self._known(name, case))
                        common.setdefault(party_id, {})[name] = _Reach(known_of_both, since)
            others = [(self._cases[one], keys_named(names), names) for one, names in common.items()]
            known_from: dict[str, date | None] = {
                name: max(other.history_known_from for other, _, names in others if name in names)
                for name in {name for _, _, names in others for name in names}
            }
            found = self._tied[place] = _Ties(wanted, tuple(others), known_from)
        return found

    @staticmethod
    def _is_one_with(case: Case, party_id: UUID) -> bool:
        return party_id in case.same and case.same[party_id].stands

    def _known(self, name: str, case: Case) -> datetime:
        """Since when it is known of the person: of a number that a contact names it need not be."""
        own = _EVER if name.startswith("contact_point:") else self._reached[name].get(case.party_id, _EVER)
        return own.known_real

    def laws(self, case: Case, named: Keys, *, at: datetime) -> tuple[Sharer, ...]:
        """The laws of the others, with what was told by then of what decides which of their rules apply."""
        return tuple(
            Sharer(jurisdiction=other.place, keys=common, circumstances=other.dossier().circumstances(at=at))
            for other, common, _ in self._ties(case, named).others
        )

    def past(self, case: Case, named: Keys) -> tuple[PastSharer, ...]:
        """The same for an audit: all places in which they lived, and since when they share what, and that is known."""
        return tuple(
            PastSharer(
                known_real={name: one.known_real for name, one in names.items()},
                since={name: one.since for name, one in names.items()},
                places=other.places,
                dossier=other.dossier(),
            )
            for other, _, names in self._ties(case, named).others
        )

    def permits(self, case: Case, named: Keys) -> Iterable[Permit]:
        """The reservations of the others."""
        return (permit for other in self.sharers(case, named) for permit in other.permits.values() if permit.reserves)

    def reaching(self, case: Case) -> list[Hold]:
        """Moratoria of others that reach the person."""
        if len(case.debts) < 2 or len(self._cases) < 2:
            return []
        others = {other.party_id: other.holds for other in self._cases.values() if other is not case and other.holds}
        return reaching(case.party_id, self.debts(), others, {}) if others else []

    def debts(self) -> list[Debt]:
        """The debts of this world, each with everybody whose case has named it, those no longer collected included."""
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


def keys_of_permits(permits: Iterable[Permit]) -> Keys:
    """All that contacts on these permits count on beside their people."""
    return joined(*{id(one.keys): one.keys for one in permits}.values())


def points_of(keys: Keys) -> tuple[str, ...]:
    """The contact points among the keys, by name: whom else they reach is known by who was to be reached on them."""
    return names_of({"contact_point": keys.get("contact_point", frozenset())})
