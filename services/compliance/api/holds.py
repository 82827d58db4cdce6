"""Holds and stop requests."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import announcements, hold_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.holds import Hold, HoldEndNeedsEvidence, HoldOfComplaint, SecondPersonEndsHold
from services.compliance.schemas.holds import EndHold, HoldView, PlaceHold, StopAccepted, StopRequest
from services.compliance.store.holds import find_hold
from shared.database import UnitOfWork
from shared.ids import derived_id
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.idempotency_key import idempotency_key_of
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor, NotAllowed, NotFound
from shared.web.state import database_of

router = APIRouter(prefix="/v1", tags=["holds"])
_SET = [Depends(scope("compliance.set-hold"))]
_END = [Depends(scope("compliance.end-hold"))]
_READ = [Depends(scope("compliance.read-holds"))]
# Whoever looks after complaints, or looks after us, sees all, and who must remind nobody under any of them; everybody
# else what collections may see.
_SEES_ALL: Final = frozenset({"auditor", "complaint-desk", "demo-driver", "plans"})
_STOP = [Depends(scope("compliance.request-stop"))]


@router.post("/holds", response_model=HoldView, status_code=201, dependencies=_SET, summary="Place a hold")
async def place_hold(request: Request, body: PlaceHold) -> Response:
    """Keep contact away from now on; permits that it forbids are revoked in the same transaction.

    One open hold per party, kind, scope and source: placed again, it is the same hold. A moratorium (insolvency,
    breathing space, mental-health crisis) also holds for everyone jointly liable for the debt.
    """
    instruments = instruments_of(request)

    async def place(uow: UnitOfWork) -> HoldView:
        new = hold_desk.asked_for(body, instruments, arrived_real=uow.real_now)
        (hold,) = await hold_desk.place(uow, instruments, [new])
        return _view(hold)

    return await command(request, body=body, parties=[body.party_id], handler=place, status=201)


@router.get("/holds", dependencies=_READ, responses=problem_responses(InvalidCursor), summary="Open holds")
async def read_holds(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    party_id: Annotated[UUID | None, Query(description="Only holds of this party.")] = None,
    due_for_review: Annotated[bool, Query(description="Only those whose review is due.")] = False,
) -> Page[HoldView]:
    """What keeps contact away now, the oldest first.

    Of one party also the moratoria of others that reach it through a debt they share (`through_debt_id`); they name
    nobody. Collections are shown no complaint's hold, of a vulnerability only the need, and of some kinds no source.
    """
    name = f"holds|{party_id or ''}|{due_for_review}"
    after = page.after(name, datetime, UUID)
    whole = caller_of(request).client_id in _SEES_ALL
    async with database_of(request).read_only() as uow:
        holds = await hold_desk.list_shown(
            uow, party_id=party_id, due_for_review=due_for_review, whole=whole,
            after=None if after is None else (after[0], after[1]), limit=page.limit + 1,
        )  # fmt: skip
    return page.page(
        holds, list_name=name, key=lambda one: one.place, item=lambda one: _view(one.hold, through=one.through)
    )


@router.post(
    "/holds/{hold_id}/end",
    response_model=HoldView,
    dependencies=_END,
    responses=problem_responses(NotFound, NotAllowed, HoldOfComplaint, HoldEndNeedsEvidence, SecondPersonEndsHold),
    summary="End a hold",
)
async def end_hold(
    request: Request, hold_id: Annotated[UUID, Path(description="The hold.")], body: EndHold
) -> Response:
    """End it from now on, never earlier, on evidence. Contact resumes when the party's last hold has ended.

    Of deceased, cease-contact, complaint and vulnerability two people must say so: the first call is kept
    (`end_asked`), the second person's ends it. Plans ends the holds of its own plans only.
    """
    instruments, caller = instruments_of(request), caller_of(request)
    async with database_of(request).read_only() as reading:
        known = await find_hold(reading, hold_id)
    if known is None:
        raise NotFound("there is no such hold")

    async def end(uow: UnitOfWork) -> HoldView:
        hold = await find_hold(uow, hold_id)
        if hold is None:
            raise NotFound("there is no such hold")
        if caller.client_id == "plans" and hold.kind != "plan_active":
            raise NotAllowed("plans ends holds of plans only")
        after = await hold_desk.end_one(
            uow, instruments, hold, by_whom=caller.subject, cause=body.cause, evidence=body.evidence
        )
        return _view(after)

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


def _view(hold: Hold, *, through: UUID | None = None) -> HoldView:
    return HoldView(
        hold_id=hold.hold_id,
        party_id=hold.party_id,
        kind=hold.kind,
        scope=hold.scope,
        through_debt_id=through,
        debt_id=UUID(hold.scope_key) if hold.scope == "loan" else None,
        contact_point=hold.scope_key if hold.scope == "contact_point" else None,
        valid_from=hold.valid_from,
        valid_to=hold.until,
        source_ref=hold.source_ref,
        state="open" if hold.ended_at is None else "ended",
        end_asked=hold.end_asked_by is not None and hold.ended_at is None,
        need=hold.need,
        review_by=hold.review_by,
    )
