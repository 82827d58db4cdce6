"""Runs of reconciliation, and what is open."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from services.intake.reconciliation_schemas import OpenDifference, ReconciliationRun, TotalDifference
from services.intake.store import control_totals, findings
from shared.database import Database
from shared.security.callers import scope
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor

_READ = [Depends(scope("intake.read"))]
_RUNS, _DIFFERENCES, _TOTALS = "reconciliations", "differences", "total-differences"


def reconciliation_router(database: Database) -> APIRouter:
    """`GET /v1/reconciliations` and `GET /v1/reconciliations/differences`."""
    router = APIRouter(prefix="/v1/reconciliations", tags=["reconciliation"], dependencies=_READ)

    @router.get("", summary="Comparisons with the core", responses=problem_responses(InvalidCursor))
    async def list_runs(page: Annotated[PageRequest, Depends(page_request)]) -> Page[ReconciliationRun]:
        """The newest first."""
        before = page.after(_RUNS, datetime, UUID)
        async with database.read_only() as uow:
            rows = await findings.runs_page(uow, before=before, limit=page.limit + 1)
        return page.page(
            rows,
            list_name=_RUNS,
            key=lambda row: (row["started_at"], row["run_id"]),
            item=lambda row: ReconciliationRun.model_validate(dict(row)),
        )

    @router.get("/differences", summary="Open differences", responses=problem_responses(InvalidCursor))
    async def list_differences(page: Annotated[PageRequest, Depends(page_request)]) -> Page[OpenDifference]:
        """In order of party, loan and field. A confirmed one suspends its case until both sides agree."""
        after = page.after(_DIFFERENCES, UUID, str, str)
        async with database.read_only() as uow:
            rows = await findings.open_page(uow, after=after, limit=page.limit + 1)
        return page.page(
            rows,
            list_name=_DIFFERENCES,
            key=lambda row: (row["party_id"], row["loan_ref"], row["field"]),
            item=lambda row: OpenDifference.model_validate(dict(row)),
        )

    @router.get("/total-differences", summary="Control totals that differ", responses=problem_responses(InvalidCursor))
    async def list_total_differences(
        page: Annotated[PageRequest, Depends(page_request)],
        standing: Annotated[bool, Query(description="Only those that stand.")] = True,
    ) -> Page[TotalDifference]:
        """The newest first. One stands until a later day close of the core agrees."""
        name = f"{_TOTALS}|{standing}"
        before = page.after(name, datetime, str, str)
        async with database.read_only() as uow:
            rows = await control_totals.page(uow, only_open=standing, before=before, limit=page.limit + 1)
        return page.page(
            rows,
            list_name=name,
            key=lambda row: (row["opened_at"], row["core"], row["field"]),
            item=lambda row: TotalDifference.model_validate(dict(row)),
        )

    return router
