"""Merging one fact of the core into a party's book. Stale and repeated facts change nothing; early ones are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from services.intake.domain.assessment import effective_statement, movements_of
from services.intake.domain.book import Book, Loan, MoneyKind, Movement, Profile, Receipt, Reversal, Statement, Terms
from services.intake.domain.delinquency import DueAmount
from services.intake.domain.merge_standing import merge_standing, own_role
from services.intake.domain.position import Bound, Position
from services.intake.domain.standing import Standing
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE
from shared.events.loan import (
    BalanceStated,
    ChargeApplied,
    ChargedOff,
    ChargeReversed,
    ChargeWaived,
    CreditPosted,
    DueItem,
    DueItemsChanged,
    HoldEnded,
    HoldStarted,
    LoanClosed,
    LoanCorrected,
    LoanCured,
    LoanFact,
    LoanOverdue,
    LoanReaged,
    LoanRescheduled,
    LoanTransferred,
    Obligor,
    ObligorChanged,
    PartyDeceased,
    PartyUpdated,
    PaymentReceived,
    PaymentReversed,
    RecoveryReceived,
    StatedFact,
    WrittenOff,
)
from shared.messaging import Outcome

_encode: Final = msgspec.json.encode
_RecordT = TypeVar("_RecordT", Receipt, Reversal)
_TYPE_OF: Final = {event_type.model: name for name, event_type in CATALOGUE.items()}


class Names(Struct, frozen=True):
    """Our names for what a fact speaks of.

    `new_id`: of a loan the party has not had before, in the party's shard. `parties`: of everyone bound by a loan
    that binds several, by the core's reference. `household`: the commitment to a home, by its address.
    """

    new_id: Callable[[UUID], UUID]
    parties: Mapping[str, UUID] = {}
    household: Callable[[str], str] | None = None


def merge(book: Book, fact: EventData, names: Names) -> tuple[Book, Outcome]:
    """The book with `fact`, and what became of it. Raises LookupError for a type that is no fact about a party."""
    merger = _MERGERS.get(type(fact))
    if merger is None:
        raise LookupError(f"{type(fact).__name__} is no fact about a party")
    return merger(book, fact, names)


def _merge_overdue(book: Book, fact: LoanOverdue, names: Names) -> tuple[Book, Outcome]:
    items = due_amounts(fact.due_items)
    flags = tuple(sorted(set(fact.flags))) if fact.flags else ()
    digest = digest_of(fact.currency, items, fact.balance, flags)
    position = Position(fact.business_date, fact.core_sequence, digest)
    loan = _loan(book, fact, names)
    known = loan.terms is not None and loan.terms.position >= position
    stale = loan.statement is not None and loan.statement.position >= position
    if known and stale:
        return book, Outcome.IGNORED
    applied = effective_statement(loan, movements_of(book, fact.loan_ref))
    said = None if applied is None else (applied.position.business_date, applied.position.digest)
    repeated = said == (fact.business_date, digest) and loan.ending is None
    merged = Loan(
        loan_id=loan.loan_id,
        loan_ref=loan.loan_ref,
        terms=loan.terms if known else _terms(fact, position, flags, names.parties),
        statement=loan.statement if stale else Statement(position, fact.currency, items, fact.balance, "loan.overdue"),
        standing=loan.standing,
        place=loan.place,
    )
    # A repeated state still moves the position: facts between the two numbers must not win over it later.
    return _with_loan(book, merged), Outcome.IGNORED if repeated or stale else Outcome.APPLIED


def _merge_cured(book: Book, fact: LoanCured, names: Names) -> tuple[Book, Outcome]:
    return _merge_statement(book, fact, (), names)


def _merge_stated(book: Book, fact: StatedFact, names: Names) -> tuple[Book, Outcome]:
    return _merge_statement(book, fact, due_amounts(fact.due_items), names)


def _merge_statement(
    book: Book, fact: LoanCured | StatedFact, items: tuple[DueAmount, ...], names: Names
) -> tuple[Book, Outcome]:
    position = Position(fact.business_date, fact.core_sequence, digest_of(fact.currency, items, fact.balance))
    loan = _loan(book, fact, names)
    if loan.statement is not None and loan.statement.position >= position:
        return book, Outcome.IGNORED
    stated = Statement(position, fact.currency, items, fact.balance, _TYPE_OF[type(fact)])
    return _with_loan(book, replace(loan, statement=stated)), _unless_waiting(loan)


def _merge_standing(book: Book, fact: LoanFact, names: Names) -> tuple[Book, Outcome]:
    loan = _loan(book, fact, names)
    before = loan.standing or Standing()
    standing = merge_standing(before, fact, bound=lambda obligors: _bound(obligors, fact.party_ref, names.parties))
    if standing == before:
        return book, Outcome.IGNORED
    return _with_loan(book, replace(loan, standing=standing)), _unless_waiting(loan)


def _loan(book: Book, fact: LoanFact, names: Names) -> Loan:
    return book.loans.get(fact.loan_ref) or Loan(names.new_id(book.party_id), fact.loan_ref)


def _unless_waiting(loan: Loan) -> Outcome:
    """What is known of a loan without terms waits for its `loan.overdue`."""
    return Outcome.PENDING if loan.terms is None else Outcome.APPLIED


def _merge_payment(book: Book, fact: PaymentReceived, _: Names) -> tuple[Book, Outcome]:
    return _merge_receipt(
        book, fact, "payment", cleared=fact.cleared, payer_ref=fact.payer_ref, allocation=fact.allocation,
        balance_minor=fact.balance,
    )  # fmt: skip


def _merge_credit(book: Book, fact: CreditPosted, _: Names) -> tuple[Book, Outcome]:
    return _merge_receipt(
        book, fact, "credit", payer_ref=fact.reason, allocation=fact.allocation, balance_minor=fact.balance
    )


def _merge_recovery(book: Book, fact: RecoveryReceived, _: Names) -> tuple[Book, Outcome]:
    return _merge_receipt(book, fact, "recovery", payer_ref=fact.payer_ref)


def _merge_receipt(
    book: Book, fact: PaymentReceived | CreditPosted | RecoveryReceived, kind: MoneyKind, *, payer_ref: str,
    cleared: bool = True, allocation: Sequence[DueItem] = (), balance_minor: int | None = None,
) -> tuple[Book, Outcome]:  # fmt: skip
    receipt = Receipt(
        position=_position(fact),
        loan_ref=fact.loan_ref,
        amount_minor=fact.amount,
        currency=fact.currency,
        value_date=fact.value_date,
        booked_at=fact.booked_at,
        cleared=cleared,
        payer_ref=payer_ref,
        items=due_amounts(allocation),
        balance_minor=balance_minor,
        kind=kind,
    )
    movement = book.movements.get(fact.transaction_ref) or Movement(fact.transaction_ref)
    if movement.receipt is not None and not _supersedes(receipt, movement.receipt):
        return book, Outcome.IGNORED
    return _with_movement(book, replace(movement, receipt=receipt))


def _merge_reversal(book: Book, fact: PaymentReversed, _: Names) -> tuple[Book, Outcome]:
    reversal = Reversal(
        position=_position(fact),
        loan_ref=fact.loan_ref,
        amount_minor=fact.amount,
        currency=fact.currency,
        booked_at=fact.booked_at,
        items=due_amounts(fact.due_items),
    )
    movement = book.movements.get(fact.transaction_ref) or Movement(fact.transaction_ref)
    if movement.reversal is not None and not _supersedes(reversal, movement.reversal):
        return book, Outcome.IGNORED
    return _with_movement(book, replace(movement, reversal=reversal))


def _supersedes(told: _RecordT, known: _RecordT) -> bool:
    """Whether a record of money takes the place of another. Of two under one number the same counts in any order: the
    one that says what is due after it.
    """
    if told.position != known.position:
        return told.position > known.position
    return told != known and _rank(told) > _rank(known)


def _rank(record: Receipt | Reversal) -> tuple[bool, bytes]:
    return isinstance(record, Reversal) or record.states_due, _encode(record)


def _merge_person(book: Book, fact: PartyUpdated, names: Names) -> tuple[Book, Outcome]:
    known = book.person.profile
    if known is not None and known.core_sequence >= fact.core_sequence:
        return book, Outcome.IGNORED
    home = next((contact for contact in fact.contact_points if contact.kind == "home"), None)
    point = None if home is None else home.point
    profile = Profile(
        core_sequence=fact.core_sequence,
        language=fact.language,
        time_zones=tuple(fact.time_zones),
        jurisdiction=fact.jurisdiction,
        cell=None if point is None else point.cell(),
        history_known_from=fact.history_known_from,
        household=None if home is None or names.household is None else names.household(home.value),
    )
    return replace(book, person=replace(book.person, profile=profile)), Outcome.APPLIED


def _merge_death(book: Book, fact: PartyDeceased, _: Names) -> tuple[Book, Outcome]:
    if book.person.deceased_on is not None and book.person.deceased_on <= fact.reported_on:
        return book, Outcome.IGNORED
    return replace(book, person=replace(book.person, deceased_on=fact.reported_on)), Outcome.APPLIED


def digest_of(currency: str, items: tuple[DueAmount, ...], balance_minor: int | None, rest: object = None) -> str:
    """Hash of a complete canonical state (items sorted), 16 bytes as hex."""
    return blake2b(_encode((currency, items, balance_minor, rest)), digest_size=16).hexdigest()


def due_amounts(items: Sequence[DueItem]) -> tuple[DueAmount, ...]:
    """Due items in canonical order."""
    amounts = [
        DueAmount(item.due_date, item.kind, item.principal, item.interest, item.fee, item.penalty, item.paid)
        for item in items
    ]
    if len(amounts) > 1:
        amounts.sort()
    return tuple(amounts)


def _position(fact: LoanFact) -> Position:
    return Position(fact.business_date, fact.core_sequence)


def _terms(fact: LoanOverdue, position: Position, flags: tuple[str, ...], parties: Mapping[str, UUID]) -> Terms:
    return Terms(
        position=position,
        product_class=fact.product_class,
        currency=fact.currency,
        creditor=fact.creditor,
        servicer=fact.servicer,
        originated_on=fact.originated_on,
        jurisdiction=fact.jurisdiction,
        obligors=tuple([(obligor.party_ref, obligor.role, obligor.liability) for obligor in fact.obligors]),
        flags=flags,
        bound=_bound(fact.obligors, fact.party_ref, parties),
        own_role=own_role(fact.obligors, fact.party_ref),
    )


def _bound(obligors: Sequence[Obligor], party_ref: str, parties: Mapping[str, UUID]) -> tuple[Bound, ...]:
    """Everyone under our ids, where somebody else than the party of the case is among them."""
    if not binds_others(obligors, party_ref):
        return ()
    return tuple(Bound(parties[one.party_ref], one.role, one.liability) for one in obligors)


def binds_others(obligors: Sequence[Obligor], party_ref: str) -> bool:
    """Whether somebody else than the party of the case is among the obligors."""
    if len(obligors) == 1:
        return obligors[0].party_ref != party_ref
    return any(one.party_ref != party_ref for one in obligors)


def _with_loan(book: Book, loan: Loan) -> Book:
    return replace(book, loans={**book.loans, loan.loan_ref: loan})


def _with_movement(book: Book, movement: Movement) -> tuple[Book, Outcome]:
    loan = book.loans.get(movement.loan_ref)
    early = loan is None or loan.terms is None or movement.receipt is None
    merged = replace(book, movements={**book.movements, movement.transaction_ref: movement})
    return merged, Outcome.PENDING if early else Outcome.APPLIED


_Merger = Callable[[Book, Any, Names], tuple[Book, Outcome]]
_STATED: Final = (
    DueItemsChanged, LoanRescheduled, LoanReaged, LoanCorrected, ChargeApplied, ChargeWaived, ChargeReversed,
)  # fmt: skip
_STANDING: Final = (
    BalanceStated, HoldStarted, HoldEnded, ChargedOff, WrittenOff, LoanTransferred, LoanClosed, ObligorChanged,
)  # fmt: skip
_MERGERS: Final[dict[type[EventData], _Merger]] = cast(
    "dict[type[EventData], _Merger]",
    {
        LoanOverdue: _merge_overdue,
        LoanCured: _merge_cured,
        PaymentReceived: _merge_payment,
        PaymentReversed: _merge_reversal,
        CreditPosted: _merge_credit,
        RecoveryReceived: _merge_recovery,
        **dict.fromkeys(_STATED, _merge_stated),
        **dict.fromkeys(_STANDING, _merge_standing),
        PartyUpdated: _merge_person,
        PartyDeceased: _merge_death,
    },
)
