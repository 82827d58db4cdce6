"""What a core says beside the amounts of a record: its own days past due, oldest due date and bucket.

They follow from the due items of the same record, so nothing can be on its way: a difference is one at the first look.
"""

from __future__ import annotations

from services.intake.domain.assessment import arrears_of
from services.intake.domain.book import Book
from services.intake.domain.comparison import STATED, FieldDifference, marks, with_marks
from services.intake.domain.policy import DelinquencyPolicy
from shared.events.loan import CoreBucket, LoanFact, LoanState


def differences(book: Book, fact: LoanFact, policy: DelinquencyPolicy) -> list[FieldDifference] | None:
    """Where the core's word differs from what we make of the same due items; tolerance 0.

    None: nothing is compared. The record says nothing of it, is not the newest of its loan, or is the first word of a
    loan whose terms are not known yet. A loan that has ended, or of which nothing is due and nothing else is said,
    agrees: that settles what an earlier record said.
    """
    loan = book.loans.get(fact.loan_ref)
    if loan is None or loan.terms is None:
        return None
    if loan.ending is not None:
        return []
    stated = loan.statement
    if not isinstance(fact, LoanState) or stated is None:
        return None
    if stated.position[:2] != (fact.business_date, fact.core_sequence):
        return None
    if not says_days(fact):
        return None if stated.items else []
    found = arrears_of(loan.terms, stated.items, fact.business_date, policy)
    days, oldest = (0, None) if found is None else (found.days, found.oldest_due_date)
    differing: list[FieldDifference] = []
    if fact.core_dpd is not None and fact.core_dpd != days:
        differing.append(FieldDifference(loan.loan_ref, "stated_days_past_due", str(days), str(fact.core_dpd)))
    if fact.core_oldest_due_date is not None and fact.core_oldest_due_date != oldest:
        cores = str(fact.core_oldest_due_date)
        differing.append(FieldDifference(loan.loan_ref, "stated_oldest_due_date", str(oldest), cores))
    if fact.core_bucket is not None and not _holds(fact.core_bucket, days):
        differing.append(FieldDifference(loan.loan_ref, "stated_bucket", f"{days} days", _words(fact.core_bucket)))
    return differing


def says_days(fact: LoanFact) -> bool:
    """Whether the record tells days past due, an oldest due date or a bucket beside its amounts."""
    return isinstance(fact, LoanState) and not (
        fact.core_dpd is None and fact.core_oldest_due_date is None and fact.core_bucket is None
    )


def with_word(book: Book, fact: LoanFact, differing: list[FieldDifference]) -> Book:
    """The book with the loan marked where the core's word differs, or freed; itself when nothing changes."""
    others = tuple(field for field in marks(book.loans[fact.loan_ref]) if field not in STATED)
    return with_marks(book, fact.loan_ref, tuple(one.field for one in differing) + others, fact.business_date)


def _holds(bucket: CoreBucket, days: int) -> bool:
    return bucket.first_days <= days and (bucket.last_days is None or days <= bucket.last_days)


def _words(bucket: CoreBucket) -> str:
    last = "on" if bucket.last_days is None else f"to {bucket.last_days}"
    return f"{bucket.name}: from {bucket.first_days} days {last}"
