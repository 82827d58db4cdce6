"""The past of a case: facts as they were told, and what was due on a day by what was known then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec
from fastapi import APIRouter, Depends, Path, Query

from services.intake.domain.announcement import totals
from services.intake.domain.book import Book
from services.intake.domain.hindsight import refold, state_on
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.history_schemas import CaseOnDay, LoanOnDay, ToldFact
from services.intake.store import books, cases, groups, loan_facts
from shared.database import Database
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE
from shared.moments import Moment
from shared.money import Money
from shared.security.callers import scope
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor, NotFound

CaseId = Annotated[UUID, Path(description="The case.")]


def history_router(database: Database, policy: DelinquencyPolicy) -> APIRouter:
    """`GET /v1/cases/{case_id}/facts` and `/on-day`."""
    router = APIRouter(prefix="/v1/cases/{case_id}", tags=["cases"], dependencies=[Depends(scope("intake.read"))])

    @router.get("/facts", summary="What the core has said", responses=problem_responses(NotFound, InvalidCursor))
    async def list_facts(case_id: CaseId, page: Annotated[PageRequest, Depends(page_request)]) -> Page[ToldFact]:
        """Every fact about the person's loans, under all their references, as it was recorded; stale ones too."""
        name = f"facts|{case_id}"
        after = page.after(name, int)
        async with database.read_only() as uow:
            party = await cases.party_of(uow, case_id)
            if party is None:
                raise NotFound("no such case")
            rows = await loan_facts.page(
                uow,
                await groups.members(uow, party[0]),
                after=None if after is None else after[0],
                limit=page.limit + 1,
            )
        return page.page(rows, list_name=name, key=lambda row: (row["fact_id"],), item=_told)

    @router.get("/on-day", summary="What was due on a day", responses=problem_responses(NotFound))
    async def read_day(
        case_id: CaseId,
        as_of: Annotated[date | None, Query(description="The day; left out: the case's newest.")] = None,
        known_at: Annotated[
            Moment | None, Query(description="What was recorded later is left out; left out: now.")
        ] = None,
    ) -> CaseOnDay:
        """The facts folded again: by `known_at` what we knew then, without it what we know of that day today."""
        async with database.read_only() as uow:
            party = await cases.party_of(uow, case_id)
            book = None if party is None else (await books.load(uow, {party[0]: party[1]}))[party[0]]
            if book is None or book.case is None:
                raise NotFound("no such case")
            day, moment = as_of or book.case.as_of, known_at or uow.real_now
            members = await groups.members(uow, book.party_id)
            told = await loan_facts.told_by(uow, members, as_of=day, known_at=moment)
        facts = [CATALOGUE[name].model.model_validate_json(content) for name, content in told]
        return _on_day(book, case_id, facts, day, moment, policy)

    return router


def _on_day(
    book: Book, case_id: UUID, facts: Sequence[EventData], day: date, known_at: datetime, policy: DelinquencyPolicy
) -> CaseOnDay:
    past = refold(book.party_id, book.core, facts)
    state, suspended = state_on(past, day, policy)
    return CaseOnDay(
        case_id=case_id,
        party_id=book.party_id,
        as_of=day,
        known_at=known_at,
        facts=len(facts),
        bucket=state.bucket,
        dpd_contractual=state.days_contractual,
        overdue_totals=totals(state.overdue_minor),
        loans=[
            LoanOnDay(
                loan_ref=loan.loan_ref,
                product_class=loan.product_class,
                overdue=Money(amount_minor=loan.overdue_minor, currency=loan.currency),
                oldest_due_date=loan.oldest_due_date,
                dpd_contractual=loan.days,
            )
            for loan in state.loans
        ],
        suspended=list(suspended),
        without_facts=_without_facts(book, past),
    )


def _without_facts(book: Book, past: Book) -> list[UUID]:
    return [loan.loan_id for reference, loan in sorted(book.loans.items()) if reference not in past.loans]


def _told(row: asyncpg.Record) -> ToldFact:
    return ToldFact(**{**dict(row), "content": msgspec.json.decode(row["content"])})
