"""Who is bound by which debt: what intake says of the loans of each case."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID

from shared.events.case import CaseLoan, CaseOpened, LeavingKind

Role = Literal["borrower", "co_borrower", "guarantor"]
Liability = Literal["full", "joint", "secondary"]
Leaving = Literal["transferred", "moved"]
"""How a loan leaves a case for good: it is another creditor's now, or another person's."""
_LEAVINGS: Final[Mapping[LeavingKind, Leaving]] = {
    "sold": "transferred", "servicing": "transferred", "moved": "moved",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Obligor:
    """Somebody bound by a debt, in which capacity and how far."""

    party_id: UUID
    role: Role
    liability: Liability


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """One debt as the case of `case_party_id` states it. `is_overdue`: it is collected now; kept when it no longer is.

    `is_transferred`: it was sold or is serviced by somebody else, so we contact nobody about it. `has_moved`: the party
    of the case is bound by it no more, and we do not contact them about it; contacts of before still count on it.
    `obligors` holds at least the party of the case, in order of id.
    """

    debt_id: UUID
    case_party_id: UUID
    loan_id: UUID
    is_overdue: bool
    originated_on: date | None
    obligors: tuple[Obligor, ...]
    is_transferred: bool = False
    has_moved: bool = False
    known_real: datetime | None = field(default=None, compare=False)
    """Since when (real time) it is known that the person it was loaded for is bound by it."""

    @property
    def key(self) -> str:
        """Its name among the keys of a contact budget."""
        return str(self.debt_id)

    def liability_of(self, party_id: UUID) -> Liability | None:
        """How far the party is liable for it; None: not at all."""
        return next((one.liability for one in self.obligors if one.party_id == party_id), None)

    def is_anothers(self, ids: Collection[UUID]) -> bool:
        """Whether it is nothing to the person of these ids any more."""
        return self.is_transferred or (self.has_moved and self.case_party_id in ids)


def left_by(cause: str) -> Leaving | None:
    """How a loan that leaves a case so is another's from then on; None: it is not."""
    return next((how for kind, how in _LEAVINGS.items() if kind == cause), None)


def only_guaranteed(debts: Sequence[Debt], party_id: UUID) -> frozenset[UUID]:
    """The debts of which the party stands surety and nothing is demanded: once it is, its own case states them."""
    roles = {
        debt.debt_id: one.role for debt in debts for one in debt.obligors if one.party_id == party_id
    }  # fmt: skip
    demanded = {debt.debt_id for debt in debts if debt.case_party_id == party_id and debt.is_overdue}
    return frozenset(debt_id for debt_id, role in roles.items() if role == "guarantor") - demanded


def oldest(debts: Sequence[Debt]) -> date | None:
    """The date before which none of the debts can have been collected; None where one's origin is not known."""
    dates = [debt.originated_on for debt in debts]
    known = [day for day in dates if day is not None]
    return min(known, default=None) if len(known) == len(dates) else None


def debts_told(data: CaseOpened) -> tuple[Debt, ...] | None:
    """The debts of a case; None where a loan comes without the debt's id: it was sent before there was one."""
    told = [_debt(data.party_id, loan) for loan in data.loans]
    debts = tuple(one for one in told if one is not None)
    return debts if len(debts) == len(told) else None


def _debt(party_id: UUID, loan: CaseLoan) -> Debt | None:
    if loan.debt_id is None:
        return None
    bound = {one.party_id: Obligor(one.party_id, one.role, one.liability) for one in loan.obligors}
    bound.setdefault(party_id, Obligor(party_id, "borrower", "full"))
    return Debt(
        debt_id=loan.debt_id,
        case_party_id=party_id,
        loan_id=loan.loan_id,
        is_overdue=True,
        originated_on=loan.originated_on,
        obligors=tuple(bound[one] for one in sorted(bound)),
    )
