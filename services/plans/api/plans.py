"""HTTP of plans."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from services.plans.domain.affordability import PlanBelowProtectedMinimum, PlanLongerThanAllowed
from services.plans.domain.plan import Plan, PlanNotOpen, PlanState, SignatureCodeMismatch, SigningExpired
from services.plans.plan_desk import (
    CaseNotOpen,
    DebtNotOwed,
    HoldNotPlaced,
    NoMinimumTable,
    PlanAlreadyActive,
    PlanDesk,
)
from services.plans.schemas import PlansOfParty, PlansSummary, PlanView, ProposePlan, SignPlan
from services.plans.store.plans import PlanStore, statistics
from shared.database import Database, UnitOfWork
from shared.security.callers import scope
from shared.web.claims import Answer
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.problems import InvalidRequest, NotFound, Problem
from shared.web.state import database_of

PathPlanId = Annotated[UUID, Path(description="The plan.")]
_READ: Final = [Depends(scope("plans.read"))]
_PROPOSE: Final = [Depends(scope("plans.propose"))]
_SIGN: Final = [Depends(scope("plans.sign"))]


def build_router(desk: PlanDesk, store: PlanStore) -> APIRouter:
    """The routes of plans."""
    router = APIRouter(prefix="/v1", tags=["plans"])
    _add_proposing(router, desk)
    _add_signing(router, desk, store)
    _add_reading(router, store)
    return router


def _add_proposing(router: APIRouter, desk: PlanDesk) -> None:
    @router.post(
        "/plans",
        status_code=201,
        response_model=PlanView,
        dependencies=_PROPOSE,
        responses=problem_responses(
            PlanBelowProtectedMinimum,
            PlanLongerThanAllowed,
            NoMinimumTable,
            DebtNotOwed,
            CaseNotOpen,
            PlanAlreadyActive,
        ),
        summary="Propose a plan that the household can afford",
    )
    async def propose_plan(body: ProposePlan, request: Request) -> Response:
        """Instalments, a token plan or a pause. A wish below the protected minimum is refused, with the most that is
        affordable; an earlier proposal for the case is superseded.
        """

        async def handle(uow: UnitOfWork) -> Answer | Problem:
            outcome = await desk.propose(uow, body)
            if isinstance(outcome, Problem):
                return outcome
            return Answer(PlanView.of(outcome), headers={"Location": f"/v1/plans/{outcome.plan_id}"})

        return await command(request, body=body, parties=[body.party_id], handler=handle, status=201)


def _add_signing(router: APIRouter, desk: PlanDesk, store: PlanStore) -> None:
    @router.post(
        "/plans/{plan_id}/sign",
        response_model=PlanView,
        dependencies=_SIGN,
        responses=problem_responses(
            NotFound,
            PlanNotOpen,
            PlanAlreadyActive,
            SigningExpired,
            SignatureCodeMismatch,
            HoldNotPlaced,
            InvalidRequest,
        ),
        summary="Sign a proposed plan",
    )
    async def sign_plan(plan_id: PathPlanId, body: SignPlan, request: Request) -> Response:
        """Collection stops first: without compliance's hold nothing is signed (503). Signing twice is signing once."""
        database = database_of(request)
        plan = await _read(database, store, plan_id)
        attempt: int | None = None
        hold_id = plan.hold_id
        if plan.state is PlanState.PROPOSED:
            attempt, hold_id = await desk.place_hold(database, plan, code=body.customer_signature_code)
        signed_hold, signed_attempt = hold_id, plan.attempt if attempt is None else attempt
        if signed_hold is None:
            raise PlanNotOpen(f"the plan is {plan.state}", state=str(plan.state))

        async def handle(uow: UnitOfWork) -> PlanView:
            signed = await desk.sign(
                uow, plan_id, attempt=signed_attempt, hold_id=signed_hold, signed_at=body.signed_at
            )
            return PlanView.of(signed)

        return await command(request, body=body, parties=[plan.party_id], handler=handle)


def _add_reading(router: APIRouter, store: PlanStore) -> None:
    @router.get("/plans/{plan_id}", dependencies=_READ, responses=problem_responses(NotFound), summary="A plan")
    async def read_plan(plan_id: PathPlanId, request: Request) -> PlanView:
        """The plan as it stands, with its schedule, its document and what was paid."""
        return PlanView.of(await _read(database_of(request), store, plan_id))

    @router.get("/plans", dependencies=_READ, summary="A party's plans")
    async def list_plans(party_id: Annotated[UUID, Query(description="The party.")], request: Request) -> PlansOfParty:
        """All plans of one party, oldest first."""
        async with database_of(request).read_only() as uow:
            found = await store.of_parties(uow, [party_id])
        return PlansOfParty(items=[PlanView.of(plan) for plan in found])

    @router.get("/summary", dependencies=_READ, summary="Figures of plans")
    async def read_summary(request: Request) -> PlansSummary:
        """Counts and sums over all plans."""
        async with database_of(request).read_only() as uow:
            known = await statistics(uow)
        return PlansSummary(
            **known.counts, agreed=known.agreed, paid=known.paid, payments_matched=known.payments_matched
        )


async def _read(database: Database, store: PlanStore, plan_id: UUID) -> Plan:
    async with database.read_only() as uow:
        plan = await store.load(uow, plan_id)
    if plan is None:
        raise NotFound("there is no such plan")
    return plan
