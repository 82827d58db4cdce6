"""Complaints: received from anybody, handled only outside collections."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import complaint_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.complaints import (
    ComplainedAbout,
    Complaint,
    ComplaintState,
    ComplaintStepRefused,
    SecondPersonNeeded,
    Step,
)
from services.compliance.instruments import Instruments
from services.compliance.restricted import PartyRestricted, refuse_restricted
from services.compliance.schemas.complaints import (
    ComplaintDetail,
    ComplaintReceived,
    ComplaintStepView,
    ComplaintView,
    MakeComplaint,
    TakeComplaintStep,
)
from services.compliance.store import complaints as store
from shared.database import UnitOfWork
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor, NotFound
from shared.web.state import database_of

router = APIRouter(prefix="/v1/complaints", tags=["complaints"])
_RECEIVE = [Depends(scope("compliance.receive-complaint"))]
_HANDLE = [Depends(scope("compliance.handle-complaint"))]
_REFUSALS = problem_responses(NotFound, ComplaintStepRefused, ComplainedAbout, SecondPersonNeeded)
ComplaintId = Annotated[UUID, Path(description="The complaint.")]


@router.post("", response_model=ComplaintReceived, status_code=201, dependencies=_RECEIVE, summary="Somebody complains")
async def make_complaint(request: Request, body: MakeComplaint) -> Response:
    """Stop contact at once, recall permits, start the clock of the person's jurisdiction (unknown: the strictest).

    Always accepted. Whoever passes it on learns nothing but that it was received and by when it is answered.
    """
    instruments, by_whom = instruments_of(request), caller_of(request).subject

    async def receive(uow: UnitOfWork) -> ComplaintReceived:
        new = complaint_desk.NewComplaint(
            party_id=body.party_id,
            channel=body.channel,
            about=frozenset(body.about),
            received_at=min(body.received_at, uow.now),
            arrived_real=uow.real_now,
            reference=body.reference,
            by_whom=by_whom,
            words=body.words,
        )
        complaint, hold = await complaint_desk.receive(uow, instruments, new)
        return ComplaintReceived(
            complaint_id=complaint.complaint_id,
            hold_id=hold.hold_id,
            answer_by=complaint.clock.answer_by,
            rule=complaint.clock.rule,
            citation=complaint.clock.citation,
        )

    return await command(request, body=body, parties=[body.party_id], handler=receive, status=201)


@router.get("", dependencies=_HANDLE, responses=problem_responses(InvalidCursor), summary="Complaints")
async def read_complaints(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    state: Annotated[ComplaintState | None, Query(description="Only complaints in this state.")] = None,
    party_id: Annotated[UUID | None, Query(description="Only complaints of this party.")] = None,
    owner: Annotated[str | None, Query(max_length=64, description="Only complaints of this owner.")] = None,
    late: Annotated[bool, Query(description="Only those whose answer is overdue.")] = False,
) -> Page[ComplaintView]:
    """The complaints, the one due first first. Those about the caller are not among them."""
    which = store.ComplaintFilter(
        state=state, party_id=party_id, owner=owner, late=late, not_about=caller_of(request).subject
    )
    after = page.after(which.list_name, datetime, UUID)
    async with database_of(request).read_only() as uow:
        rows = await store.list_complaints(
            uow, which, after=None if after is None else (after[0], after[1]), limit=page.limit + 1
        )
        now = uow.now
    return page.page(
        rows,
        list_name=which.list_name,
        key=lambda one: (one.clock.answer_by, one.complaint_id),
        item=lambda one: _view(one, now),
    )


@router.get(
    "/{complaint_id}",
    dependencies=_HANDLE,
    responses=problem_responses(NotFound, ComplainedAbout, PartyRestricted),
    summary="One complaint",
)
async def read_complaint(request: Request, complaint_id: ComplaintId) -> ComplaintDetail:
    """The complaint with everything that was said and done."""
    async with database_of(request).read_only() as uow:
        complaint = await _load(uow, complaint_id)
        if caller_of(request).subject in complaint.about:
            raise ComplainedAbout()
        await refuse_restricted(uow, instruments_of(request).book, complaint.party_id, "complaint")
        return await _detail(uow, instruments_of(request), complaint)


@router.post(
    "/{complaint_id}/take",
    response_model=ComplaintDetail,
    dependencies=_HANDLE,
    responses=_REFUSALS,
    summary="Own a complaint",
)
async def own_complaint(request: Request, complaint_id: ComplaintId, body: TakeComplaintStep) -> Response:
    """The caller looks after it from now on."""
    return await _take(request, complaint_id, body, "take")


@router.post(
    "/{complaint_id}/acknowledge",
    response_model=ComplaintDetail,
    dependencies=_HANDLE,
    responses=_REFUSALS,
    summary="Acknowledge a complaint",
)
async def acknowledge_complaint(request: Request, complaint_id: ComplaintId, body: TakeComplaintStep) -> Response:
    """The person was told that it arrived and who looks after it."""
    return await _take(request, complaint_id, body, "acknowledge")


@router.post(
    "/{complaint_id}/answer",
    response_model=ComplaintDetail,
    dependencies=_HANDLE,
    responses=_REFUSALS,
    summary="Answer a complaint",
)
async def answer_complaint(request: Request, complaint_id: ComplaintId, body: TakeComplaintStep) -> Response:
    """The person was answered; this stops the clock. Contact stays stopped until a second person closes it."""
    return await _take(request, complaint_id, body, "answer")


@router.post(
    "/{complaint_id}/escalate",
    response_model=ComplaintDetail,
    dependencies=_HANDLE,
    responses=_REFUSALS,
    summary="Escalate a complaint",
)
async def escalate_complaint(request: Request, complaint_id: ComplaintId, body: TakeComplaintStep) -> Response:
    """An ombudsman, regulator or court has it now. The clock runs on."""
    return await _take(request, complaint_id, body, "escalate")


@router.post(
    "/{complaint_id}/close",
    response_model=ComplaintDetail,
    dependencies=_HANDLE,
    responses=_REFUSALS,
    summary="Close a complaint",
)
async def close_complaint(request: Request, complaint_id: ComplaintId, body: TakeComplaintStep) -> Response:
    """Close what was answered, by a second person; its hold ends, and contact may resume when no other hold stands."""
    return await _take(request, complaint_id, body, "close")


@router.post(
    "/{complaint_id}/reopen",
    response_model=ComplaintDetail,
    dependencies=_HANDLE,
    responses=_REFUSALS,
    summary="Reopen a complaint",
)
async def reopen_complaint(request: Request, complaint_id: ComplaintId, body: TakeComplaintStep) -> Response:
    """The person is not content, or something came to light: contact stops again."""
    return await _take(request, complaint_id, body, "reopen")


async def _take(request: Request, complaint_id: UUID, body: TakeComplaintStep, step: Step) -> Response:
    instruments, by_whom = instruments_of(request), caller_of(request).subject
    async with database_of(request).read_only() as reading:
        known = await _load(reading, complaint_id)

    async def take(uow: UnitOfWork) -> ComplaintDetail:
        after = await complaint_desk.take(
            uow, instruments, await _load(uow, complaint_id), step, by_whom=by_whom, words=body.words,
            reference=body.reference,
        )  # fmt: skip
        # The answer is kept as it is sent, for a request that is repeated: nothing personal belongs into it.
        return await _detail(uow, instruments, after, with_words=False)

    return await command(request, body=body, parties=[known.party_id], handler=take)


async def _load(uow: UnitOfWork, complaint_id: UUID) -> Complaint:
    found = await store.find(uow, complaint_id)
    if found is None:
        raise NotFound("there is no such complaint")
    return found


async def _detail(
    uow: UnitOfWork, instruments: Instruments, complaint: Complaint, *, with_words: bool = True
) -> ComplaintDetail:
    steps = await complaint_desk.history(uow, instruments, complaint.complaint_id)
    return ComplaintDetail(
        **_view(complaint, uow.now).model_dump(),
        history=[
            ComplaintStepView(
                version=one.complaint.version,
                step=one.complaint.step,
                state=one.complaint.state,
                by_whom=one.complaint.by_whom,
                words=one.complaint.words if with_words else None,
                reference=one.complaint.reference,
                recorded_at=one.recorded_at,
                recorded_real=one.recorded_real,
            )
            for one in steps
        ],
    )


def _view(complaint: Complaint, now: datetime) -> ComplaintView:
    return ComplaintView(
        complaint_id=complaint.complaint_id,
        version=complaint.version,
        party_id=complaint.party_id,
        channel=complaint.channel,
        about=sorted(complaint.about),
        received_at=complaint.received_at,
        answer_by=complaint.clock.answer_by,
        late=complaint.is_late(now),
        rule=complaint.clock.rule,
        citation=complaint.clock.citation,
        state=complaint.state,
        owner=complaint.owner,
    )
