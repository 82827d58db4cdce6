"""The core's own books: what each loan owes. Pure; the ledger of truth that intake is reconciled with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from shared.events.loan import (
    ContactPoint,
    DueItem,
    LoanOverdue,
    Obligor,
    PartyUpdated,
    PaymentReceived,
    PaymentReversed,
)
from simulation.portfolio.accounts import CURRENCY, MINOR_PER_UNIT, Account, unpaid_minimums
from simulation.portfolio.people import JURISDICTION, TIME_ZONE, Person, person_of

TENANT: Final = "bank"
CORE: Final = "core-a"
_HISTORY_DAYS: Final = 365


class LedgerError(ValueError):
    """A booking that the core itself refuses."""


@dataclass(frozen=True, slots=True)
class Due:
    """One statement minimum and what was paid towards it, minor units."""

    due_date: date
    amount: int
    paid: int = 0

    @property
    def rest(self) -> int:
        """Still unpaid."""
        return self.amount - self.paid


@dataclass(slots=True)
class Loan:
    """One card account in the core's books. Amounts in minor units of TWD."""

    person: Person
    account: Account
    balance: int
    dues: list[Due]
    sequence: int = 0
    payments: dict[str, tuple[int, list[Due]]] = field(default_factory=dict)
    """Transaction reference -> amount and the dues before it; emptied of what was reversed."""

    @property
    def overdue(self) -> int:
        """Sum of the unpaid rests."""
        return sum(due.rest for due in self.dues)

    @property
    def oldest_due_date(self) -> date | None:
        """Due date of the oldest unpaid item."""
        return min((due.due_date for due in self.dues if due.rest > 0), default=None)

    def next_sequence(self) -> int:
        """The next number of the party's feed."""
        self.sequence += 1
        return self.sequence


class Ledger:
    """All loans of the core, by loan reference, in order of reference."""

    def __init__(self, loans: Iterable[Loan], *, business_date: date) -> None:
        self.loans = {loan.person.loan_ref: loan for loan in sorted(loans, key=lambda loan: loan.person.loan_ref)}
        self.business_date = business_date
        self.told_back: dict[str, dict[str, Any]] = {}
        """What the services told the core, by the id under which they told it."""
        self._people = {loan.person.party_ref for loan in self.loans.values()}
        self._transactions = 0

    @classmethod
    def of(cls, accounts: Sequence[Account], *, as_of: date, seed: int) -> Ledger:
        """Books of a portfolio: k unpaid minimums on late accounts, the August bill as balance."""
        return cls((_loan(account, as_of=as_of, seed=seed) for account in accounts), business_date=as_of)

    def late_loans(self) -> list[Loan]:
        """Loans with something past due."""
        return [loan for loan in self.loans.values() if loan.overdue > 0]

    def take_back(self, item: dict[str, Any]) -> dict[str, str]:
        """Keep what the services say of a person, once; the answer to it. Of a stranger nothing is kept."""
        if item["party_ref"] not in self._people:
            return {"id": item["id"], "status": "refused", "reason": "no such person"}
        self.told_back.setdefault(item["id"], item)
        return {"id": item["id"], "status": "acknowledged"}

    def pay(self, loan_ref: str, amount: int, *, at: datetime, cleared: bool = True) -> PaymentReceived:
        """Book a payment, oldest due item first; the rest lowers the balance only. Raises LedgerError.

        Uncleared money is booked as received, not allocated: it pauses contact and settles nothing.
        """
        loan = self.loans[loan_ref]
        if not 0 < amount <= loan.balance:
            raise LedgerError(f"{loan_ref}: a payment of {amount} on a balance of {loan.balance}")
        self._transactions += 1
        reference = f"T-{self._transactions:06d}"
        if cleared:
            loan.payments[reference] = (amount, list(loan.dues))
            loan.dues = _allocated(loan.dues, amount)
            loan.balance -= amount
        return PaymentReceived(
            **_fact(loan, self.business_date), transaction_ref=reference, amount=amount, value_date=self.business_date,
            booked_at=at, cleared=cleared, payer_ref=loan.person.party_ref,
            allocation=_items(loan.dues) if cleared else [], balance=loan.balance,
        )  # fmt: skip

    def reverse(self, loan_ref: str, transaction_ref: str, *, at: datetime) -> PaymentReversed:
        """Take back the loan's last payment. Raises LedgerError for any other."""
        loan = self.loans[loan_ref]
        if not loan.payments or next(reversed(loan.payments)) != transaction_ref:
            raise LedgerError(f"{transaction_ref} is not the last payment of {loan_ref}")
        amount, before = loan.payments.pop(transaction_ref)
        loan.dues, loan.balance = before, loan.balance + amount
        return PaymentReversed(
            **_fact(loan, self.business_date), transaction_ref=transaction_ref, amount=amount, booked_at=at,
            due_items=_items(loan.dues),
        )  # fmt: skip

    def overdue_statement(self, loan: Loan, *, at: datetime, business_date: date | None = None) -> LoanOverdue:
        """The complete state of a late loan. An earlier `business_date` is how an old tape would have told it."""
        day = business_date or self.business_date
        oldest = loan.oldest_due_date or day
        return LoanOverdue(
            **_fact(loan, day), obligors=[Obligor(party_ref=loan.person.party_ref, role="borrower", liability="full")],
            value_date=day, booked_at=at, product_class="card", creditor="Synthetic Bank", servicer="Synthetic Bank",
            originated_on=day - timedelta(days=_HISTORY_DAYS), jurisdiction=JURISDICTION, balance=loan.balance,
            due_items=_items(loan.dues), core_dpd=max((day - oldest).days, 0),
        )  # fmt: skip

    def person_statement(self, loan: Loan) -> PartyUpdated:
        """The person as the core knows them."""
        person = loan.person
        return PartyUpdated(
            tenant=TENANT, core=CORE, party_ref=person.party_ref, core_sequence=loan.next_sequence(), name=person.name,
            born_on=person.born_on,
            language="zh", time_zones=[TIME_ZONE], jurisdiction=JURISDICTION,
            contact_points=[
                ContactPoint(kind="home", value=person.address, point=person.home, source="contract"),
                ContactPoint(kind="mobile", value=person.phone, source="contract"),
            ],
            history_known_from=self.business_date - timedelta(days=_HISTORY_DAYS),
        )  # fmt: skip

    def balance_row(self, loan: Loan) -> dict[str, Any]:
        """One row of the balance port."""
        oldest = loan.oldest_due_date
        return {
            "loan_ref": loan.person.loan_ref,
            "party_ref": loan.person.party_ref,
            "currency": CURRENCY,
            "balance_minor": loan.balance,
            "overdue_minor": loan.overdue,
            "oldest_due_date": oldest.isoformat() if oldest else None,
            "business_date": self.business_date.isoformat(),
            "days_past_due": (self.business_date - oldest).days if oldest else 0,
            "status": "open",
            "due_parts": {
                "principal_minor": sum(due.amount for due in loan.dues if due.rest),
                "interest_minor": 0, "fee_minor": 0, "penalty_minor": 0,
                "paid_minor": sum(due.paid for due in loan.dues if due.rest),
            },
            "bound": [{"party_ref": loan.person.party_ref, "role": "borrower"}],
        }  # fmt: skip


def _loan(account: Account, *, as_of: date, seed: int) -> Loan:
    dues = [
        Due(item.due_date, item.amount_minor) for item in unpaid_minimums(account, as_of=as_of) if item.amount_minor
    ]
    balance = max(account.bills[-1], 0) * MINOR_PER_UNIT
    return Loan(person=person_of(account.number, seed=seed), account=account, balance=balance, dues=dues)


def _fact(loan: Loan, business_date: date) -> dict[str, Any]:
    return {
        "tenant": TENANT,
        "core": CORE,
        "loan_ref": loan.person.loan_ref,
        "party_ref": loan.person.party_ref,
        "business_date": business_date,
        "core_sequence": loan.next_sequence(),
        "currency": CURRENCY,
    }


def _allocated(dues: Sequence[Due], amount: int) -> list[Due]:
    after = []
    for due in sorted(dues, key=lambda due: due.due_date):
        part = min(due.rest, amount)
        amount -= part
        after.append(replace(due, paid=due.paid + part))
    return after


def _items(dues: Sequence[Due]) -> list[DueItem]:
    return [
        DueItem(kind="statement_minimum", due_date=due.due_date, principal=due.amount, paid=due.paid) for due in dues
    ]
