"""HTTP of following plans up: where a plan stands, which wait for a person, and what that person decides."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from services.plans import same_persons
from services.plans.domain.ladder import PlanNotInReview
from services.plans.follow_up_schemas import FollowUps, ReviewPlan, ReviewView
from services.plans.following_desk import Followed, FollowingDesk
from services.plans.store import follow_ups as follow_up_store
from services.plans.store.plans import PlanStore
from shared.database import UnitOfWork
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor, InvalidRequest, NotFound
from shared.web.state import database_of

PathPlanId = Annotated[UUID, Path(description="The plan.")]
_READ: Final = [Depends(scope("plans.read"))]
_REVIEW: Final = [Depends(scope("plans.review"))]
_LIST: Final = "plan-reviews"


def build_follow_up_router(desk: FollowingDesk, store: PlanStore) -> APIRouter:
    """`/v1/plans/{id}/follow-ups`, `/v1/plans/{id}/reviews` and `/v1/reviews`."""
    router = APIRouter(prefix="/v1", tags=["follow-ups"])

    @router.get(
        "/plans/{plan_id}/follow-ups",
        dependencies=_READ,
        responses=problem_responses(NotFound),
        summary="Where a plan stands",
    )
    async def read_follow_ups(plan_id: PathPlanId, request: Request) -> FollowUps:
        """Computed from schedule, payments, steps, holds and today's date of the tenant."""
        async with database_of(request).read_only() as uow:
            return _view(desk, uow, await desk.one(uow, plan_id))

    @router.get(
        "/reviews",
        dependencies=_READ,
        responses=problem_responses(InvalidCursor),
        summary="Plans that wait for a person",
    )
    async def list_reviews(request: Request, page: Annotated[PageRequest, Depends(page_request)]) -> Page[ReviewView]:
        """Missed, warned of and waited for; or the agreed review of a token plan or pause has come. A page may be
        shorter than asked: what was paid meanwhile waits for nobody.
        """
        after = page.after(_LIST, UUID, UUID)
        async with database_of(request).read_only() as uow:
            rows = await follow_up_store.in_review(
                uow, after=None if after is None else (after[0], after[1]), limit=page.limit + 1
            )
            waiting = await desk.in_review(uow, {row.party_id for row in rows})
        found = page.page(rows, list_name=_LIST, key=lambda row: (row.party_id, row.plan_id), item=ReviewView.of)
        return Page(items=[one for one in found.items if one.plan_id in waiting], next=found.next)

    @router.post(
        "/plans/{plan_id}/reviews",
        response_model=FollowUps,
        dependencies=_REVIEW,
        responses=problem_responses(NotFound, PlanNotInReview, InvalidRequest),
        summary="Decide about a plan that is not kept",
    )
    async def review_plan(plan_id: PathPlanId, body: ReviewPlan, request: Request) -> Response:
        """Only what was missed, warned of and waited for can be broken, by a named person, and never under a hold."""
        async with database_of(request).read_only() as uow:
            party_id = await store.party_of(uow, plan_id)
            if party_id is None:
                raise NotFound("there is no such plan")
            persons = await same_persons.stand_for(uow, [party_id])
        by = caller_of(request).subject

        async def handle(uow: UnitOfWork) -> FollowUps:
            decided = await desk.decide(uow, plan_id, body.decision, body.until, by=by, reason=body.reason)
            return _view(desk, uow, decided)

        return await command(request, body=body, parties=sorted({party_id, persons[party_id]}), handler=handle)

    return router


def _view(desk: FollowingDesk, uow: UnitOfWork, one: Followed) -> FollowUps:
    policy = desk.policies.at(uow.now)
    return FollowUps.of(one, one.standing(policy, uow.now), policy)
