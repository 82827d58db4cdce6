"""From books and rows to what the API shows."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.intake.domain.announcement import case_loans, totals
from services.intake.domain.assessment import (
    Assessment,
    arrears_of,
    assess,
    balance_minor,
    effective_statement,
    is_charged_off,
    movements_of,
)
from services.intake.domain.book import Book, Case, Loan, Movement
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.schemas import (
    CaseSnapshot,
    CaseSummary,
    CaseView,
    IntakeSummary,
    LoanEnd,
    LoanView,
    PaymentFigures,
    PaymentView,
    SeenHoldView,
    TimelineEntry,
)
from services.intake.store.books import movement_of
from services.intake.store.cases import Figures
from shared.money import Money


def summary_of(party_id: UUID, case: Case) -> CaseSummary:
    """One case in a list."""
    return CaseSummary(
        case_id=case.case_id,
        party_id=party_id,
        version=case.version,
        status=case.status,
        bucket=case.bucket,
        dpd_contractual=case.days_contractual,
        dpd_effective=case.days_effective,
        overdue_totals=totals(case.overdue_minor),
        as_of=case.as_of,
        suspended=list(case.suspended),
        held=case.held,
        opened_at=case.opened_at,
    )


def view_of(
    book: Book,
    case: Case,
    policy: DelinquencyPolicy,
    *,
    payments: Sequence[asyncpg.Record],
    entries: Sequence[asyncpg.Record],
) -> CaseView:
    """One case whole."""
    return CaseView(
        **dict(summary_of(book.party_id, case)),
        loans=[_loan(book, case, loan, policy) for _, loan in sorted(book.loans.items())],
        payments=[_payment(movement_of(row)) for row in payments],
        timeline=[
            TimelineEntry(
                happened_at=row["happened_at"], type=row["type"], detail=row["sentence"], reference=row["reference"]
            )
            for row in entries
        ],
    )


def snapshot_of(book: Book, case: Case, policy: DelinquencyPolicy) -> CaseSnapshot:
    """Complete state with the sequence it contains."""
    state: Assessment = assess(book, case.as_of, policy)
    return CaseSnapshot(
        sequence=case.version,
        status=case.status,
        suspended=list(case.suspended),
        case_id=case.case_id,
        party_id=book.party_id,
        version=case.version,
        business_date=state.as_of,
        bucket=state.bucket,
        dpd_contractual=state.days_contractual,
        dpd_effective=state.days_effective,
        overdue_totals=totals(state.overdue_minor),
        loans=case_loans(state, book.core),
        jurisdiction=state.jurisdiction,
        time_zones=list(state.time_zones),
        language=state.language,
        cell=state.cell,
        history_known_from=state.history_known_from,
        held=state.held,
        household=state.household,
    )


def figures_of(figures: Figures) -> IntakeSummary:
    """The tenant's figures."""
    open_cases = [row for row in figures.cases if row["status"] == "open"]
    by_bucket: dict[str, int] = {}
    for row in open_cases:
        by_bucket[row["bucket"]] = by_bucket.get(row["bucket"], 0) + row["cases"]
    return IntakeSummary(
        parties=figures.parties,
        loans=figures.loans,
        loans_awaited=figures.loans_awaited,
        cases_open=sum(row["cases"] for row in open_cases),
        cases_cured=sum(row["cases"] for row in figures.cases if row["status"] == "cured"),
        cases_closed=sum(row["cases"] for row in figures.cases if row["status"] == "closed"),
        cases_held=sum(row["cases"] for row in open_cases if row["held"]),
        cases_suspended=sum(row["cases"] for row in open_cases if row["is_suspended"]),
        open_by_bucket=dict(sorted(by_bucket.items())),
        overdue_totals=[Money(amount_minor=row["amount_minor"], currency=row["currency"]) for row in figures.overdue],
        payments=[PaymentFigures(**dict(row)) for row in figures.payments],
        events=figures.events,
        dead_letters_open=figures.dead_letters_open,
        readings=figures.readings,
    )


def _loan(book: Book, case: Case, loan: Loan, policy: DelinquencyPolicy) -> LoanView:
    movements = movements_of(book, loan.loan_ref)
    statement, terms = effective_statement(loan, movements), loan.terms
    if terms is None or statement is None:
        return LoanView(
            loan_id=loan.loan_id, loan_ref=loan.loan_ref, product_class=None, currency=None, overdue=None, balance=None,
            oldest_due_date=None, dpd_contractual=0, flags=[],
        )  # fmt: skip
    ending = loan.ending
    due = statement.items if ending is None else ()
    found = arrears_of(terms, due, case.as_of, policy)
    return LoanView(
        loan_id=loan.loan_id,
        loan_ref=loan.loan_ref,
        product_class=terms.product_class,
        currency=terms.currency,
        overdue=None if found is None else Money(amount_minor=found.overdue_minor, currency=terms.currency),
        balance=Money(amount_minor=balance_minor(loan, movements), currency=terms.currency),
        oldest_due_date=None if found is None else found.oldest_due_date,
        dpd_contractual=0 if found is None else found.days,
        flags=list(terms.flags),
        charged_off=is_charged_off(loan),
        ended=None if ending is None else LoanEnd(kind=ending.kind, ended_on=ending.on),
        holds=_holds(loan),
    )


def _holds(loan: Loan) -> list[SeenHoldView]:
    """The holds whose start is known."""
    return [
        SeenHoldView(hold_ref=hold.reference, kind=hold.kind, scope=hold.scope, starts_on=span[0], ends_on=span[1])
        for hold in (loan.standing.holds if loan.standing is not None else ())
        if hold.kind is not None and (span := hold.span) is not None
    ]


def _payment(movement: Movement) -> PaymentView:
    told, receipt = movement.record, movement.receipt
    return PaymentView(
        transaction_ref=movement.transaction_ref,
        loan_ref=movement.loan_ref,
        amount=Money(amount_minor=told.amount_minor, currency=told.currency),
        value_date=None if receipt is None else receipt.value_date,
        cleared=receipt is not None and receipt.cleared,
        reversed=movement.is_reversed,
    )
