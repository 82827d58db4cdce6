"""The steps that were taken, said by whoever took them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.intake.identifying import lock_leads
from services.intake.store import strategy as store
from services.intake.store.parties import key_of, names_a_person, reserve
from services.intake.store.strategy import NewFact
from services.intake.strategy_desk import Deciding
from services.intake.strategy_schemas import (
    StepsHeld,
    TakenStep,
    TakenStepResult,
    TakenStepResults,
    TakenSteps,
)
from shared.database import Database, UnitOfWork
from shared.ids import event_id
from shared.security.callers import Caller, scope
from shared.web.commands import command
from shared.web.openapi import QUESTION


def steps_router(database: Database, deciding: Deciding) -> APIRouter:
    """What has been done in a case."""
    router = APIRouter(prefix="/v1", tags=["strategy"])

    @router.post("/steps", response_model=TakenStepResults, summary="Say which steps were taken")
    async def record_steps(
        body: TakenSteps, request: Request, _: Annotated[Caller, Depends(scope("intake.record-steps"))]
    ) -> Response:
        """A softer step counts once somebody says here, or a contact record says, that it was done; no timer does.

        It is no record of a contact: that goes to compliance. The next action is chosen in the same transaction.
        """

        async def handle(uow: UnitOfWork) -> TakenStepResults:
            return TakenStepResults(items=await _record(uow, deciding, body.items))

        return await command(request, body=body, parties=[], handler=handle)

    @router.post(
        "/step-checks",
        dependencies=[Depends(scope("intake.record-steps"))],
        summary="How many of these steps are kept?",
        openapi_extra=QUESTION,
    )
    async def check_steps(body: TakenSteps) -> StepsHeld:
        """Nothing is written: a cut-over reads back what it told."""
        named = [(step.core, step.party_ref) for step in body.items]
        async with database.read_only() as uow:
            parties = await store.named(uow, named)
            keys = {
                (parties[core, party_ref], step.step, step.reference)
                for (core, party_ref), step in zip(named, body.items, strict=True)
                if (core, party_ref) in parties
            }
            held = await store.held_facts(uow, keys)
        return StepsHeld(held=held, of_nobody=sum(one not in parties for one in named))

    return router


async def _record(uow: UnitOfWork, deciding: Deciding, steps: list[TakenStep]) -> list[TakenStepResult]:
    parties = await _parties(uow, steps)
    await uow.lock_parties(parties.values())
    facts: list[NewFact] = []
    results: list[TakenStepResult | NewFact] = []
    for step in steps:
        party_id = parties.get((step.core, step.party_ref))
        if party_id is None:
            results.append(TakenStepResult(reference=step.reference, outcome="unknown_party"))
        elif step.done_at > uow.now:
            results.append(TakenStepResult(reference=step.reference, outcome="in_future"))
        else:
            facts.append(NewFact(party_id, step.step, step.reference, step.done_at, (), step.vouched))
            results.append(facts[-1])
    once = {(fact.party_id, fact.kind, fact.reference): fact for fact in reversed(facts)}
    recorded = await store.add_facts(uow, [once[key] for key in sorted(once)])
    concerned = {party_id for party_id, _, _ in recorded}
    leads = await lock_leads(uow, concerned)
    await deciding.decide(uow, dict.fromkeys({leads.get(one, one) for one in concerned}, str(event_id())))
    return [one if isinstance(one, TakenStepResult) else _became(one, once, recorded) for one in results]


async def _parties(uow: UnitOfWork, steps: list[TakenStep]) -> dict[tuple[str, str], UUID]:
    """Party ids by the core's references. History comes before the loans: who is attested has an id from then on."""
    keys = {(step.core, step.party_ref): key_of(uow.tenant, step.core, step.party_ref) for step in steps}
    history = {(step.core, step.party_ref) for step in steps if step.vouched == "attested"}
    reserved = await reserve(uow, [keys[one] for one in history if names_a_person(keys[one], uow.tenant)])
    known = await store.named(uow, [one for one in keys if one not in history])
    return {**known, **{one: reserved.ids[keys[one]] for one in history if keys[one] in reserved.ids}}


def _became(fact: NewFact, once: dict[tuple[UUID, str, str], NewFact], recorded: set[Any]) -> TakenStepResult:
    key = (fact.party_id, fact.kind, fact.reference)
    is_new = key in recorded and once[key] is fact
    return TakenStepResult(reference=fact.reference, outcome="recorded" if is_new else "duplicate")
