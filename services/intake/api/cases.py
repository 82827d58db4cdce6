"""Cases, balances and figures."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from services.intake.api.case_filters import case_filter
from services.intake.balances import Balances, CoreNotConfigured, OtherBusinessDate
from services.intake.domain.book import Book, Case
from services.intake.schemas import (
    BalanceAnswers,
    BalanceChecks,
    CaseSnapshot,
    CaseSummary,
    CaseView,
    IntakeSummary,
    Reconciliation,
)
from services.intake.store import books, case_lists, cases, timelines
from services.intake.store.case_lists import CaseFilter
from services.intake.views import figures_of, snapshot_of, summary_of, view_of
from shared.database import UnitOfWork
from shared.security.callers import scope
from shared.web.openapi import QUESTION, problem_responses
from shared.web.pages import Page, PageRequest, encode_cursor, page_request
from shared.web.problems import InvalidCursor, NotFound, TemporarilyUnavailable

CaseId = Annotated[UUID, Path(description="The case.")]
_LINES_SHOWN = 50
_READ = [Depends(scope("intake.read"))]


def cases_router(balances: Balances) -> APIRouter:
    """Everything about cases but personal data."""
    router = APIRouter(prefix="/v1", tags=["cases"])
    database, policy = balances.database, balances.policy

    @router.get("/cases", dependencies=_READ, summary="Cases", responses=problem_responses(InvalidCursor))
    async def list_cases(
        page: Annotated[PageRequest, Depends(page_request)],
        which: Annotated[CaseFilter, Depends(case_filter)],
    ) -> Page[CaseSummary]:
        """In order of case id, which is roughly the order of opening.

        The work for a page is bounded, so a page of a rare filter may hold few cases or none: go on until `next` is
        null.
        """
        after = page.after(which.list_name, UUID)
        async with database.read_only() as uow:
            rows, last = await case_lists.page(
                uow, which, policy, after=None if after is None else after[0], limit=page.limit
            )
        return Page[CaseSummary](
            items=[summary_of(row["party_id"], books.case_of(row)) for row in rows],
            next=None if last is None else encode_cursor(which.list_name, last),
        )

    @router.get("/cases/{case_id}", dependencies=_READ, summary="One case", responses=problem_responses(NotFound))
    async def read_case(case_id: CaseId) -> CaseView:
        """All loans, payments and the newest lines of the timeline; no personal data."""
        async with database.read_only() as uow:
            book, case = await _book(uow, case_id)
            references = [one.party_id for one in book.members] or [book.party_id]
            payments = await cases.payments_of(uow, [] if book.lead is not None else references)
            entries = await timelines.last(uow, book.party_id, limit=_LINES_SHOWN)
        return view_of(book, case, policy, payments=payments, entries=entries)

    @router.get(
        "/cases/{case_id}/snapshot",
        dependencies=[Depends(scope("intake.snapshot"))],
        summary="Complete state for a consumer",
        responses=problem_responses(NotFound),
    )
    async def read_snapshot(case_id: CaseId) -> CaseSnapshot:
        """What a consumer begins with whose events are older than any that are kept: the state, and its sequence."""
        async with database.read_only() as uow:
            book, case = await _book(uow, case_id)
        return snapshot_of(book, case, policy)

    return router


def control_router(balances: Balances) -> APIRouter:
    """Balance checks, figures, and our books against the core's."""
    router = APIRouter(prefix="/v1", tags=["cases"])
    database = balances.database

    @router.post(
        "/balance-checks",
        dependencies=[Depends(scope("intake.check-balance"))],
        summary="Is it still owed?",
        openapi_extra=QUESTION,
    )
    async def check_balances(body: BalanceChecks) -> BalanceAnswers:
        """Signed answers, from the core where it can be asked, else from the book with the book's own age."""
        return BalanceAnswers(items=await balances.check(body.items))

    @router.get("/summary", dependencies=_READ, summary="Figures")
    async def read_summary() -> IntakeSummary:
        """Counts and sums, read from the tables now."""
        async with database.read_only() as uow:
            return figures_of(await cases.figures(uow))

    @router.get(
        "/reconciliation",
        dependencies=_READ,
        summary="Our book against the core's",
        responses=problem_responses(CoreNotConfigured, OtherBusinessDate, TemporarilyUnavailable),
    )
    async def reconcile_books(
        business_date: Annotated[date | None, Query(description="The date the core must stand at.")] = None,
    ) -> Reconciliation:
        """Every loan compared with the core's balance port; every difference named."""
        return await balances.reconcile(business_date)

    return router


async def _book(uow: UnitOfWork, case_id: CaseId) -> tuple[Book, Case]:
    party = await cases.party_of(uow, case_id)
    book = None if party is None else (await books.load(uow, {party[0]: party[1]}))[party[0]]
    if book is None or book.case is None:
        raise NotFound("no such case")
    return book, book.case
