"""May I? Dry runs, what they lacked, and whom that blocks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from services.compliance.api.asking import (
    FactsBehind,
    answered_unless_erased,
    committed,
    confirm_balances,
    refuse_alone,
)
from services.compliance.api.surroundings import balances_of, instruments_of
from services.compliance.domain.fact_tasks import FactTask, Owner
from services.compliance.erased import PartyErased
from services.compliance.question_desk import answer_questions
from services.compliance.schemas.fact_tasks import BlockedPartyView, FactTaskView
from services.compliance.schemas.permits import DecisionAnswer, DecisionAnswers, DecisionQuestions
from services.compliance.store import fact_tasks as store
from shared.database import UnitOfWork
from shared.security.callers import scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor
from shared.web.state import database_of

router = APIRouter(prefix="/v1", tags=["decisions"])
_ASK = [Depends(scope("compliance.request-permit"))]
_READ = [Depends(scope("compliance.read"))]


@router.post(
    "/decisions",
    response_model=DecisionAnswers,
    dependencies=_ASK,
    responses=problem_responses(FactsBehind, PartyErased),
    summary="Ask without taking: may I?",
)
async def ask_decisions(request: Request, body: DecisionQuestions) -> Response:
    """What a request for a permit would be answered now, for any channel and purpose: nothing is reserved or signed.

    Every rule is asked; each refusal names its rule, citation, values and the earliest lawful time. The decision is
    kept and proved like any other, so that it can be read and explained later; an allow is still no permit.
    """
    instruments = instruments_of(request)
    body = DecisionQuestions.model_construct(items=committed(instruments, body.items))
    balances = await confirm_balances(balances_of(request), body.items)

    async def answer(uow: UnitOfWork) -> DecisionAnswers:
        answers = await answered_unless_erased(
            uow,
            instruments.cipher,
            body.items,
            lambda asked: answer_questions(uow, instruments, asked, balances),
            DecisionAnswer,
        )
        refuse_alone(answers)
        return DecisionAnswers(items=answers)

    return await command(request, body=body, parties={item.party_id for item in body.items}, handler=answer)


@router.get("/fact-tasks", dependencies=_READ, responses=problem_responses(InvalidCursor), summary="Missing facts")
async def read_fact_tasks(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    owner: Annotated[Owner | None, Query(description="Only tasks of this owner.")] = None,
    overdue: Annotated[bool, Query(description="Only tasks whose time has passed.")] = False,
) -> Page[FactTaskView]:
    """What decisions lacked and nobody has told yet, the task due first first.

    A task is closed by the next decision about the person that knows the fact.
    """
    name = f"fact-tasks|{owner or ''}|{overdue}"
    after = page.after(name, datetime, UUID)
    async with database_of(request).read_only() as uow:
        tasks = await store.list_tasks(
            uow, owner=owner, overdue=overdue, after=None if after is None else (after[0], after[1]),
            limit=page.limit + 1,
        )  # fmt: skip
        now = uow.now
    return page.page(
        tasks, list_name=name, key=lambda task: (task.due_at, task.task_id), item=lambda task: _view(task, now)
    )


@router.get("/blocked-parties", dependencies=_READ, responses=problem_responses(InvalidCursor), summary="Long blocked")
async def read_blocked_parties(
    request: Request, page: Annotated[PageRequest, Depends(page_request)]
) -> Page[BlockedPartyView]:
    """The people about whom something has been missing for longer than 14 days, the longest first.

    Nobody may be kept from a contact, or from help, for ever because a record is incomplete.
    """
    after = page.after("blocked-parties", datetime, UUID)
    async with database_of(request).read_only() as uow:
        blocked = await store.list_blocked(
            uow, after=None if after is None else (after[0], after[1]), limit=page.limit + 1
        )
    return page.page(
        blocked,
        list_name="blocked-parties",
        key=lambda one: (one.since, one.party_id),
        item=lambda one: BlockedPartyView(
            party_id=one.party_id,
            since=one.since,
            facts=list(one.facts),
            rules=list(one.rules),
            owners=list(one.owners),
        ),
    )


def _view(task: FactTask, now: datetime) -> FactTaskView:
    return FactTaskView(
        task_id=task.task_id,
        party_id=task.party_id,
        fact=task.fact,
        rule=task.rule,
        owner=task.owner,
        opened_at=task.opened_at,
        due_at=task.due_at,
        overdue=task.is_overdue(now),
    )
