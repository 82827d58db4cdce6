"""The case as plans needs it: is it open, and how much is owed in each currency."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from uuid import UUID

from shared.events.case import CaseOpened
from shared.money import Money


@dataclass(frozen=True, kw_only=True)
class KnownCase:
    """The newest known state. `balances` are whole outstanding balances of its overdue loans, minor units.

    `jurisdiction`: none while nobody has said whose law applies. `suspended`: nobody acts on it at the moment.
    """

    party_id: UUID
    case_id: UUID
    version: int
    is_open: bool
    balances: dict[str, int]
    jurisdiction: str | None = None
    time_zones: tuple[str, ...] = ()
    suspended: bool = False
    core: str | None = None

    def owes(self, debt: Money) -> bool:
        """Whether at least `debt` is owed: no plan is made over money that nobody owes."""
        return self.balances.get(debt.currency, 0) >= debt.amount_minor


def known(before: KnownCase | None, data: CaseOpened) -> KnownCase | None:
    """`case.opened` and `case.updated`; None when the state is already known or older."""
    if before is not None and before.version >= data.version:
        return None
    balances: Counter[str] = Counter()
    for loan in data.loans:
        balances[loan.balance.currency] += loan.balance.amount_minor
    return KnownCase(
        party_id=data.party_id, case_id=data.case_id, version=data.version, is_open=True, balances=dict(balances),
        jurisdiction=data.jurisdiction, time_zones=tuple(data.time_zones),
        suspended=before is not None and before.suspended, core=data.core,
    )  # fmt: skip


def moved_on(before: KnownCase, version: int, *, is_open: bool = True, suspended: bool | None = None) -> KnownCase:
    """A later version that tells nothing about balances. `suspended`: none if it says nothing of that either."""
    stopped = before.suspended if suspended is None else suspended
    return replace(before, version=max(version, before.version), is_open=is_open, suspended=stopped)
