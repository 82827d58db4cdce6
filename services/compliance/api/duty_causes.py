"""Causes of duties: requests and breaches of data, what is owed because of them, and the answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import duty_cause_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.duties import duty_rule
from services.compliance.domain.duty_causes import (
    Answer,
    AnswerTimeWrong,
    Cause,
    CauseAnswered,
    CauseNotKnown,
    Grounds,
    RelativesNotEntitled,
)
from services.compliance.duty_cause_desk import NewCause
from services.compliance.erased import PartyErased, refuse_erased
from services.compliance.schemas.duty_causes import AnswerDuty, DutyCauseView, OwedView, ReportBreach, TakeRequest
from services.compliance.store import duty_causes as store
from shared.database import UnitOfWork
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor, NotFound
from shared.web.state import database_of

router = APIRouter(prefix="/v1/duties", tags=["duties"])
_TAKE = [Depends(scope("compliance.take-request"))]
_REPORT = [Depends(scope("compliance.report-breach"))]
_ANSWER = [Depends(scope("compliance.answer-duty"))]
CauseId = Annotated[UUID, Path(description="The cause.")]


@router.post(
    "/requests",
    response_model=DutyCauseView,
    status_code=201,
    dependencies=_TAKE,
    responses=problem_responses(PartyErased),
    summary="A person, or a near relative, uses a right",
)
async def take_request(request: Request, body: TakeRequest) -> Response:
    """Start the clocks of its place: to confirm it, where a law asks for that, and to answer it. Always taken; whether
    a relative is entitled is decided with the answer. Giving the access pack, and erasing, answer theirs by themselves.
    """
    by_relative = body.relation is not None

    async def take(uow: UnitOfWork) -> DutyCauseView:
        await refuse_erased(uow, instruments_of(request).cipher, [body.party_id])
        said = {"right": body.right, **({"relation": body.relation} if body.relation is not None else {})}
        new = NewCause(
            kind="relatives_request" if by_relative else "request", party_id=body.party_id,
            caused_at=min(body.received_at, uow.now), reference=body.reference, by_whom=caller_of(request).subject,
            said=said,
        )  # fmt: skip
        (cause,) = await duty_cause_desk.record(uow, instruments_of(request), [new])
        return _view(request, cause, uow.now)

    return await command(request, body=body, parties=[body.party_id], handler=take, status=201)


@router.post(
    "/breaches",
    response_model=DutyCauseView,
    status_code=201,
    dependencies=_REPORT,
    responses=problem_responses(),
    summary="Report a breach of personal data",
)
async def report_breach(request: Request, body: ReportBreach) -> Response:
    """Start the clocks of all places concerned: each authority and the people themselves, each by its own rule. What
    turns out not to be needed (no risk, no harm) is answered so, with the assessment that says it.
    """

    async def report(uow: UnitOfWork) -> DutyCauseView:
        new = NewCause(
            kind="data_breach", party_id=None, caused_at=min(body.known_at, uow.now), reference=body.reference,
            by_whom=caller_of(request).subject, places=tuple(body.places), said={},
        )  # fmt: skip
        (cause,) = await duty_cause_desk.record(uow, instruments_of(request), [new])
        return _view(request, cause, uow.now)

    return await command(request, body=body, parties=[], handler=report, status=201)


@router.post(
    "/causes/{cause_id}/answers",
    response_model=DutyCauseView,
    dependencies=_ANSWER,
    responses=problem_responses(
        NotFound, CauseNotKnown, CauseAnswered, AnswerTimeWrong, RelativesNotEntitled, PartyErased
    ),
    summary="Answer one thing owed",
)
async def answer_duty(request: Request, cause_id: CauseId, body: AnswerDuty) -> Response:
    """A person answers for it: a leaf, never changed. A near relative is given something only of somebody deceased, on
    proof of kinship and of an own interest, and unless the deceased arranged otherwise (PIPL art. 49).
    """
    grounds = None if body.grounds is None else Grounds(**body.grounds.model_dump())
    given = Answer(
        rule=body.rule, outcome=body.outcome, answered_at=body.answered_at, reference=body.reference,
        by_whom=caller_of(request).subject, grounds=grounds,
    )  # fmt: skip
    people = [] if body.party_id is None else [body.party_id]

    async def answer(uow: UnitOfWork) -> DutyCauseView:
        await refuse_erased(uow, instruments_of(request).cipher, people)
        cause = await duty_cause_desk.answer(uow, instruments_of(request), cause_id, given, party_id=body.party_id)
        return _view(request, cause, uow.now)

    return await command(request, body=body, parties=people, handler=answer)


@router.get("/causes", dependencies=_ANSWER, responses=problem_responses(InvalidCursor), summary="Causes of duties")
async def read_duty_causes(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    only_open: Annotated[bool, Query(description="Only those because of which something is still owed.")] = True,
) -> Page[DutyCauseView]:
    """In the order in which they were recorded."""
    list_name = f"duty-causes|{only_open}"
    after = page.after(list_name, datetime, UUID)
    async with database_of(request).read_only() as uow:
        rows = await store.list_causes(
            uow, only_open=only_open, after=None if after is None else (after[0], after[1]), limit=page.limit + 1
        )
        now = uow.now
    return page.page(
        rows,
        list_name=list_name,
        key=lambda one: (one.recorded_at, one.cause.cause_id),
        item=lambda one: _view(request, one.cause, now),
    )


def _view(request: Request, cause: Cause, now: datetime) -> DutyCauseView:
    owed = []
    for one in cause.owed:
        rule = duty_rule(instruments_of(request).book, one.rule)
        owed.append(
            OwedView(
                rule=one.rule,
                citation="a rule of before" if rule is None else rule.citation,
                duty="a duty of before" if rule is None else rule.duty,
                owner="compliance" if rule is None else rule.owner,
                due_at=one.due_at,
                outcome=one.outcome,
                answered_at=one.answered_at,
                late=one.is_late(now),
            )
        )
    return DutyCauseView(
        cause_id=cause.cause_id,
        cause=cause.kind,
        places=list(cause.places),
        caused_at=cause.caused_at,
        reference=cause.reference,
        owed=owed,
    )
