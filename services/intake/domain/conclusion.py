"""From two states of a book to what the other services must hear: the difference, as events.

`case.opened` comes first in a case's life, whatever arrived first; payments before what they cause; suspensions last.
The case's version grows with each of its events, so version and `sequence` are the same number.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from services.intake.domain import announcement, groups
from services.intake.domain.assessment import Assessment, assess, newest_date, stops, suspensions
from services.intake.domain.book import Book, Case, CaseStatus, Loan, MoneyKind, Movement
from services.intake.domain.merge import Names, merge
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.domain.rolling import placed
from services.intake.domain.standing import Standing
from services.intake.domain.trigger import Trigger
from shared.events import NewEvent
from shared.events.base import EventData
from shared.events.case import LeavingKind
from shared.events.stop import StopCause
from shared.messaging import Outcome

_NOT_ANNOUNCED, _ANNOUNCED_UNCLEARED, _ANNOUNCED_CLEARED = 0, 1, 2
_STOP_OF: Final[Mapping[MoneyKind, StopCause]] = {"payment": "payment", "credit": "credit", "recovery": "payment"}
_OVER: Final = frozenset({"cured", "closed"})


class Circumstances(Struct, frozen=True):
    """What a conclusion depends on besides the book: the tenant's policy, the core's last closed date, our names."""

    policy: DelinquencyPolicy
    closed: date | None
    names: Names


class Folded(Struct, frozen=True):
    """The book after a fact, what became of the fact, and the events to be published, in order."""

    book: Book
    outcome: Outcome
    events: list[NewEvent[Any]]


def fold(
    book: Book, fact: EventData, trigger: Trigger, circumstances: Circumstances, *, told_of: UUID | None = None
) -> Folded:
    """Merge a fact and conclude. What changes nothing publishes nothing. Raises LookupError for an unknown kind.

    `told_of`: the member of a group under whose reference the fact came.
    """
    if book.members and told_of is not None:
        return _fold_in_group(book, fact, trigger, circumstances, told_of)
    merged, outcome = merge(book, fact, circumstances.names)
    if merged is book:
        return Folded(book, outcome, [])
    after, events = conclude(book, merged, trigger, circumstances)
    return Folded(after, outcome, events)


def _fold_in_group(
    book: Book, fact: EventData, trigger: Trigger, circumstances: Circumstances, told_of: UUID
) -> Folded:
    own = groups.member(book, told_of)
    merged, outcome = merge(own, fact, groups.shared_names(book, fact, circumstances.names))
    if merged is own:
        return Folded(book, outcome, [])
    after, events = conclude(book, groups.rejoined(book, merged), trigger, circumstances)
    return Folded(groups.settled(after), outcome, events)


def conclude(
    before: Book, after: Book, trigger: Trigger, circumstances: Circumstances
) -> tuple[Book, list[NewEvent[Any]]]:
    """The case of `after`, and the events that tell the difference from `before`."""
    events: list[NewEvent[Any]] = []
    if after.case is not None or _makes_a_case(after):
        after = _conclude_case(before, after, trigger, circumstances, events)
    stopping = stops(after)
    for cause in sorted(stopping - stops(before)) if stopping else ():
        scope: Literal["party", "collection"] = "party" if cause == "deceased" else "collection"
        events.append(announcement.stopped(after.party_id, cause, scope, trigger, reference=trigger.reference))
    return after, events


def _makes_a_case(book: Book) -> bool:
    """Whether any loan makes a case: a guarantor has none until something is demanded."""
    for loan in book.loans.values():
        if loan.terms is not None and not (loan.is_guaranteed and loan.demand is None):
            return True
    return False


def _conclude_case(
    before: Book, after: Book, trigger: Trigger, circumstances: Circumstances, events: list[NewEvent[Any]]
) -> Book:
    as_of = newest_date(after, circumstances.closed)
    present = assess(after, as_of, circumstances.policy)
    previous = None if before.case is None else assess(before, before.case.as_of, circumstances.policy)
    case = after.case or Case(
        case_id=circumstances.names.new_id(after.party_id),
        version=0,
        status="new",
        as_of=as_of,
        suspended=(),
        opened_at=trigger.happened_at,
    )
    writer = announcement.CaseWriter(after.party_id, after.core, case, trigger)
    if case.status == "new":
        writer.opened(present)
    movements = after.movements and {
        reference: _announce_movement(after, movement, writer, events)
        for reference, movement in after.movements.items()
    }
    if case.status != "new":
        _announce_state(case, previous, present, writer, trigger)
        _announce_relief(after, previous, present, writer, events)
    loans = _announce_holds(after, writer, events)
    loans = placed(loans, present, circumstances.policy, trigger) or loans
    status = _announce_end(after, case, present, writer, events)
    suspended = suspensions(after, present) if status == "open" else ()
    _announce_suspensions(case, suspended, writer)
    events[:0] = writer.events
    concluded = Case(
        case_id=case.case_id,
        version=writer.version,
        status=status,
        as_of=as_of,
        suspended=suspended,
        opened_at=case.opened_at,
        bucket=present.bucket,
        days_contractual=present.days_contractual,
        days_effective=present.days_effective,
        overdue_minor=present.overdue_minor,
        held=present.held,
    )
    return replace(after, case=concluded, movements=movements, loans=loans)


def _announce_end(
    book: Book, case: Case, present: Assessment, writer: announcement.CaseWriter, events: list[NewEvent[Any]]
) -> CaseStatus:
    """Where the case stands now. It is closed when every loan has ended or is another's, cured when nothing is past due
    any more.
    """
    if present.is_past_due:
        return "open"
    cause = _last_leaving(book)
    if cause is None:
        if case.status not in _OVER:
            writer.cured(present, writer.trigger.cure_cause, events)
        return "cured"
    if case.status != "closed":
        writer.closed(present, cause, events)
    return "closed"


def _last_leaving(book: Book) -> LeavingKind | None:
    """How the last loan left the case for good; None while one has not."""
    leavings = [loan.leaving for loan in book.loans.values() if loan.terms is not None]
    known = [leaving for leaving in leavings if leaving is not None]
    return max(known)[1] if known and len(known) == len(leavings) else None


def _announce_relief(
    book: Book, previous: Assessment | None, present: Assessment, writer: announcement.CaseWriter,
    events: list[NewEvent[Any]],
) -> None:  # fmt: skip
    """What makes the case smaller without ending it: loans that are not past due any more, amounts that have fallen."""
    if previous is None or not (previous.is_past_due and present.is_past_due):
        return
    trigger = writer.trigger
    remaining = {loan.loan_ref for loan in present.loans}
    for loan in previous.loans:
        if loan.loan_ref not in remaining:
            known = book.loans.get(loan.loan_ref)
            leaving = None if known is None else known.leaving
            writer.loan_cured(loan.loan_id, present, trigger.cure_cause if leaving is None else leaving[1])
    cause = trigger.lowers_by
    owed = dict(present.overdue_minor)
    if cause is not None and any(owed.get(currency, 0) < amount for currency, amount in previous.overdue_minor):
        events.append(writer.recalled(cause, trigger.reference))


def _announce_holds(book: Book, writer: announcement.CaseWriter, events: list[NewEvent[Any]]) -> dict[str, Loan]:
    """Tell of each hold whose span is not the one last told; the first telling also recalls what is planned."""
    told = book.loans
    for reference, loan in book.loans.items():
        if loan.standing is not None and loan.standing.holds:
            told = {**told, reference: _announce_holds_of(loan, loan.standing, writer, events)}
    return told


def _announce_holds_of(
    loan: Loan, standing: Standing, writer: announcement.CaseWriter, events: list[NewEvent[Any]]
) -> Loan:
    untold = {hold.reference for hold in standing.holds if hold.span is not None and hold.span != hold.told}
    if not untold:
        return loan
    for hold in standing.holds:
        if hold.reference in untold:
            writer.hold_seen(hold, loan.loan_ref)
            if hold.told is None:
                events.append(writer.recalled("hold", hold.reference))
    holds = tuple(replace(hold, told=hold.span) if hold.reference in untold else hold for hold in standing.holds)
    return replace(loan, standing=replace(standing, holds=holds))


def _announce_state(
    case: Case, previous: Assessment | None, present: Assessment, writer: announcement.CaseWriter, trigger: Trigger
) -> None:
    if case.status in _OVER:
        if present.is_past_due:
            writer.opened(present)
        return
    if previous is None or not present.is_past_due:
        return
    if not trigger.silent and replace(previous, as_of=present.as_of) != present:
        writer.updated(present)
    if previous.bucket != present.bucket:
        writer.bucket_changed(previous.bucket, present)


def _announce_suspensions(case: Case, suspended: tuple[str, ...], writer: announcement.CaseWriter) -> None:
    """A case that has ended is released too: who hears of it keeps no hold for one that may open again."""
    for cause in suspended:
        if cause not in case.suspended:
            writer.suspended(cause)
    if case.suspended and not suspended:
        writer.released(case.suspended[-1])


def _announce_movement(
    book: Book, movement: Movement, writer: announcement.CaseWriter, events: list[NewEvent[Any]]
) -> Movement:
    """Tell of a payment once its loan is known: once while uncleared, once cleared; of its reversal after it, once."""
    loan = book.loans.get(movement.loan_ref)
    receipt, reversal = movement.receipt, movement.reversal
    if loan is None or loan.terms is None or receipt is None:
        return movement
    reached = _ANNOUNCED_CLEARED if receipt.cleared else _ANNOUNCED_UNCLEARED
    if movement.posted < reached:
        writer.payment_posted(loan.loan_id, movement.transaction_ref, receipt)
        if not movement.is_reversed:
            events.append(writer.recalled(_STOP_OF[receipt.kind], movement.transaction_ref))
        movement = replace(movement, posted=reached)
    if reversal is not None and not movement.reversal_posted:
        writer.payment_reversed(loan.loan_id, movement.transaction_ref, reversal)
        movement = replace(movement, reversal_posted=True)
    return movement
