"""Our book against the core's word, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final, Literal, NamedTuple, Protocol, cast

from msgspec.structs import replace

from services.intake.domain.assessment import assess, balance_minor, movements_of
from services.intake.domain.book import Book, Disagreement, Loan, Standing
from services.intake.domain.policy import DelinquencyPolicy

ComparedField = Literal["overdue_minor", "balance_minor", "oldest_due_date", "currency", "loan", "obligors"]
# More than this is no sum of single errors: one of the two sides is wrong as a whole.
INCIDENT_SHARE: Final = 0.005
INCIDENT_LOANS: Final = 10


class CoreStatement(Protocol):
    """What the core says of one loan, as of its business date; amounts in minor units."""

    @property
    def currency(self) -> str: ...
    @property
    def balance_minor(self) -> int: ...
    @property
    def overdue_minor(self) -> int: ...
    @property
    def oldest_due_date(self) -> date | None: ...


class FieldDifference(NamedTuple):
    """One field of one loan. None: that side does not know the loan."""

    loan_ref: str
    field: ComparedField
    ours: str | None
    cores: str | None


def compare(
    book: Book, stated: Mapping[str, CoreStatement], day: date, policy: DelinquencyPolicy
) -> list[FieldDifference]:
    """The differences of one party's loans on `day`, in order of reference. Tolerance 0."""
    past_due = {loan.loan_ref: loan for loan in assess(book, day, policy).loans}
    found: list[FieldDifference] = []
    for reference, loan in sorted(book.loans.items()):
        if loan.terms is None:
            continue
        core = stated.get(reference)
        if core is None:
            found.append(FieldDifference(reference, "loan", "known", None))
            continue
        late = past_due.get(reference)
        pairs = {
            "currency": (loan.terms.currency, core.currency),
            "overdue_minor": (0 if late is None else late.overdue_minor, core.overdue_minor),
            "balance_minor": (balance_minor(loan, movements_of(book, reference)), core.balance_minor),
            "oldest_due_date": (None if late is None else late.oldest_due_date, core.oldest_due_date),
        }
        found += [
            FieldDifference(reference, cast("ComparedField", field), str(ours), str(cores))
            for field, (ours, cores) in pairs.items()
            if ours != cores
        ]
    return found


def is_incident(*, compared: int, differing: int) -> bool:
    """Whether so many loans differ that nothing about single loans follows from it."""
    return differing >= INCIDENT_LOANS and differing > compared * INCIDENT_SHARE


def marked(book: Book, differences: list[FieldDifference], day: date) -> Book:
    """The book with the loans marked on which the core disagrees, and the others freed of the mark."""
    fields: dict[str, tuple[str, ...]] = {}
    for found in differences:
        fields[found.loan_ref] = (*fields.get(found.loan_ref, ()), found.field)
    loans = {reference: _marked(loan, fields.get(reference), day) for reference, loan in book.loans.items()}
    unchanged = all(loan is book.loans[reference] for reference, loan in loans.items())
    return book if unchanged else replace(book, loans=loans)


def _marked(loan: Loan, fields: tuple[str, ...] | None, day: date) -> Loan:
    standing = loan.standing or Standing()
    if (standing.disagreement.fields if standing.disagreement else None) == fields:
        return loan
    disagreement = None if fields is None else Disagreement(day, fields)
    return replace(loan, standing=replace(standing, disagreement=disagreement))
