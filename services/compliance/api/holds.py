"""Holds and stop requests."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import announcements, hold_desk
from services.compliance.api.surroundings import database_of, instruments_of
from services.compliance.domain.complaints import COMPLAINT_SOURCE
from services.compliance.domain.holds import Hold
from services.compliance.schemas.holds import EndHold, HoldView, PlaceHold, StopAccepted, StopRequest
from services.compliance.store.holds import find_hold
from shared.database import UnitOfWork
from shared.ids import derived_id
from shared.security.callers import scope
from shared.web.commands import command
from shared.web.idempotency_key import idempotency_key_of
from shared.web.openapi import problem_responses
from shared.web.problems import KnownProblem, NotFound

router = APIRouter(prefix="/v1", tags=["holds"])


class HoldOfComplaint(KnownProblem):  # reads as a fact at the call site
    """The hold belongs to a complaint: only closing the complaint, outside collections, ends it."""

    kind, status, title = "hold-of-complaint", 403, "Only closing the complaint ends this hold"


_SET = [Depends(scope("compliance.set-hold"))]
_STOP = [Depends(scope("compliance.request-stop"))]


@router.post("/holds", response_model=HoldView, status_code=201, dependencies=_SET, summary="Place a hold")
async def place_hold(request: Request, body: PlaceHold) -> Response:
    """Keep contact away from now on; permits that it forbids are revoked in the same transaction.

    One open hold per party, kind, scope and source: placed again, it is the same hold.
    """
    instruments = instruments_of(request)

    async def place(uow: UnitOfWork) -> HoldView:
        new = hold_desk.NewHold(
            party_id=body.party_id,
            kind=body.kind,
            scope=body.scope,
            valid_from=body.valid_from,
            valid_to=body.valid_to,
            source_ref=body.source_ref,
            fact_arrived_real=uow.real_now,
            reason=body.reason,
        )
        (hold,) = await hold_desk.place(uow, instruments, [new])
        return _view(hold)

    return await command(request, body=body, parties=[body.party_id], handler=place, status=201)


@router.post(
    "/holds/{hold_id}/end",
    response_model=HoldView,
    dependencies=_SET,
    responses=problem_responses(NotFound, HoldOfComplaint),
    summary="End a hold",
)
async def end_hold(
    request: Request, hold_id: Annotated[UUID, Path(description="The hold.")], body: EndHold
) -> Response:
    """End it from now on, never earlier. Contact resumes when the party's last hold has ended."""
    instruments = instruments_of(request)
    async with database_of(request).read_only() as reading:
        known = await find_hold(reading, hold_id)
    if known is None:
        raise NotFound("there is no such hold")

    async def end(uow: UnitOfWork) -> HoldView:
        hold = await find_hold(uow, hold_id)
        if hold is None:
            raise NotFound("there is no such hold")
        if hold.source_ref.startswith(COMPLAINT_SOURCE):
            raise HoldOfComplaint()
        return _view(await hold_desk.end_one(uow, instruments, hold, cause=body.cause))

    return await command(request, body=body, parties=[known.party_id], handler=end)


@router.post(
    "/stop-requests", response_model=StopAccepted, status_code=201, dependencies=_STOP, summary="A customer says stop"
)
async def request_stop(request: Request, body: StopRequest) -> Response:
    """Always accepted, also for a party that is not known here: a hold at once, and everybody is told on `stop`."""
    instruments = instruments_of(request)
    reference = str(derived_id("stop-request", str(body.party_id), idempotency_key_of(request.headers)))

    async def stop(uow: UnitOfWork) -> StopAccepted:
        since = min(body.heard_at, uow.now)
        new = hold_desk.NewHold(
            party_id=body.party_id,
            kind="stop_request",
            scope="party",
            valid_from=since,
            source_ref=reference,
            fact_arrived_real=uow.real_now,
            reason=f"{body.channel_heard}: {body.detail_code}",
        )
        (hold,) = await hold_desk.place(uow, instruments, [new])
        uow.emit(
            announcements.stopped(
                body.party_id, cause="stop_request", since=since, arrived_at=uow.real_now, reference=reference
            )
        )
        return StopAccepted(hold_id=hold.hold_id)

    return await command(request, body=body, parties=[body.party_id], handler=stop, status=201)


def _view(hold: Hold) -> HoldView:
    return HoldView(
        hold_id=hold.hold_id,
        party_id=hold.party_id,
        kind=hold.kind,
        scope=hold.scope,
        valid_from=hold.valid_from,
        valid_to=hold.until,
        source_ref=hold.source_ref,
        state="open" if hold.ended_at is None else "ended",
    )
