"""The daily sample of allowed decisions and of overrides, for a second person."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import sample_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.samples import OwnDecision, SampleJudged, SampleKind, span_of
from services.compliance.erased import PartyErased, refuse_erased
from services.compliance.schemas.samples import JudgeSample, SampleView
from services.compliance.store import samples as store
from shared.database import UnitOfWork
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor, NotFound
from shared.web.state import database_of

router = APIRouter(prefix="/v1/samples", tags=["samples"])
_READ = [Depends(scope("compliance.read"))]
_JUDGE = [Depends(scope("compliance.judge-sample"))]
SampleId = Annotated[UUID, Path(description="The sample.")]


@router.get("", dependencies=_READ, responses=problem_responses(InvalidCursor), summary="The daily sample")
async def read_samples(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    day: Annotated[date | None, Query(description="Only of this day, by UTC.")] = None,
    kind: Annotated[SampleKind | None, Query(description="Only decisions, or only overrides.")] = None,
    state: Annotated[store.SampleState | None, Query(description="Only open, or only judged ones.")] = None,
) -> Page[SampleView]:
    """What was drawn, by day. Nobody chose it: the seed was a leaf of the log, hashed, before the day ended.

    The leaf of the draw reveals the seed; the smallest SHA-256(seed || id) of the day's allowed decisions are drawn.
    """
    which = store.SampleFilter(day=day, kind=kind, state=state)
    after = page.after(which.list_name, datetime, UUID)
    async with database_of(request).read_only() as uow:
        rows = await store.list_samples(
            uow, which, after=None if after is None else (after[0].date(), after[1]), limit=page.limit + 1
        )
    return page.page(rows, list_name=which.list_name, key=_place, item=_view)


@router.post(
    "/{sample_id}/judge",
    response_model=SampleView,
    dependencies=_JUDGE,
    responses=problem_responses(NotFound, OwnDecision, SampleJudged, PartyErased),
    summary="Judge a sample",
)
async def judge_sample(request: Request, sample_id: SampleId, body: JudgeSample) -> Response:
    """A second person says whether it should have been allowed; once. A disagreement opens a finding.

    Each judgement is a leaf of the log.
    """
    instruments, by_whom = instruments_of(request), caller_of(request).subject
    async with database_of(request).read_only() as reading:
        known = await store.find_sample(reading, sample_id)
    if known is None:
        raise NotFound("there is no such sample")

    async def judge(uow: UnitOfWork) -> SampleView:
        await refuse_erased(uow, instruments.cipher, [known.sample.party_id])
        kept = await store.find_sample(uow, sample_id) or known
        return _view(await sample_desk.judge(uow, instruments, kept, body.verdict, reason=body.reason, by_whom=by_whom))

    return await command(request, body=body, parties=[known.sample.party_id], handler=judge)


def _place(kept: store.KeptSample) -> tuple[datetime, UUID]:
    return span_of(kept.sample.day).start, kept.sample.sample_id


def _view(kept: store.KeptSample) -> SampleView:
    sample = kept.sample
    return SampleView(
        sample_id=sample.sample_id,
        day=sample.day,
        kind=sample.kind,
        subject_id=sample.subject_id,
        party_id=sample.party_id,
        state="open" if kept.verdict is None else "judged",
        verdict=kept.verdict,
        judged_by=kept.by_whom,
        judged_at=kept.judged_at,
        finding_id=kept.finding_id,
    )
