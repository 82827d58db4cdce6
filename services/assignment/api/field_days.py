"""Field days, and the figures of assignment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from services.assignment.domain.field_day import FieldDay
from services.assignment.domain.policy import SelectionPolicy
from services.assignment.domain.visits import PlannedVisit
from services.assignment.planning import select_intent
from services.assignment.schemas import (
    Areas,
    AssignmentSummary,
    FieldDayAccepted,
    FieldDayView,
    PlanFieldDay,
    RouteFiguresView,
    RouteView,
    StopView,
    UnassignedView,
)
from services.assignment.store import field_days, staff
from services.assignment.store.field_days import RouteTotals
from shared.database import UnitOfWork
from shared.ids import event_id
from shared.money import Money
from shared.security.callers import scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.problems import FieldError, InvalidRequest, KnownProblem, NotFound
from shared.web.state import database_of

Day = Annotated[date, Path(description="Local date of the visits.", examples=["2026-03-12"])]
_READ: Final = [Depends(scope("assignment.read"))]
_PLAN: Final = [Depends(scope("assignment.plan"))]


class FieldDayExists(KnownProblem):
    """This date is already planned or being planned; a field day is planned once."""

    kind, status, title = "field_day_exists", 409, "The field day is already planned"


def field_days_router(policy: SelectionPolicy) -> APIRouter:
    """The routes of field days and figures."""
    router = APIRouter(prefix="/v1")
    _add_field_days(router, policy)
    return router


def _add_field_days(router: APIRouter, policy: SelectionPolicy) -> None:
    @router.post(
        "/field-days/{day}/plan",
        tags=["field days"],
        status_code=202,
        response_model=FieldDayAccepted,
        dependencies=_PLAN,
        responses=problem_responses(FieldDayExists, InvalidRequest),
        summary="Plan a field day",
    )
    async def plan_field_day(day: Day, body: PlanFieldDay, request: Request) -> Response:
        """Begins planning and returns at once; `GET /v1/field-days/{day}` tells how far it is."""

        async def handle(uow: UnitOfWork) -> FieldDayAccepted:
            today = uow.now.astimezone(UTC).date()
            # A local date may be a day ahead of or behind UTC.
            if not today - timedelta(days=1) <= day <= today + timedelta(days=policy.day.furthest_days_ahead):
                detail = f"must lie between today and {policy.day.furthest_days_ahead} days ahead"
                raise InvalidRequest(errors=[FieldError("path", "/day", "day_out_of_range", detail)])
            field_day = FieldDay(
                field_day_id=event_id(),
                day=day,
                status="selecting",
                policy_id=policy.id,
                max_visits=body.max_visits,
                requested_at=uow.now,
            )
            if not await field_days.add_field_day(uow, field_day):
                raise FieldDayExists()
            uow.intend(select_intent(field_day, uow))
            return FieldDayAccepted(field_day_id=field_day.field_day_id, status=field_day.status)

        return await command(request, body=body, parties=[], handler=handle, status=202)

    @router.get(
        "/field-days/{day}",
        tags=["field days"],
        dependencies=_READ,
        responses=problem_responses(NotFound),
        summary="A field day",
    )
    async def read_field_day(day: Day, request: Request) -> FieldDayView:
        """Progress, routes with their stops, kilometres, minutes and cost, and who was left out and why."""
        async with database_of(request).read_only() as uow:
            field_day = await field_days.field_day_of(uow, day)
            if field_day is None:
                raise NotFound("nothing is planned for this date")
            return await _view(uow, field_day)

    @router.get("/summary", tags=["figures"], dependencies=_READ, summary="Figures of assignment")
    async def read_summary(request: Request) -> AssignmentSummary:
        """Counts and route figures over all field days."""
        async with database_of(request).read_only() as uow:
            counts = await field_days.counts(uow, uow.now)
            totals = await field_days.totals(uow)
        return AssignmentSummary(**counts, figures=_figures(totals))


async def _view(uow: UnitOfWork, field_day: FieldDay) -> FieldDayView:
    identity = field_day.field_day_id
    areas = await field_days.areas_of(uow, identity)
    model = field_day.travel_model
    return FieldDayView(
        field_day_id=identity,
        day=field_day.day,
        status=field_day.status,
        policy_id=field_day.policy_id,
        travel_model=None if model is None else model.model_id,
        travel_parameters={} if model is None else model.parameters,
        requested_at=field_day.requested_at,
        planned_at=field_day.planned_at,
        areas=Areas(
            total=len(areas),
            planned=sum(area.status == "planned" for area in areas),
            failed=sum(area.status == "failed" for area in areas),
        ),
        eligible=field_day.eligible,
        not_chosen=field_day.not_chosen,
        refused_pairs=field_day.refused_pairs,
        figures=_figures(await field_days.totals(uow, identity)),
        routes=await _routes(uow, identity),
        unassigned=[
            UnassignedView(party_id=each.party_id, reason=each.reason, rules=list(each.rules))
            for each in await field_days.left_out_of(uow, identity)
        ],
    )


async def _routes(uow: UnitOfWork, field_day_id: UUID) -> list[RouteView]:
    visits = await field_days.visits_of(uow, field_day_id)
    routes = await field_days.routes_of(uow, field_day_id)
    homes = {pair.pair_id: pair.home for pair in await staff.load_pairs(uow, [route.pair_id for route in routes])}
    return [
        RouteView(
            pair_id=route.pair_id,
            crew=list(route.crew),
            device_id=route.device_id,
            home=homes.get(route.pair_id),
            area=route.area_number,
            departs_at=route.departs_at,
            returns_at=route.returns_at,
            rest_start_at=route.rest_start_at,
            km=round(route.figures.metres / 1000, 1),
            travel_minutes=route.figures.travel_seconds // 60,
            visit_minutes=route.figures.service_seconds // 60,
            total_minutes=route.figures.duration_seconds // 60,
            cost=Money(amount_minor=route.cost_minor, currency=route.cost_currency),
            stops=_stops(visits, route.pair_id),
        )
        for route in routes
    ]


def _stops(visits: Sequence[PlannedVisit], pair_id: UUID) -> list[StopView]:
    return [
        StopView(
            stop_number=visit.stop_number,
            visit_id=visit.visit_id,
            party_id=visit.party_id,
            cell=visit.cell,
            arrives_at=visit.arrives_at,
            window=visit.window,
            duration_minutes=visit.duration_minutes,
            state=visit.state.value,
            cause=visit.cause,
            rules=list(visit.rules),
        )
        for visit in visits
        if visit.pair_id == pair_id
    ]


def _figures(totals: RouteTotals) -> RouteFiguresView:
    currency, visits = totals.cost_currency, totals.stops
    cost = None if currency is None else Money(amount_minor=totals.cost_minor, currency=currency)
    per_visit = None if cost is None or visits == 0 else -(-cost.amount_minor // visits)
    return RouteFiguresView(
        routes=totals.routes,
        planned_visits=visits,
        km=round(totals.metres / 1000, 1),
        travel_minutes=totals.travel_seconds // 60,
        visit_minutes=totals.service_seconds // 60,
        total_minutes=totals.duration_seconds // 60,
        cost=cost,
        cost_per_visit=None
        if cost is None or per_visit is None
        else cost.model_copy(update={"amount_minor": per_visit}),
    )
