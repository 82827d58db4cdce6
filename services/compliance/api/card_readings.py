"""Who read whose contact data: for auditors."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from services.compliance.domain.card_readings import MUCH_READ
from services.compliance.schemas.card_readings import CardReaderView, CardReadingView
from services.compliance.store import card_readings as store
from shared.moments import Day
from shared.security.callers import scope
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor
from shared.web.state import database_of

_READ = [Depends(scope("compliance.read-card-readings"))]
router = APIRouter(prefix="/v1", tags=["card readings"], dependencies=_READ, responses=problem_responses(InvalidCursor))


@router.get("/card-readings", summary="Readings of contact data")
async def read_card_readings(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    reader: Annotated[str | None, Query(max_length=200, description="Only by this reader.")] = None,
    party_id: Annotated[UUID | None, Query(description="Only about this person.")] = None,
    lacking: Annotated[
        store.Lacking | None,
        Query(
            description="`permit`: refused, or without a permit that allowed it; `contact`: over 26 hours old, and no "
            "contact of that channel followed."
        ),
    ] = None,
) -> Page[CardReadingView]:
    """In the order in which they were made; refused ones too. People whose records are restricted are left out."""
    which = store.ReadingFilter(reader=reader, party_id=party_id, lacking=lacking)
    after = page.after(which.list_name, datetime, UUID)
    async with database_of(request).read_only() as uow:
        rows = await store.page(uow, which, after=None if after is None else (after[0], after[1]), limit=page.limit + 1)
    return page.page(
        rows,
        list_name=which.list_name,
        key=lambda row: (row["read_at"], row["reading_id"]),
        item=lambda row: CardReadingView.model_validate(dict(row)),
    )


@router.get("/card-readers", summary="Readers of contact data on a day")
async def read_card_readers(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    day: Annotated[Day, Query(description="The day, by UTC, business time.")],
) -> Page[CardReaderView]:
    """Who read how much, in order of reader: much reading, reading without a permit, reading to which nothing led."""
    name = f"card_readers|{day}"
    after = page.after(name, str, str)
    async with database_of(request).read_only() as uow:
        rows = await store.readers(
            uow, day, after=None if after is None else (after[0], after[1]), limit=page.limit + 1
        )
    return page.page(
        rows,
        list_name=name,
        key=lambda row: (row["reader"], row["client"]),
        item=lambda row: CardReaderView(**dict(row), much=row["people"] >= MUCH_READ),
    )
