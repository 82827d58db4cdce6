"""Two records of a core under one number that do not say the same: which of them came first cannot be proved.

The book keeps the same one of them in any order of arrival; whether it is the right one only the core knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final, NamedTuple

from services.intake.domain.assessment import effective_statement, movements_of, statements
from services.intake.domain.book import Book, Loan, Movement, Receipt
from services.intake.domain.comparison import FieldDifference, marks, with_marks
from services.intake.domain.delinquency import DueAmount
from services.intake.domain.merge import due_amounts
from shared.events.loan import (
    CreditPosted,
    LoanCured,
    LoanFact,
    LoanOverdue,
    PaymentReceived,
    PaymentReversed,
    RecoveryReceived,
    StatedFact,
)

ORDER: Final = "order"
_Number = tuple[date, int]
_NEVER: Final[_Number] = (date.min, 0)
_MONEY: Final = (PaymentReceived, CreditPosted, RecoveryReceived)


class _Due(NamedTuple):
    """What a record says is past due on its business date. Two records may cut the same debt into other items."""

    past_due_minor: int
    oldest: date | None
    balance_minor: int | None


def contradiction(before: Book, fact: LoanFact) -> FieldDifference | None:
    """What the record says else than another of its loan under the same number, while nothing newer is known.

    `before`: the book without it. None: it contradicts nothing.
    """
    loan = before.loans.get(fact.loan_ref)
    if loan is None:
        return None
    number = fact.business_date, fact.core_sequence
    stated = loan.statement
    if stated is not None and stated.position[:2] != number and not before.movements:
        return None  # nearly every record of a known loan
    movements = movements_of(before, fact.loan_ref)
    if newest_number(loan, movements) > number:
        return None
    said = _said(fact)
    for known in _known(loan, movements, number, fact.currency):
        if said is not None and _differ(known, said):
            return FieldDifference(fact.loan_ref, ORDER, _words(known), _words(said))
    if isinstance(fact, LoanOverdue) and _is_about_others(loan, fact):
        return FieldDifference(fact.loan_ref, ORDER, "other flags or obligors", "under the same number")
    if isinstance(fact, _MONEY) and (receipt := _other_money(before, fact)) is not None:
        return FieldDifference(fact.loan_ref, ORDER, f"{receipt.amount_minor} minor units", f"{fact.amount}")
    return None


def settles(before: Book, after: Book, loan_ref: str) -> bool:
    """Whether the loan is marked, and a newer number says by now how it stands."""
    loan = after.loans.get(loan_ref)
    if loan is None or not is_marked(loan):
        return False
    known = before.loans.get(loan_ref)
    was = _NEVER if known is None else newest_number(known, movements_of(before, loan_ref))
    return newest_number(loan, movements_of(after, loan_ref)) > was


def is_marked(loan: Loan) -> bool:
    """Whether the order of its records is in doubt."""
    return ORDER in marks(loan)


def with_mark(book: Book, loan_ref: str, day: date) -> Book:
    """The book with the doubt about a loan, beside whatever else it is marked with."""
    return with_marks(book, loan_ref, (*_others(book.loans[loan_ref]), ORDER), day)


def without_mark(book: Book, loan_ref: str, day: date) -> Book:
    """The book without it."""
    return with_marks(book, loan_ref, _others(book.loans[loan_ref]), day)


def _others(loan: Loan) -> tuple[str, ...]:
    return tuple(field for field in marks(loan) if field != ORDER)


def newest_number(loan: Loan, movements: Iterable[Movement]) -> _Number:
    """The number of the newest record that says what is due on the loan, or that it has ended."""
    stated = effective_statement(loan, list(movements))
    numbers = [] if stated is None else [stated.position[:2]]
    if loan.ending is not None:
        numbers.append(loan.ending.position[:2])
    return max(numbers, default=_NEVER)


def _said(fact: LoanFact) -> _Due | None:
    """None: it says nothing of what is due."""
    match fact:
        case LoanCured():
            return _due((), fact.balance, fact.business_date)
        case LoanOverdue() | StatedFact():
            return _due(due_amounts(fact.due_items), fact.balance, fact.business_date)
        case PaymentReversed():
            return _due(due_amounts(fact.due_items), None, fact.business_date)
        case PaymentReceived() | CreditPosted() if fact.allocation and _is_cleared(fact):
            return _due(due_amounts(fact.allocation), fact.balance, fact.business_date)
    return None


def _known(loan: Loan, movements: Iterable[Movement], number: _Number, currency: str) -> list[_Due]:
    """What the records of that number have said of the loan; foreign money says nothing of what is due on it."""
    stated = [] if loan.statement is None else [loan.statement]
    for movement in movements:
        stated += statements(movement)
    return [
        _due(one.items, one.balance_minor, number[0])
        for one in stated
        if one.position[:2] == number and one.currency == currency
    ]


def _due(items: Iterable[DueAmount], balance_minor: int | None, day: date) -> _Due:
    late = [item for item in items if item.due_date < day and item.rest]
    return _Due(sum(item.rest for item in late), min((item.due_date for item in late), default=None), balance_minor)


def _differ(one: _Due, other: _Due) -> bool:
    if one[:2] != other[:2]:
        return True
    return None not in (one.balance_minor, other.balance_minor) and one.balance_minor != other.balance_minor


def _words(due: _Due) -> str:
    since = "" if due.oldest is None else f" since {due.oldest}"
    balance = "" if due.balance_minor is None else f", balance {due.balance_minor}"
    return f"{due.past_due_minor} minor units past due{since}{balance}"


def _is_about_others(loan: Loan, fact: LoanOverdue) -> bool:
    terms = loan.terms
    if terms is None or terms.position[:2] != (fact.business_date, fact.core_sequence):
        return False
    obligors = tuple((one.party_ref, one.role, one.liability) for one in fact.obligors)
    return terms.flags != tuple(sorted(set(fact.flags))) or sorted(terms.obligors) != sorted(obligors)


def _other_money(before: Book, fact: PaymentReceived | CreditPosted | RecoveryReceived) -> Receipt | None:
    """The receipt of the same transaction under the same number, where it is not the same money.

    Where neither says what is due after it, contact rests until a newer record does: there is nothing to doubt.
    """
    movement = before.movements.get(fact.transaction_ref)
    receipt = None if movement is None else movement.receipt
    if receipt is None or receipt.position[:2] != (fact.business_date, fact.core_sequence):
        return None
    if _said(fact) is None and not receipt.states_due:
        return None
    said = (fact.loan_ref, fact.amount, fact.currency, _is_cleared(fact))
    return None if (receipt.loan_ref, receipt.amount_minor, receipt.currency, receipt.cleared) == said else receipt


def _is_cleared(fact: LoanFact) -> bool:
    return not isinstance(fact, PaymentReceived) or fact.cleared
