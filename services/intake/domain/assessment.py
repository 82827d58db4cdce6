"""What follows from a book on a date: arrears, buckets, totals per currency, and why nobody may act. Always derived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from msgspec import Struct

from services.intake.domain.book import Book, Loan, Movement, Receipt, Statement, Terms
from services.intake.domain.delinquency import Arrears, DueAmount, Pause, arrears, effective_days
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.domain.position import Bound
from services.intake.domain.standing import SeenHold
from shared.events.case import Bucket
from shared.events.stop import StopCause

# Flags of a loan that stop action on its case. A charge-off alone neither permits nor cures.
_SUSPENDING_FLAGS = frozenset({"disputed", "represented", "insolvent", "sold"})
_STOP_OF_FLAG: Final[Mapping[str, StopCause]] = {
    "disputed": "dispute", "represented": "represented", "insolvent": "insolvency", "sold": "sold",
}  # fmt: skip
# Days that the person has been given: they do not count towards effective days past due.
_PAUSING_HOLDS = frozenset({"breathing_space", "mental_health_crisis", "payment_holiday", "disaster"})
_NO_STOPS: Final[frozenset[StopCause]] = frozenset()
UNKNOWN_LANGUAGE = "und"  # ISO 639-2: undetermined


class LoanArrears(Struct, frozen=True):
    """One loan that is past due."""

    loan_id: UUID
    loan_ref: str
    product_class: str
    currency: str
    overdue_minor: int
    balance_minor: int
    oldest_due_date: date
    days: int
    originated_on: date
    bound: tuple[Bound, ...]
    charged_off: bool


class Assessment(Struct, frozen=True):
    """The case as it stands on `as_of`."""

    as_of: date
    loans: tuple[LoanArrears, ...]
    overdue_minor: tuple[tuple[str, int], ...]
    bucket: Bucket
    days_contractual: int
    days_effective: int
    jurisdiction: str
    language: str
    time_zones: tuple[str, ...]
    cell: str | None
    history_known_from: date | None
    held: bool
    household: str | None

    @property
    def is_past_due(self) -> bool:
        """Whether any loan is past due."""
        return bool(self.loans)


def newest_date(book: Book, closed: date | None) -> date:
    """The newest business date the book knows of; `closed`: the core's last closed date. Raises ValueError if empty."""
    dates: list[date] = []
    for loan in book.loans.values():
        if loan.statement is not None:
            dates.append(loan.statement.position.business_date)
        if loan.standing is not None and (position := loan.standing.position) is not None:
            dates.append(position.business_date)
    if book.movements:
        dates += [movement.position.business_date for movement in book.movements.values()]
    if book.case is not None:
        dates.append(book.case.as_of)
    if closed is not None:
        dates.append(closed)
    return max(dates)


def assess(book: Book, as_of: date, policy: DelinquencyPolicy) -> Assessment:
    """The state of all loans of a party on `as_of`. Currencies are never added."""
    profile = book.person.profile
    past_due: list[LoanArrears] = []
    totals: dict[str, int] = {}
    jurisdiction = "" if profile is None else profile.jurisdiction
    days = days_effective = 0
    holds = _holds(book)
    for loan_ref in sorted(book.loans) if len(book.loans) > 1 else book.loans:
        loan = book.loans[loan_ref]
        if loan.terms is None:
            continue
        jurisdiction = jurisdiction or loan.terms.jurisdiction
        found = _loan_arrears(loan, movements_of(book, loan_ref), as_of, policy)
        if found is None:
            continue
        past_due.append(found)
        totals[found.currency] = totals.get(found.currency, 0) + found.overdue_minor
        pauses = _pauses(book, holds, loan_ref) if holds else book.person.pauses
        effective = effective_days(found.oldest_due_date, as_of, grace_days=policy.grace_days, pauses=pauses)
        if effective > days_effective:
            days_effective = effective
        if found.days > days:
            days = found.days
    return Assessment(
        as_of=as_of,
        loans=tuple(past_due),
        overdue_minor=tuple(sorted(totals.items())),
        bucket=policy.bucket(days, as_of),
        days_contractual=days,
        days_effective=days_effective,
        jurisdiction=jurisdiction,
        language=UNKNOWN_LANGUAGE if profile is None else profile.language,
        time_zones=() if profile is None else profile.time_zones,
        cell=None if profile is None else profile.cell,
        history_known_from=None if profile is None else profile.history_known_from,
        held=profile is None,
        household=None if profile is None else profile.household,
    )


def suspensions(book: Book, state: Assessment) -> tuple[str, ...]:
    """Why nobody may act on the case, sorted; empty when somebody may. `state`: the assessment of the same book."""
    causes: set[str] = set()
    for found in state.loans:
        loan = book.loans[found.loan_ref]
        if loan.terms is not None and loan.terms.flags:
            causes.update(_SUSPENDING_FLAGS.intersection(loan.terms.flags))
        if loan.standing is not None:
            causes.update(_doubts(loan, found))
    if holds := _holds(book):
        past_due = {found.loan_ref for found in state.loans}
        if any(hold.covers(state.as_of) and (hold.scope == "party" or one in past_due) for one, hold in holds):
            causes.add("on_hold")
    if is_deceased(book):
        causes.add("deceased")
    if book.person.parked_by:
        causes.add("facts_incomplete")
    if book.merging:
        causes.add("merging")
    if book.movements and any(
        _is_pending(book.loans.get(movement.loan_ref), movement) for movement in book.movements.values()
    ):
        causes.add("payment_pending")
    return tuple(sorted(causes)) if causes else ()


def _doubts(loan: Loan, found: LoanArrears) -> Iterable[str]:
    """What the core has said of a loan that does not go together with collecting it from this party."""
    balance = None if loan.standing is None else loan.standing.balance
    is_newest = balance is not None and (loan.statement is None or balance.position > loan.statement.position)
    if balance is not None and is_newest and balance.balance_minor < found.overdue_minor:
        yield "balance_differs"
    if loan.standing is not None and loan.standing.disagreement is not None:
        yield "core_differs"


def _holds(book: Book) -> list[tuple[str, SeenHold]]:
    """The core's holds, each with the loan it came with. Most people have none."""
    found: list[tuple[str, SeenHold]] = []
    for loan_ref, loan in book.loans.items():
        if loan.standing is not None:
            found += [(loan_ref, hold) for hold in loan.standing.holds]
    return found


def _pauses(book: Book, holds: Iterable[tuple[str, SeenHold]], loan_ref: str) -> tuple[Pause, ...]:
    """Days that do not count for a loan: of arrangements, and of holds that give the person time."""
    given = tuple(
        Pause(span[0], span[1] or date.max, hold.reference)
        for held, hold in holds
        if hold.kind in _PAUSING_HOLDS and (hold.scope == "party" or held == loan_ref)
        if (span := hold.span) is not None
    )
    return (*book.person.pauses, *given)


def stops(book: Book) -> frozenset[StopCause]:
    """Facts about the person that end contact at once, as causes of `party.stopped`."""
    flags = _flags(book)
    if not flags and book.person.deceased_on is None:
        return _NO_STOPS
    causes = {_STOP_OF_FLAG[flag] for flag in flags if flag in _STOP_OF_FLAG}
    if is_deceased(book):
        causes.add("deceased")
    return frozenset(causes)


def is_deceased(book: Book) -> bool:
    """Whether the core has reported the death of the person, directly or by a flag of a loan."""
    return book.person.deceased_on is not None or "deceased" in _flags(book)


def _flags(book: Book) -> set[str]:
    """What the core says of any of the loans."""
    found: set[str] = set()
    for loan in book.loans.values():
        if loan.terms is not None and loan.terms.flags:
            found.update(loan.terms.flags)
    return found


def movements_of(book: Book, loan_ref: str) -> list[Movement]:
    """The movements at hand that concern a loan."""
    if not book.movements:
        return []
    return [movement for movement in book.movements.values() if movement.loan_ref == loan_ref]


def effective_statement(loan: Loan, movements: Sequence[Movement]) -> Statement | None:
    """The newest statement of what is due, in the loan's currency: the loan's own, or one that came with a movement.

    Uncleared, unallocated and foreign-currency money states nothing: it pauses, but neither cures nor advances.
    """
    newest = loan.statement
    for movement in movements:
        for statement in statements(movement):
            if loan.terms is not None and statement.currency != loan.terms.currency:
                continue
            if newest is None or statement.position > newest.position:
                newest = statement
    return newest


def balance_minor(loan: Loan, movements: Sequence[Movement]) -> int:
    """The newest stated balance, carried forward over the movements after it, minor units; never below 0."""
    stated = loan.statement if loan.statement is not None and loan.statement.balance_minor is not None else None
    for movement in movements:
        for statement in statements(movement):
            if statement.balance_minor is not None and (stated is None or statement.position > stated.position):
                stated = statement
    alone = None if loan.standing is None else loan.standing.balance
    if alone is not None and (stated is None or alone.position > stated.position):
        stated = Statement(alone.position, "", (), alone.balance_minor, "loan.balance_stated")
    if stated is None:
        return 0
    balance = stated.balance_minor or 0
    for movement in movements:
        receipt, reversal = movement.receipt, movement.reversal
        if loan.terms is not None and receipt is not None and receipt.currency != loan.terms.currency:
            continue
        if receipt is not None and receipt.cleared and receipt.position > stated.position:
            balance -= receipt.amount_minor
        if reversal is not None and reversal.position > stated.position and _was_deducted(receipt):
            balance += reversal.amount_minor
    return max(0, balance)


def _was_deducted(receipt: Receipt | None) -> bool:
    """An uncleared payment never lowered the balance, so taking it back does not raise it."""
    return receipt is not None and receipt.cleared


def statements(movement: Movement) -> list[Statement]:
    """What a movement says is due after it: cleared and allocated money, and its reversal."""
    found: list[Statement] = []
    receipt, reversal = movement.receipt, movement.reversal
    if receipt is not None and receipt.states_due:
        found.append(
            Statement(receipt.position, receipt.currency, receipt.items, receipt.balance_minor, "loan.payment_received")
        )
    if reversal is not None:
        found.append(Statement(reversal.position, reversal.currency, reversal.items, None, "loan.payment_reversed"))
    return found


def _is_pending(loan: Loan | None, movement: Movement) -> bool:
    """Money on its way: it pauses contact until the core has cleared, allocated or returned it."""
    receipt = movement.receipt
    if receipt is None or movement.is_reversed or (loan is not None and loan.is_left_out):
        return False
    if not receipt.cleared or loan is None or loan.terms is None:
        return True
    allocated = bool(receipt.items) and receipt.currency == loan.terms.currency
    return not allocated and (loan.statement is None or receipt.position > loan.statement.position)


def _loan_arrears(
    loan: Loan, movements: Sequence[Movement], as_of: date, policy: DelinquencyPolicy
) -> LoanArrears | None:
    statement = effective_statement(loan, movements)
    if statement is None or loan.terms is None or loan.ending is not None or loan.is_left_out:
        return None
    found = arrears_of(loan.terms, statement.items, as_of, policy)
    if found is None:
        return None
    return LoanArrears(
        loan_id=loan.loan_id,
        loan_ref=loan.loan_ref,
        product_class=loan.terms.product_class,
        currency=loan.terms.currency,
        overdue_minor=found.overdue_minor,
        balance_minor=balance_minor(loan, movements),
        oldest_due_date=found.oldest_due_date,
        days=found.days,
        originated_on=loan.terms.originated_on,
        bound=loan.bound,
        charged_off=is_charged_off(loan),
    )


def arrears_of(terms: Terms, items: Iterable[DueAmount], as_of: date, policy: DelinquencyPolicy) -> Arrears | None:
    """What is past due of a loan's items on a day, by the tenant's policy."""
    return arrears(
        items,
        as_of,
        threshold_minor=policy.threshold_minor(terms.currency, as_of),
        moving=policy.moving(terms.product_class),
    )


def is_charged_off(loan: Loan) -> bool:
    """Whether the bank has booked the loan as a loss, by a flag or a fact of its own."""
    booked = loan.standing is not None and loan.standing.charge_off is not None
    return booked or (loan.terms is not None and "charged_off" in loan.terms.flags)
