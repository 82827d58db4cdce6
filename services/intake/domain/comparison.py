"""Our book against the core's word, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final, Literal, NamedTuple, Protocol

from msgspec.structs import replace

from services.intake.domain.assessment import (
    Assessment,
    LoanArrears,
    assess,
    balance_minor,
    effective_statement,
    movements_of,
)
from services.intake.domain.book import Book, Loan
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.domain.standing import Disagreement, Standing

ComparedField = Literal[
    "overdue_minor", "balance_minor", "oldest_due_date", "currency", "loan", "group", "obligors", "days_past_due",
    "status", "principal_minor", "interest_minor", "fee_minor", "penalty_minor", "paid_minor",
    "stated_days_past_due", "stated_oldest_due_date", "stated_bucket", "order",
]  # fmt: skip
PartField = Literal["principal_minor", "interest_minor", "fee_minor", "penalty_minor", "paid_minor"]
LoanStatus = Literal["open", "closed", "written_off", "sold", "serviced_elsewhere"]
STATED: Final = frozenset({"stated_days_past_due", "stated_oldest_due_date", "stated_bucket"})
"""What the core says beside the amounts of one and the same record (`cores_word`): only a newer record settles it."""
# More than this is no sum of single errors: one of the two sides is wrong as a whole.
INCIDENT_SHARE: Final = 0.005
INCIDENT_LOANS: Final = 10
# Every other end is a closed loan.
_STATUS_OF: Final[Mapping[str, LoanStatus]] = {
    "written_off": "written_off", "sold": "sold", "servicing": "serviced_elsewhere",
}  # fmt: skip


class CoreStatement(Protocol):
    """What the core says of one loan, as of its business date; amounts in minor units.

    What is None it does not say, and that is not compared. `parts`: of the items that are past due and not settled.
    `obligors`: reference and role of everyone bound.
    """

    @property
    def currency(self) -> str: ...
    @property
    def balance_minor(self) -> int: ...
    @property
    def overdue_minor(self) -> int: ...
    @property
    def oldest_due_date(self) -> date | None: ...
    @property
    def days_past_due(self) -> int | None: ...
    @property
    def status(self) -> LoanStatus | None: ...
    @property
    def parts(self) -> Mapping[PartField, int] | None: ...
    @property
    def obligors(self) -> frozenset[tuple[str, str]] | None: ...


class FieldDifference(NamedTuple):
    """One field of one loan. None: that side does not know the loan."""

    loan_ref: str
    field: ComparedField
    ours: str | None
    cores: str | None


def compare(
    book: Book, stated: Mapping[str, CoreStatement], day: date, policy: DelinquencyPolicy
) -> list[FieldDifference]:
    """The differences of one party's loans on `day`, in order of reference. Tolerance 0.

    What is due on a loan that is no part of the case is compared in the case of who owes it; here only who is bound.
    """
    state = assess(book, day, policy)
    found: list[FieldDifference] = []
    for reference, loan in sorted(book.loans.items()):
        if loan.terms is None:
            continue
        core = stated.get(reference)
        if core is None:
            found.append(FieldDifference(reference, "loan", "known", None))
            continue
        pairs = _obligors(loan, core)
        if not loan.is_left_out:
            pairs = _amounts(book, loan, core, state) | _status(loan, core) | pairs
        found += [
            FieldDifference(reference, field, _words(ours), _words(cores))
            for field, (ours, cores) in pairs.items()
            if ours != cores
        ]
    return found


_Pairs = dict[ComparedField, tuple[object, object]]


def _amounts(book: Book, loan: Loan, core: CoreStatement, state: Assessment) -> _Pairs:
    late = next((one for one in state.loans if one.loan_ref == loan.loan_ref), None)
    pairs: _Pairs = {
        "currency": (loan.terms and loan.terms.currency, core.currency),
        "overdue_minor": (0 if late is None else late.overdue_minor, core.overdue_minor),
        "balance_minor": (balance_minor(loan, movements_of(book, loan.loan_ref)), core.balance_minor),
        "oldest_due_date": (None if late is None else late.oldest_due_date, core.oldest_due_date),
    }
    if core.days_past_due is not None:
        pairs["days_past_due"] = (0 if late is None else late.days, core.days_past_due)
    if core.parts is not None:
        ours = _parts(book, loan, late, state.as_of)
        for field, amount in core.parts.items():
            pairs[field] = (ours[field], amount)
    return pairs


def _parts(book: Book, loan: Loan, late: LoanArrears | None, day: date) -> dict[PartField, int]:
    """Of the items that are past due and not settled: what each is made of, and what was paid towards them."""
    statement = None if late is None else effective_statement(loan, movements_of(book, loan.loan_ref))
    items = [item for item in statement.items if item.due_date < day and item.rest] if statement else []
    return {
        "principal_minor": sum(item.principal for item in items),
        "interest_minor": sum(item.interest for item in items),
        "fee_minor": sum(item.fee for item in items),
        "penalty_minor": sum(item.penalty for item in items),
        "paid_minor": sum(item.paid for item in items),
    }


def _status(loan: Loan, core: CoreStatement) -> _Pairs:
    if core.status is None:
        return {}
    return {"status": ("open" if loan.ending is None else _STATUS_OF.get(loan.ending.kind, "closed"), core.status)}


def _obligors(loan: Loan, core: CoreStatement) -> _Pairs:
    told = loan.newer_obligors or loan.terms
    # A loan that an unmerge gave to somebody else names nobody here.
    if core.obligors is None or told is None or not told.obligors:
        return {}
    return {"obligors": (frozenset((party_ref, role) for party_ref, role, _ in told.obligors), core.obligors)}


def _words(value: object) -> str:
    """A value as text; of people bound the references with their roles, in order."""
    if isinstance(value, frozenset):
        return ", ".join(f"{party_ref} ({role})" for party_ref, role in sorted(value))
    return str(value)


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
    return with_disagreement(loan, (*stated_fields(loan), *(fields or ())), day)


def marks(loan: Loan) -> tuple[str, ...]:
    """The fields with which a loan is marked: there the core says something else, or contradicts itself."""
    return () if loan.standing is None or loan.standing.disagreement is None else loan.standing.disagreement.fields


def stated_fields(loan: Loan) -> tuple[str, ...]:
    """The fields of `STATED` on which its newest record contradicts itself."""
    return tuple(field for field in marks(loan) if field in STATED)


def with_marks(book: Book, loan_ref: str, fields: tuple[str, ...], day: date) -> Book:
    """The book with a loan marked with these fields and no others; itself when nothing changes."""
    loan = book.loans[loan_ref]
    changed = with_disagreement(loan, fields, day)
    return book if changed is loan else replace(book, loans={**book.loans, loan_ref: changed})


def with_disagreement(loan: Loan, fields: tuple[str, ...], day: date) -> Loan:
    """The loan marked with the fields that differ; none: freed."""
    if marks(loan) == fields:
        return loan
    disagreement = Disagreement(day, fields) if fields else None
    return replace(loan, standing=replace(loan.standing or Standing(), disagreement=disagreement))
