"""Merging what most loans never have: endings, charge-offs, holds, balances told alone, changes of who is bound.

Each part keeps the fact with the highest position, so that order and repetition of arrival do not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b

from msgspec.structs import replace

from services.intake.domain.position import Bound, Position
from services.intake.domain.standing import (
    ChargeOff,
    Ending,
    HoldEnd,
    HoldStart,
    Obligors,
    SeenHold,
    Standing,
    StatedBalance,
)
from shared.events.case import EndingKind
from shared.events.loan import (
    BalanceStated,
    ChargedOff,
    HoldEnded,
    HoldStarted,
    LoanClosed,
    LoanFact,
    LoanTransferred,
    Obligor,
    ObligorChanged,
    WrittenOff,
)

Names = Callable[[Sequence[Obligor]], tuple[Bound, ...]]


def merge_standing(before: Standing, fact: LoanFact, *, bound: Names) -> Standing:
    """`before` with `fact`; an older or repeated fact changes nothing. `bound` puts obligors under our ids.

    Raises LookupError for a fact that is none of these.
    """
    position = Position(fact.business_date, fact.core_sequence, _digest(fact))
    match fact:
        case LoanClosed():
            return _ended(before, Ending(position, fact.reason, fact.closed_on))
        case WrittenOff():
            return _ended(before, Ending(position, "written_off", fact.written_off_on))
        case LoanTransferred():
            kind: EndingKind = "sold" if fact.kind == "sold" else "servicing"
            return _ended(before, Ending(position, kind, fact.transferred_on))
        case ChargedOff():
            charge_off = ChargeOff(position, fact.charged_off_on)
            known = before.charge_off is not None and before.charge_off.position >= position
            return before if known else replace(before, charge_off=charge_off)
        case BalanceStated():
            known = before.balance is not None and before.balance.position >= position
            return before if known else replace(before, balance=StatedBalance(position, fact.balance))
        case ObligorChanged():
            return _bound_anew(before, position, fact, bound)
        case HoldStarted() | HoldEnded():
            return _held(before, position, fact)
    raise LookupError(f"{type(fact).__name__} says nothing about where a loan stands")


def _digest(fact: LoanFact) -> str:
    content = fact.model_dump_json(exclude={"feed", "schema_fingerprint"})
    return blake2b(content.encode(), digest_size=16).hexdigest()


def _ended(before: Standing, ending: Ending) -> Standing:
    known = before.ending is not None and before.ending.position >= ending.position
    return before if known else replace(before, ending=ending)


def _bound_anew(before: Standing, position: Position, fact: ObligorChanged, bound: Names) -> Standing:
    if before.obligors is not None and before.obligors.position >= position:
        return before
    obligors = Obligors(
        position=position,
        obligors=tuple((one.party_ref, one.role, one.liability) for one in fact.obligors),
        bound=bound(fact.obligors),
        binds_party=any(one.party_ref == fact.party_ref for one in fact.obligors),
        own_role=own_role(fact.obligors, fact.party_ref),
    )
    return replace(before, obligors=obligors)


def own_role(obligors: Sequence[Obligor], party_ref: str) -> str | None:
    """In which role the party of the case is bound; None: it is not among them."""
    for one in obligors:
        if one.party_ref == party_ref:
            return one.role
    return None


def _held(before: Standing, position: Position, fact: HoldStarted | HoldEnded) -> Standing:
    holds = {hold.reference: hold for hold in before.holds}
    hold = holds.get(fact.hold_ref) or SeenHold(fact.hold_ref)
    if isinstance(fact, HoldStarted):
        if hold.start is not None and hold.start.position >= position:
            return before
        start = HoldStart(position, fact.starts_on, fact.ends_on)
        hold = replace(hold, kind=fact.kind, scope=fact.scope, start=start)
    else:
        if hold.end is not None and hold.end.position >= position:
            return before
        hold = replace(hold, end=HoldEnd(position, fact.ended_on))
    holds[fact.hold_ref] = hold
    return replace(before, holds=tuple(holds[reference] for reference in sorted(holds)))
