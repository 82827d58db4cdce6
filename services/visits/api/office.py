"""Routes for the office: visits, alarms, figures."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from services.visits.api.access import VisitId, load_visit
from services.visits.domain.traces import KINDS
from services.visits.domain.visit import State
from services.visits.schemas import AlarmView, Summary, TraceSourcesView, TraceSourceView, VisitView
from services.visits.store import reports
from shared.database import UnitOfWork
from shared.security.callers import Caller, scope
from shared.security.note_keys import NoteKey
from shared.security.signing import SigningKey
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import NotFound
from shared.web.state import database_of

router = APIRouter(tags=["office"])


@router.get("/v1/visits", summary="Visits")
async def list_visits(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    _: Annotated[Caller, Depends(scope("visits.read"))],
    field_day: Annotated[date | None, Query(description="Only visits of this local date.")] = None,
    pair_id: Annotated[UUID | None, Query(description="Only visits of this pair.")] = None,
    state: Annotated[State | None, Query(description="Only visits in this state.")] = None,
) -> Page[VisitView]:
    """Visits by day and id. A pair's device reads its own visits of the day here, permits included."""
    name = f"visits|{field_day}|{pair_id}|{state}"
    after = page.after(name, str, UUID)
    async with database_of(request).read_only() as uow:
        visits = await reports.list_visits(
            uow,
            field_day=field_day,
            pair_id=pair_id,
            state=state,
            after=None if after is None else (date.fromisoformat(after[0]), after[1]),
            limit=page.limit,
        )
    return page.page(
        visits,
        list_name=name,
        key=lambda visit: (visit.field_day.isoformat(), visit.visit_id),
        item=VisitView.of,
    )


@router.get("/v1/visits/{visit_id}", summary="One visit", responses=problem_responses(NotFound))
async def read_visit(
    visit_id: VisitId, request: Request, _: Annotated[Caller, Depends(scope("visits.read"))]
) -> VisitView:
    """The visit as it stands."""
    async with database_of(request).read_only() as uow:
        return VisitView.of(await load_visit(uow, visit_id))


@router.get("/v1/alarms", summary="Alarms")
async def list_alarms(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    _: Annotated[Caller, Depends(scope("visits.read"))],
    open_only: Annotated[bool, Query(alias="open", description="Only those that nobody has answered.")] = False,
) -> Page[AlarmView]:
    """Calls for help and crews that did not check out, in the order in which they were raised."""
    name = f"alarms|{open_only}"
    async with database_of(request).read_only() as uow:
        alarms = await reports.list_alarms(
            uow, open_only=open_only or None, after=page.after(name, datetime, UUID), limit=page.limit
        )
    return page.page(
        alarms,
        list_name=name,
        key=lambda alarm: (alarm["raised_real"], alarm["alarm_id"]),
        item=lambda alarm: AlarmView(**alarm),
    )


@router.post(
    "/v1/alarms/{alarm_id}/acknowledge",
    summary="Answer an alarm",
    response_model=AlarmView,
    responses=problem_responses(NotFound),
)
async def acknowledge_alarm(
    alarm_id: Annotated[UUID, Path(description="The alarm.")],
    request: Request,
    caller: Annotated[Caller, Depends(scope("visits.answer-alarm"))],
) -> Response:
    """Somebody looks after it; the first to say so is recorded. Alarms are to be answered within 5 minutes."""

    async def handle(uow: UnitOfWork) -> AlarmView:
        alarm = await reports.acknowledge_alarm(uow, alarm_id, by=caller.subject)
        if alarm is None:
            raise NotFound("there is no such alarm")
        return AlarmView(**alarm)

    return await command(request, body=None, parties=[], handler=handle)


@router.get("/v1/summary", summary="Figures")
async def read_summary(request: Request, _: Annotated[Caller, Depends(scope("visits.read"))]) -> Summary:
    """Visits by state and outcome, refused check-ins by reason, recalls with their times, calls for help."""
    database = database_of(request)
    async with database.read_only() as uow:
        figures = await reports.load_summary(uow, limit_seconds=database.settings.freshness_limit_seconds)
    return Summary.model_validate(figures)


@router.get("/v1/trace-sources", summary="What visits tells compliance of crews at doors")
async def list_trace_sources(request: Request, _: Annotated[Caller, Depends(scope("visits.read"))]) -> TraceSourcesView:
    """The sources that the operator declares at compliance, each with its kind and the key that signs its totals."""
    key: SigningKey = request.app.state.total_key
    return TraceSourcesView(
        items=[
            TraceSourceView(source=source, kind=kind, total_key=NoteKey(source, key.public_bytes).vkey)
            for source, kind in KINDS.items()
        ]
    )
