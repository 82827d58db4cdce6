"""HTTP of assignment: collectors, pairs, field days, summary."""

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
    CollectorBatch,
    CollectorView,
    CollectorViews,
    FieldDayAccepted,
    FieldDayView,
    PairBatch,
    PairView,
    PairViews,
    PlanFieldDay,
    RouteFiguresView,
    RouteView,
    StopView,
    UnassignedView,
)
from services.assignment.store import field_days, staff
from services.assignment.store.field_days import RouteTotals
from shared.database import Database, UnitOfWork
from shared.ids import derived_id, event_id
from shared.money import Money
from shared.security.callers import scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import FieldError, InvalidRequest, KnownProblem, NotFound

Paging = Annotated[PageRequest, Depends(page_request)]
Day = Annotated[date, Path(description="Local date of the visits.", examples=["2026-03-12"])]
_READ: Final = [Depends(scope("assignment.read"))]
_MANAGE: Final = [Depends(scope("assignment.manage-collectors"))]
_PLAN: Final = [Depends(scope("assignment.plan"))]


class FieldDayExists(KnownProblem):
    """This date is already planned or being planned; a field day is planned once."""

    kind, status, title = "field_day_exists", 409, "The field day is already planned"


def build_router(policy: SelectionPolicy) -> APIRouter:
    """The routes of assignment."""
    router = APIRouter(prefix="/v1")
    _add_collectors(router)
    _add_pairs(router)
    _add_field_days(router, policy)
    return router


def _add_collectors(router: APIRouter) -> None:
    @router.post(
        "/collectors",
        tags=["collectors"],
        response_model=CollectorViews,
        dependencies=_MANAGE,
        responses=problem_responses(InvalidRequest),
        summary="Register or replace collectors with their certificates",
    )
    async def register_collectors(body: CollectorBatch, request: Request) -> Response:
        """Each collector is sent whole; certificates that are left out are forgotten."""

        async def handle(uow: UnitOfWork) -> CollectorViews:
            collectors = [
                each.collector(each.collector_id or derived_id("collector", uow.tenant, each.staff_ref))
                for each in body.items
            ]
            _require_unique("staff_ref", [each.staff_ref for each in collectors])
            await staff.save_collectors(uow, collectors)
            return CollectorViews(items=[CollectorView.of(each, uow.now.date()) for each in collectors])

        return await command(request, body=body, parties=[], handler=handle)

    @router.get("/collectors", tags=["collectors"], dependencies=_READ, summary="Collectors")
    async def list_collectors(request: Request, page: Paging) -> Page[CollectorView]:
        """Collectors in order of id, with the state of their certificate lock."""
        async with _database(request).read_only() as uow:
            after = page.after("collectors", UUID)
            rows = await staff.collector_page(uow, after=None if after is None else after[0], limit=page.limit + 1)
            today = uow.now.date()
        return page.page(
            rows,
            list_name="collectors",
            key=lambda each: (each.collector_id,),
            item=lambda each: CollectorView.of(each, today),
        )


def _add_pairs(router: APIRouter) -> None:
    @router.post(
        "/pairs",
        tags=["pairs"],
        response_model=PairViews,
        dependencies=_MANAGE,
        responses=problem_responses(InvalidRequest),
        summary="Register or replace pairs",
    )
    async def register_pairs(body: PairBatch, request: Request) -> Response:
        """Both collectors must be registered; one active pair per device."""

        async def handle(uow: UnitOfWork) -> PairViews:
            pairs = [each.pair(each.pair_id or derived_id("pair", uow.tenant, each.device_id)) for each in body.items]
            known = await staff.load_collectors(uow, [member for pair in pairs for member in pair.collectors])
            holders = await staff.device_holders(uow, [pair.device_id for pair in pairs])
            _require_unique("device_id", [pair.device_id for pair in pairs])
            for index, pair in enumerate(pairs):
                if not set(pair.collectors) <= known.keys():
                    raise _refused(index, "collectors", "unknown_collector", "names a collector who is not registered")
                if pair.active and holders.get(pair.device_id, pair.pair_id) != pair.pair_id:
                    raise _refused(index, "device_id", "device_taken", "is the device of another active pair")
            await staff.save_pairs(uow, pairs)
            return PairViews(items=[PairView.of(pair) for pair in pairs])

        return await command(request, body=body, parties=[], handler=handle)

    @router.get("/pairs", tags=["pairs"], dependencies=_READ, summary="Pairs")
    async def list_pairs(request: Request, page: Paging) -> Page[PairView]:
        """Pairs in order of id."""
        async with _database(request).read_only() as uow:
            after = page.after("pairs", UUID)
            rows = await staff.pair_page(uow, after=None if after is None else after[0], limit=page.limit + 1)
        return page.page(rows, list_name="pairs", key=lambda each: (each.pair_id,), item=PairView.of)


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
        async with _database(request).read_only() as uow:
            field_day = await field_days.field_day_of(uow, day)
            if field_day is None:
                raise NotFound("nothing is planned for this date")
            return await _view(uow, field_day)

    @router.get("/summary", tags=["figures"], dependencies=_READ, summary="Figures of assignment")
    async def read_summary(request: Request) -> AssignmentSummary:
        """Counts and route figures over all field days."""
        async with _database(request).read_only() as uow:
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


def _require_unique(field: str, values: Sequence[str]) -> None:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            raise _refused(index, field, "repeated", "appears twice in the batch")
        seen.add(value)


def _refused(index: int, field: str, kind: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=[FieldError("body", f"/items/{index}/{field}", kind, detail)])


def _database(request: Request) -> Database:
    database = request.app.state.database
    assert isinstance(database, Database)
    return database
