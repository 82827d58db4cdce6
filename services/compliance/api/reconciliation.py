"""Reconciliation: whether compliance has what the services published, hour by hour."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from services.compliance.schemas.reconciliation import Publisher, ReconciledHourView
from services.compliance.store import reconciliation as store
from shared.security.callers import scope
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor
from shared.web.state import database_of

router = APIRouter(prefix="/v1", tags=["findings"])


@router.get(
    "/reconciled-hours",
    dependencies=[Depends(scope("compliance.read"))],
    responses=problem_responses(InvalidCursor),
    summary="Hours compared with their publishers",
)
async def read_reconciled_hours(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    differing: Annotated[bool | None, Query(description="Only hours that differ, or only those that agree.")] = None,
    service: Annotated[Publisher | None, Query(description="Only of this publisher.")] = None,
) -> Page[ReconciledHourView]:
    """What each service says it published in an hour, and what compliance has taken over of it, oldest first.

    Counts and a digest of the event ids are compared; a difference is a finding (`RECONCILE-DIFFERENCE`) that names the
    ids, and closes by itself when the two sides agree again.
    """
    list_name = f"reconciled-hours|{differing}|{service}"
    async with database_of(request).read_only() as uow:
        rows = await store.list_hours(
            uow,
            differing=differing,
            service=service,
            after=page.after(list_name, datetime, str, str),
            limit=page.limit + 1,
        )
    return page.page(rows, list_name=list_name, key=_place, item=_view)


def _place(kept: store.KeptHour) -> tuple[datetime, str, str]:
    return kept.compared.hour, kept.compared.stream.service, kept.compared.stream.topic


def _view(kept: store.KeptHour) -> ReconciledHourView:
    compared = kept.compared
    return ReconciledHourView(
        service=compared.stream.service,
        topic=compared.stream.topic,
        hour=compared.hour,
        published=compared.published,
        applied=compared.applied,
        differs=compared.differs,
        missing=list(compared.missing),
        extra=list(compared.extra),
        compared_at=kept.compared_real,
    )
