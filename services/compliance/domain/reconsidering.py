"""Outstanding permits judged again: which of them would no longer be granted.

A permit is held against the contacts made, against the reservations that nobody can take back any more (used, or
their window is over), and against those granted before it: those granted later were judged with it. So the one granted
first stays, and judging again without anything new changes nothing. It is one order for everybody who shares a key, so
that of several people's permits no more give way than must, whoever is looked at first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import structs

from services.compliance.domain.budget_keys import names_of
from services.compliance.domain.decisions import decide
from services.compliance.domain.facts import Counted, PartyFacts, Question, ThirdPersonAsked
from services.compliance.domain.judged_on import refused_of_debts, ruling_of
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.permits import Permit, PermitState
from services.compliance.domain.rulings import Answer, Ruling

# Asked for the moment of a grant only. What these miss is caught where it counts: at the check-in, or by a stop.
_OF_THE_MOMENT: Final = frozenset({"facts_fresh", "log_current", "versions_seen", "balance_owed", "window_fits"})
_NOBODY: Final[Mapping[UUID, ThirdPersonAsked | None]] = {}


def outstanding(permit: Permit, *, now: datetime) -> bool:
    """Whether judging it again may still change something: its window is not over."""
    return permit.recallable(now=now) and now < permit.window.end


def comes_unreserved(contact: Counted, permit: Permit | None) -> bool:
    """Whether it counts somewhere where no reservation of its own has counted until now.

    `permit`: the one it was made on, as it stood before.
    """
    if permit is None or not permit.reserves:
        return True
    inside = permit.window.start <= contact.span.start < permit.window.end
    counted_as_it_is = (permit.channel, permit.purpose) == (contact.channel, contact.purpose)
    return not (inside and counted_as_it_is) or not set(names_of(permit.keys)).issuperset(names_of(contact.keys))


def refused_now(
    permits: Sequence[Permit],
    facts: PartyFacts,
    book: RuleBook,
    *,
    now: datetime,
    real_now: datetime,
    third_persons: Mapping[UUID, ThirdPersonAsked | None] = _NOBODY,
    others: Iterable[Permit] = (),
) -> list[tuple[Permit, Ruling]]:
    """The party's permits that are refused now, each with the rule that refuses.

    `permits` are all that reserve, and `facts` counts them. `third_persons`: by permit for an inquiry, what the ledger
    says of its third person but for the permit itself. `others`: permits of people who share a key, which `facts`
    counts as well.
    """

    def precedence(permit: Permit) -> tuple[bool, datetime, UUID]:
        revoked = permit.revoked_real is not None
        gives_way = permit.state is PermitState.GRANTED and (revoked or now < permit.window.end)
        return gives_way, permit.granted_real, permit.permit_id

    reserved = {permit.permit_id for permit in permits}
    of_others = {permit.permit_id: precedence(permit) for permit in others if permit.reserves}
    counted: list[Counted] = [one for one in facts.counted if one.permit_id not in reserved]
    refused = []
    for permit in sorted(permits, key=precedence):
        own = precedence(permit)
        shared = tuple(one for one in facts.shared if one.permit_id is None or of_others.get(one.permit_id, own) <= own)
        before = structs.replace(
            facts, counted=tuple(counted), shared=shared, third_person=third_persons.get(permit.permit_id)
        )  # fmt: skip
        ruling = _refusing(permit, before, book, now=now, real_now=real_now)
        if ruling is not None:
            refused.append((permit, ruling))
        # Revoked or not: a reservation counts until it is given back.
        counted += [one for one in facts.counted if one.permit_id == permit.permit_id]
    return refused


def _refusing(permit: Permit, facts: PartyFacts, book: RuleBook, *, now: datetime, real_now: datetime) -> Ruling | None:
    """The rule for which the permit would not be granted now: one that denies before one that lacks a fact."""
    refused_by = refused_of_debts(permit.debts or (), permit.purpose, facts)
    if refused_by is not None:
        return ruling_of(refused_by)
    question = Question(
        party_id=permit.party_id,
        case_id=permit.case_id,
        subject_id=permit.subject_id,
        channel=permit.channel,
        purpose=permit.purpose,
        # A person who has moved is known to the case: the recall of `consumers.cases` names that cause.
        jurisdiction=facts.jurisdiction or "",
        zones=permit.zones,
        span=permit.window,
        duration=permit.duration,
        crew=permit.crew,
        device_id=permit.device_id,
        place_cell=permit.place_cell,
        debts=permit.debts,
        keys=permit.keys or facts.keys,
        now=now,
        real_now=real_now,
    )
    refusals = [one for one in decide(question, facts, book).refusals if one.rule.kind not in _OF_THE_MOMENT]
    return min(refusals, key=lambda one: one.answer is not Answer.DENY, default=None)
