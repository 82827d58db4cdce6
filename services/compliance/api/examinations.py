"""Examinations: granted by the bank's auditors, read by an outside examiner who can do nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import examination_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.evidence.scope import Scope, ScopeError
from services.compliance.examination_desk import LONGEST, ExaminationNotOpen
from services.compliance.schemas.examinations import (
    EndExamination,
    ExaminationReadView,
    ExaminationView,
    ExaminedList,
    ExaminedRow,
    GrantExamination,
)
from services.compliance.store import evidence
from services.compliance.store import examinations as store
from shared.database import UnitOfWork
from shared.ids import draw_shard, entity_id, shard_of
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, encode_cursor, page_request
from shared.web.problems import FieldError, InvalidCursor, InvalidRequest, NotFound
from shared.web.state import database_of

router = APIRouter(prefix="/v1/examinations", tags=["examinations"])
_GRANT = [Depends(scope("compliance.grant-examination"))]
_EXAMINE = [Depends(scope("compliance.examine"))]
_READ = [Depends(scope("compliance.read"))]
_GrantId = Annotated[UUID, Path(description="The grant.")]
_Page = Annotated[PageRequest, Depends(page_request)]


@router.post(
    "", status_code=201, response_model=ExaminationView, dependencies=_GRANT, responses=problem_responses(NotFound),
    summary="Grant an examination",
)  # fmt: skip
async def grant_examination(request: Request, body: GrantExamination) -> Response:
    """Let an outside examiner read one person's, one case's or one period's evidence for at most 90 days.

    The grant becomes a leaf of the log, which names nobody.
    """
    instruments, granted_by = instruments_of(request), caller_of(request).subject
    if not timedelta() < body.valid_to - body.valid_from <= LONGEST:
        raise _refuse("/valid_to", "is not within 90 days after valid_from")

    async def grant(uow: UnitOfWork) -> ExaminationView:
        about = await _scope_of(uow, body)
        new = store.Grant(
            grant_id=entity_id(draw_shard() if about.party_id is None else shard_of(about.party_id)),
            examiner=body.examiner,
            authority=body.authority,
            scope_kind=about.kind,
            scope_name=about.name,
            party_id=about.party_id,
            case_id=about.case_id,
            period_start=about.start,
            period_end=about.end,
            valid_from=body.valid_from,
            valid_to=body.valid_to,
            granted_by=granted_by,
            recorded_real=uow.real_now,
        )
        await examination_desk.grant(uow, instruments, new)
        return _view(new)

    return await command(request, body=body, parties=[], handler=grant, status=201)


@router.post(
    "/{grant_id}/end", response_model=ExaminationView, dependencies=_GRANT, responses=problem_responses(NotFound),
    summary="End an examination",
)  # fmt: skip
async def end_examination(request: Request, grant_id: _GrantId, body: EndExamination) -> Response:
    """Take a grant back before it runs out; from then on nothing can be read under it."""
    instruments, by_whom = instruments_of(request), caller_of(request).subject

    async def end(uow: UnitOfWork) -> ExaminationView:
        return _view(await examination_desk.end(uow, instruments, grant_id, by_whom=by_whom, reason=body.reason))

    return await command(request, body=body, parties=[], handler=end)


@router.get(
    "/{grant_id}/reads", dependencies=_READ, responses=problem_responses(NotFound, InvalidCursor),
    summary="What an examiner read",
)  # fmt: skip
async def read_examination_reads(request: Request, grant_id: _GrantId, page: _Page) -> Page[ExaminationReadView]:
    """Every read under the grant, in order. Hourly they become a leaf of the log, by digest."""
    list_name = f"reads:{grant_id}"
    after = page.after(list_name, int)
    async with database_of(request).read_only() as uow:
        if await store.find_grant(uow, grant_id) is None:
            raise NotFound("there is no such examination")
        found = await store.load_reads(uow, grant_id, after=0 if after is None else after[0], limit=page.limit + 1)
    return page.page(found, list_name=list_name, key=lambda one: (one.number,), item=_read_view)


@router.get(
    "/{grant_id}/{name}", dependencies=_EXAMINE, summary="Read a list under an examination",
    responses=problem_responses(NotFound, ExaminationNotOpen, InvalidCursor),
)  # fmt: skip
async def read_examined_rows(
    request: Request, grant_id: _GrantId, name: Annotated[ExaminedList, Path(description="The list.")], page: _Page
) -> Page[ExaminedRow]:
    """Rows in the scope of the grant, in the order of evidence packs. Each read is kept before it is answered."""
    list_name = f"examined:{grant_id}:{name}"
    after = page.after(list_name, int)
    position = 0 if after is None else after[0]
    async with database_of(request).unit_of_work() as uow:
        shown, more = await examination_desk.read(
            uow, instruments_of(request).cipher, grant_id, caller_of(request), name=name, position=position,
            limit=page.limit,
        )  # fmt: skip
    return Page[ExaminedRow](
        items=[ExaminedRow(position=place, row=row) for place, row in shown],
        next=encode_cursor(list_name, position + page.limit) if more else None,
    )


async def _scope_of(uow: UnitOfWork, body: GrantExamination) -> Scope:
    """Raises NotFound, InvalidRequest."""
    if body.case_id is not None:
        party_id = await evidence.party_of_case(uow, body.case_id)
        if party_id is None:
            raise NotFound("there is no such case")
        return Scope(kind="case", name=str(body.case_id), party_id=party_id, case_id=body.case_id)
    if body.party_id is not None:
        if not await evidence.knows_party(uow, body.party_id):
            raise NotFound("there is no such party")
        return Scope(kind="party", name=str(body.party_id), party_id=body.party_id)
    try:
        return Scope.month(body.month, body.zone) if body.month else Scope.year(str(body.year), body.zone)
    except ScopeError as error:
        raise _refuse("/month" if body.month else "/year", "does not exist") from error


def _view(grant: store.Grant) -> ExaminationView:
    return ExaminationView(
        grant_id=grant.grant_id,
        examiner=grant.examiner,
        authority=grant.authority,
        scope_kind=grant.scope_kind,
        scope_name=grant.scope_name,
        valid_from=grant.valid_from,
        valid_to=grant.valid_to,
        granted_by=grant.granted_by,
        ended_at=grant.ended_real,
    )


def _read_view(one: store.Read) -> ExaminationReadView:
    return ExaminationReadView(
        number=one.number, by_whom=one.by_whom, client_id=one.client_id, list=one.list, position=one.position,
        rows=one.rows, read_at=one.read_real,
    )  # fmt: skip


def _refuse(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=[FieldError("body", pointer, "out_of_range", detail)])
