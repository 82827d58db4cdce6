"""The core's control totals of a closed day against our own sums: loans past due, and what is overdue per currency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final, NamedTuple

from services.intake.domain.assessment import Assessment
from services.intake.domain.book import Book, Loan
from services.intake.domain.comparison import INCIDENT_LOANS, INCIDENT_SHARE
from shared.events.base import EventData

OPEN_LOANS: Final = "open_loans"
OVERDUE: Final = "overdue_total"


class Totals(NamedTuple):
    """Loans past due, and sums per currency in minor units; a currency without anything overdue may be left out."""

    open_loans: int
    overdue: Mapping[str, int]


NOTHING: Final = Totals(0, {})


class TotalDifference(NamedTuple):
    """One total. `field`: `open_loans`, or `overdue_total.` with a currency."""

    field: str
    ours: int
    cores: int


def summed(before: Totals, states: Iterable[tuple[Book, Assessment]]) -> Totals:
    """`before` with what is past due in these cases, each loan once. Currencies are never added."""
    loans, overdue = before.open_loans, dict(before.overdue)
    for book, state in states:
        for late in state.loans:
            if _is_lead(book.loans[late.loan_ref]):
                loans += 1
                overdue[late.currency] = overdue.get(late.currency, 0) + late.overdue_minor
    return Totals(loans, overdue)


def _is_lead(loan: Loan) -> bool:
    """Whether the loan counts in this case: a co-borrower's or guarantor's case repeats that of the borrower."""
    told = loan.newer_obligors or loan.terms
    if told is None or told.own_role in (None, "borrower"):
        return True
    return all(one.role != "borrower" for one in loan.bound)


def differences(ours: Totals, cores: Totals) -> list[TotalDifference]:
    """What differs, in order of field. Tolerance 0."""
    found = [] if ours.open_loans == cores.open_loans else [TotalDifference(OPEN_LOANS, ours.open_loans, cores[0])]
    for currency in sorted(ours.overdue.keys() | cores.overdue.keys()):
        pair = ours.overdue.get(currency, 0), cores.overdue.get(currency, 0)
        if pair[0] != pair[1]:
            found.append(TotalDifference(f"{OVERDUE}.{currency}", *pair))
    return found


def is_incident(ours: Totals, cores: Totals) -> bool:
    """Whether one of the totals is so far off that nothing the core says of single loans can be relied on."""
    if max(ours.open_loans, cores.open_loans) < INCIDENT_LOANS:
        return False
    found = differences(ours, cores)
    return any(abs(one.ours - one.cores) > INCIDENT_SHARE * max(one.ours, one.cores) for one in found)


def told_until(facts: Iterable[EventData], day: date) -> list[EventData]:
    """The facts of business dates up to `day`: what the core's totals of that day can contain."""
    return [fact for fact in facts if getattr(fact, "business_date", day) <= day]
