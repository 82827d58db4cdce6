"""Duties with a time: what is owed by when, and what a person says was done."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import duty_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.duties import Duty, DutyDoneTooLate, DutyNotRecorded
from services.compliance.schemas.duties import DutyDone, DutyView
from shared.database import UnitOfWork
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor
from shared.web.state import database_of

router = APIRouter(prefix="/v1/duties", tags=["duties"])
_READ = [Depends(scope("compliance.read"))]
_RECORD = [Depends(scope("compliance.record-duty"))]
_LIST = "duties"
RuleId = Annotated[str, Path(pattern=r"^[A-Z0-9-]{3,40}$", description="The rule that asks for the duty.")]


@router.get("", dependencies=_READ, responses=problem_responses(InvalidCursor), summary="Duties with a time")
async def read_duties(request: Request, page: Annotated[PageRequest, Depends(page_request)]) -> Page[DutyView]:
    """What the rules in force ask of the institution by a day, in the order of their rules.

    What recurs is owed until a person records it; what answers a complaint or a need is seen by itself.
    """
    after = page.after(_LIST, str, str)
    async with database_of(request).read_only() as uow:
        duties = sorted(await duty_desk.load(uow, instruments_of(request)), key=_place)
    rows = [one for one in duties if after is None or _place(one) > (after[0], after[1])]
    return page.page(rows[: page.limit + 1], list_name=_LIST, key=_place, item=_view)


@router.post(
    "/{rule_id}/done",
    response_model=DutyView,
    dependencies=_RECORD,
    responses=problem_responses(DutyNotRecorded, DutyDoneTooLate),
    summary="Record a duty as done",
)
async def record_duty(request: Request, rule_id: RuleId, body: DutyDone) -> Response:
    """A person answers for it that a recurring duty was done: a leaf of the log. Said again, it is the same record.

    A subject that is named once is owed again from then on; an overdue duty's finding closes by itself.
    """
    instruments, by_whom = instruments_of(request), caller_of(request).subject

    async def record(uow: UnitOfWork) -> DutyView:
        done = await duty_desk.record_done(
            uow, instruments, rule_id, subject=body.subject, done_on=body.done_on, reference=body.reference,
            by_whom=by_whom,
        )  # fmt: skip
        return _view(done)

    return await command(request, body=body, parties=[], handler=record)


def _place(duty: Duty) -> tuple[str, str]:
    return duty.rule.id, duty.subject


def _view(duty: Duty) -> DutyView:
    rule = duty.rule
    return DutyView(
        rule=rule.id,
        citation=rule.citation,
        duty=rule.duty,
        owner=rule.owner,
        place=rule.jurisdiction,
        subject=duty.subject,
        every_days=rule.every_days,
        within_days=rule.within_days,
        within_working_days=rule.within_working_days,
        within_hours=rule.within_hours,
        last_done=duty.last_done,
        due_on=duty.due_on,
        due_at=duty.due_at,
        waiting=duty.waiting,
        late=duty.late,
    )
