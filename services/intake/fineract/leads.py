"""Loans of a group: under whom each is told, and what follows when that changes or nobody can say it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.intake.domain.comparison import FieldDifference
from services.intake.fineract.facts import Fact, Occasion, Tenancy, bound_by
from services.intake.fineract.state import LoanState
from services.intake.store import findings
from services.intake.store import fineract as store
from services.intake.store.fineract import ToldLoan
from shared.database import UnitOfWork
from shared.events.loan import ObligorChanged
from shared.ids import derived_id

_WHY: Final = {
    "unknown": "the bank has not said whether the members of a group are bound",
    "joint": "the core names no member of the group who can be bound, or too many",
}


class Left(NamedTuple):
    """A loan whose lead was somebody else: what is said to them, under their reference."""

    loan: ToldLoan
    party_ref: str
    fact: Fact


@dataclass
class GroupLoans:
    """The group loans of one batch. `under`: under whom each is told of, with the core's reference."""

    tenancy: Tenancy
    under: dict[str, tuple[ToldLoan, str]]
    _left: set[ToldLoan] = field(default_factory=set)
    _open: dict[ToldLoan, Occasion] = field(default_factory=dict)
    _resolved: set[ToldLoan] = field(default_factory=set)

    @classmethod
    async def load(cls, uow: UnitOfWork, tenancy: Tenancy, loans: Iterable[LoanState]) -> GroupLoans:
        """Those of `loans` that are a group's; without one nothing is asked."""
        references = {str(loan.loan_id) for loan in loans if loan.group_id is not None}
        return cls(tenancy, await store.told_under(uow, tenancy.core, references) if references else {})

    def left_by(self, loan: ToldLoan, state: LoanState, occasion: Occasion) -> Left | None:
        """Whom to tell that the loan is others' now; it is told of under its new lead from here on."""
        known = self.under.get(loan.loan_ref)
        if state.group_id is None or known is None or known[1] == state.party_ref:
            return None
        before, party_ref = self.under.pop(loan.loan_ref)
        self._left.add(before)
        self._resolved.add(before)
        data = ObligorChanged.model_validate(
            {
                "tenant": self.tenancy.tenant, "core": self.tenancy.core, "loan_ref": loan.loan_ref,
                "party_ref": party_ref, "business_date": occasion.business_date,
                "core_sequence": occasion.core_sequence, "currency": state.currency, "obligors": bound_by(state),
            }
        )  # fmt: skip
        return Left(before, party_ref, Fact("loan.obligor_changed", occasion.core_sequence, data))

    def seen(self, loan: ToldLoan, state: LoanState, occasion: Occasion, *, is_told: bool) -> None:
        """Remember whether somebody must look who is bound."""
        if state.group_id is None or not is_told:
            return
        self.under[loan.loan_ref] = (loan, state.party_ref)
        self._left.discard(loan)
        if state.is_unresolved and state.past_due_on(occasion.business_date):
            self._open[loan] = occasion
            self._resolved.discard(loan)
        else:
            self._open.pop(loan, None)
            self._resolved.add(loan)

    async def save(self, uow: UnitOfWork) -> None:
        """Forget who no longer stands for a loan; open and close the findings."""
        if self._left:
            await store.forget_told(uow, self._left)
        await findings.resolve(uow, self._resolved)
        for loan, occasion in sorted(self._open.items()):
            run_id = derived_id("fineract-group", self.tenancy.core, loan.loan_ref)
            found = FieldDifference(loan.loan_ref, "group", None, _WHY[self.tenancy.group_liability])
            await findings.see_unresolved(uow, run_id, {loan.party_id: [found]}, business_date=occasion.business_date)
