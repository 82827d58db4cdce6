"""What customers pay, after the fitted data: by themselves during the field days, and on signed plans afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime
from typing import Any

from simulation.api import Api
from simulation.behaviour import Behaviour
from simulation.core.bank import BankCore
from simulation.core.ledger import Loan


class Repayment:
    """Payments of the whole portfolio. `untouched` are parties that must not be paid for (parked or unknown ones)."""

    def __init__(self, core: BankCore, behaviour: Behaviour, *, untouched: Collection[str]) -> None:
        self._core = core
        self._behaviour = behaviour
        self._untouched = frozenset(untouched)

    async def pay_by_themselves(self, day_number: int, *, at: datetime, but: Collection[str] = ()) -> int:
        """Accounts whose fitted month ends in cure, on their day of it, pay what is overdue; returns how many."""
        paying = [
            loan
            for loan in self._core.ledger.late_loans()
            if loan.person.party_ref not in self._untouched
            and loan.person.loan_ref not in but
            and self._behaviour.pays_by_itself_on(loan, day_number)
        ]
        for loan in paying:
            await self._core.receive_payment(loan.person.loan_ref, loan.overdue, at=at)
        return len(paying)

    async def bounce_one(self, *, at: datetime) -> str | None:
        """One payment is received and taken back the same day: the case must be late again."""
        for loan in self._core.ledger.late_loans():
            if loan.person.party_ref not in self._untouched:
                reference = await self._core.receive_payment(loan.person.loan_ref, loan.overdue, at=at)
                await self._core.reverse_payment(loan.person.loan_ref, reference, at=at)
                return loan.person.loan_ref
        return None

    async def pay_instalments(self, api: Api, signed: dict[str, Loan], *, at: datetime) -> int:
        """On signed plans whatever is due by now is paid, unless the fitted month would have rolled forward."""
        paid = 0
        answers = await asyncio.gather(*(api.get("plans", f"/v1/plans/{plan_id}") for plan_id in signed))
        for answer, loan in zip(answers, signed.values(), strict=True):
            plan = answer.expected()
            amount = min(_due_minor(plan, at), loan.balance)
            if plan["state"] == "signed" and amount > 0 and self._behaviour.keeps_plan(loan):
                await self._core.receive_payment(loan.person.loan_ref, amount, at=at)
                paid += 1
        return paid


def _due_minor(plan: dict[str, Any], at: datetime) -> int:
    """What the schedule asks up to `at` less what was matched so far."""
    due = sum(
        int(instalment["amount"]["amount_minor"])
        for instalment in plan["instalments"]
        if instalment["due_date"] <= at.date().isoformat()
    )
    return max(due - int(plan["paid"]["amount_minor"]), 0)
