"""HTTP of plans that run on from another system."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from pydantic import ValidationError
from starlette.responses import Response

from services.plans.cutover_desk import Cutovers, refusal
from services.plans.cutover_schemas import (
    BeginPlans,
    ImportedPlan,
    ImportedPlanResult,
    ImportedPlanResults,
    ImportedPlans,
    LeftOutPlans,
    PlansOfCutover,
)
from services.plans.domain.imported import CutoverNotOpen, ImportedHoldEnded, ImportedPlanInFuture, OldPlan
from services.plans.plan_desk import CaseNotOpen, PlanAlreadyActive
from shared.database import UnitOfWork
from shared.security.callers import scope
from shared.web.commands import command
from shared.web.openapi import QUESTION, problem_responses
from shared.web.problem_responses import validation_problem
from shared.web.problems import NotFound
from shared.web.state import database_of

_CUT_OVER: Final = [Depends(scope("plans.cut-over"))]
CutoverId = Annotated[str, Path(description="Name of the cut-over.", min_length=1, max_length=64)]


def build_cutover_router(cutovers: Cutovers) -> APIRouter:
    """`/v1/cutovers` of plans."""
    router = APIRouter(prefix="/v1", tags=["cut-over"], dependencies=_CUT_OVER)
    _add_steps(router, cutovers)
    _add_importing(router, cutovers)
    return router


def _add_steps(router: APIRouter, cutovers: Cutovers) -> None:
    @router.post(
        "/cutovers",
        response_model=PlansOfCutover,
        status_code=201,
        responses=problem_responses(CutoverNotOpen),
        summary="Begin to import plans",
    )
    async def begin_cutover(body: BeginPlans, request: Request) -> Response:
        """Only while compliance imports under this name: two people signed it there."""
        seen = await cutovers.seen(body.cutover_id)

        async def begin(uow: UnitOfWork) -> PlansOfCutover:
            return await cutovers.begin(uow, body.cutover_id, seen)

        return await command(request, body=body, parties=[], handler=begin, status=201)

    @router.get("/cutovers/{cutover_id}", responses=problem_responses(NotFound), summary="Plans of a cut-over")
    async def read_cutover(cutover_id: CutoverId, request: Request) -> PlansOfCutover:
        """What is held of it, counted anew from the plans."""
        database = database_of(request)
        async with database.read_only() as uow:
            return await cutovers.view(uow, cutover_id)

    @router.post(
        "/cutovers/{cutover_id}/close",
        response_model=PlansOfCutover,
        responses=problem_responses(NotFound, CutoverNotOpen),
        summary="Import no more plans",
    )
    async def close_cutover(cutover_id: CutoverId, request: Request) -> Response:
        """Once two people have accepted the cut-over at compliance."""
        seen = await cutovers.seen(cutover_id)

        async def close(uow: UnitOfWork) -> PlansOfCutover:
            return await cutovers.close(uow, cutover_id, seen)

        return await command(request, body=None, parties=[], handler=close)


def _add_importing(router: APIRouter, cutovers: Cutovers) -> None:
    @router.post("/cutover-checks", summary="Can these plans be read?", openapi_extra=QUESTION)
    async def check_plans(body: ImportedPlans) -> ImportedPlanResults:
        """Each plan is understood as if it were imported; nothing is written."""
        readable, unreadable = _read(body)
        good = {position: ImportedPlanResult(position=position, status="good") for position in readable}
        results = unreadable | good
        return ImportedPlanResults(items=[results[position] for position in sorted(results)])

    @router.post(
        "/cutovers/{cutover_id}/plans",
        response_model=ImportedPlanResults,
        responses=problem_responses(
            NotFound, CutoverNotOpen, CaseNotOpen, PlanAlreadyActive, ImportedPlanInFuture, ImportedHoldEnded
        ),
        summary="Import plans and promises that run",
    )
    async def import_plans(cutover_id: CutoverId, body: ImportedPlans, request: Request) -> Response:
        """Each once, by the other system's reference. Payments after the cut-over's business date count on them.

        Each plan is answered for itself: the problems of plans that are listed here stand in its result, never for the
        whole request.
        """
        readable, unreadable = _read(body)

        async def take_over(uow: UnitOfWork) -> ImportedPlanResults:
            results = unreadable | await cutovers.take_over(uow, cutover_id, readable, final=body.final)
            return ImportedPlanResults(items=[results[position] for position in sorted(results)])

        parties = {old.party_id for old in readable.values()}
        return await command(request, body=body, parties=parties, handler=take_over)

    @router.post(
        "/cutovers/{cutover_id}/left-out-plans",
        response_model=PlansOfCutover,
        responses=problem_responses(NotFound, CutoverNotOpen),
        summary="Plans of people erased meanwhile",
    )
    async def leave_out_plans(cutover_id: CutoverId, body: LeftOutPlans, request: Request) -> Response:
        """They were announced and are not imported: compliance has answered `erased` for their holds."""

        async def leave_out(uow: UnitOfWork) -> PlansOfCutover:
            return await cutovers.leave_out(uow, cutover_id, body.items)

        return await command(request, body=body, parties=[], handler=leave_out)


def _read(body: ImportedPlans) -> tuple[dict[int, OldPlan], dict[int, ImportedPlanResult]]:
    readable: dict[int, OldPlan] = {}
    unreadable: dict[int, ImportedPlanResult] = {}
    for position, item in enumerate(body.items):
        try:
            readable[position] = ImportedPlan.model_validate(item).old_plan()
        except ValidationError as error:
            errors = [{**one, "loc": ("body", "items", position, *one["loc"])} for one in error.errors()]
            unreadable[position] = refusal(position, validation_problem(errors))
    return readable, unreadable
