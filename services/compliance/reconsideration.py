"""Outstanding permits judged again: what is learnt late, or a new rule, revokes those that would no longer be granted.

A permit is held against the contacts made and against the reservations granted before it: those granted later were
judged with it. So the one granted first stays, and judging again without anything new changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from services.compliance.domain.decisions import decide
from services.compliance.domain.facts import Counted, PartyFacts, Question
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.permits import Permit
from services.compliance.domain.rulings import Answer, Ruling
from services.compliance.instruments import Instruments
from services.compliance.recalls import Recall, recall
from services.compliance.store.facts import load_facts
from services.compliance.store.permits import load_active
from shared.database import UnitOfWork

# Asked for the moment of a grant only. What these miss is caught where it counts: at the check-in, or by a stop.
_OF_THE_MOMENT: Final = frozenset({"facts_fresh", "log_current", "versions_seen", "balance_owed", "window_fits"})


async def reconsider(
    uow: UnitOfWork, instruments: Instruments, party_ids: Iterable[UUID], *, arrived_real: datetime | None = None
) -> list[Permit]:
    """Revoke the parties' permits that would no longer be granted; returns them. The parties are locked.

    A permit whose window is over is left alone. `arrived_real`: real time at which the new fact reached us (None: now).
    """
    active = await load_active(uow, party_ids)
    judged = [permit for permit in active if permit.recallable(now=uow.now) and uow.now < permit.window.end]
    if not judged:
        return []
    of_party: dict[UUID, list[Permit]] = {permit.party_id: [] for permit in judged}
    for permit in active:
        if permit.party_id in of_party:
            of_party[permit.party_id].append(permit)
    facts = await load_facts(uow, of_party)
    refused = {
        permit.permit_id: ruling
        for party_id, permits in of_party.items()
        for permit, ruling in _refused(uow, instruments.book, permits, facts[party_id])
    }
    recalls = [
        Recall(
            party_id=permit.party_id,
            cause=refused[permit.permit_id].rule.id,
            citation=refused[permit.permit_id].rule.citation,
            fact_arrived_real=arrived_real or uow.real_now,
            permit_ids=frozenset({permit.permit_id}),
        )
        for permit in judged
        if permit.permit_id in refused
    ]
    return await recall(uow, instruments, recalls)


def _refused(
    uow: UnitOfWork, book: RuleBook, permits: Sequence[Permit], facts: PartyFacts
) -> list[tuple[Permit, Ruling]]:
    """The party's permits that are refused now, in the order of their grants, each with the rule that refuses."""
    reserved = {permit.permit_id for permit in permits}
    counted: list[Counted] = [one for one in facts.counted if one.permit_id not in reserved]
    refused = []
    for permit in sorted(permits, key=lambda one: (one.granted_real, one.permit_id)):
        ruling = _refusing(uow, book, permit, replace(facts, counted=tuple(counted)))
        if ruling is not None:
            refused.append((permit, ruling))
        # Revoked or not: a reservation counts until it is given back.
        counted += [one for one in facts.counted if one.permit_id == permit.permit_id]
    return refused


def _refusing(uow: UnitOfWork, book: RuleBook, permit: Permit, facts: PartyFacts) -> Ruling | None:
    """The rule for which the permit would not be granted now: one that denies before one that lacks a fact."""
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
        now=uow.now,
        real_now=uow.real_now,
    )
    refusals = [one for one in decide(question, facts, book).refusals if one.rule.kind not in _OF_THE_MOMENT]
    return min(refusals, key=lambda one: one.answer is not Answer.DENY, default=None)
