"""Cases as CSV, streamed."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from services.intake.api.case_filters import case_filter
from services.intake.case_export import CASES_PER_PIECE, piece
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.store import case_lists
from services.intake.store.case_lists import CaseFilter
from shared.database import Database
from shared.security.callers import scope
from shared.web.openapi import problem_responses
from shared.web.pages import MAX_CURSOR_LENGTH, decode_cursor, encode_cursor
from shared.web.problems import InvalidCursor

NEXT, EXAMINED, IN_ALL = "Doorstep-Next", "Doorstep-Examined", "Doorstep-Examined-In-All"


def _header(description: str, kind: str) -> dict[str, object]:
    return {"description": description, "schema": {"type": kind}}


_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One piece, header line first; amounts as decimals, cells never formulas.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
        "headers": {
            NEXT: _header("Cursor of the next piece; absent on the last one.", "string"),
            EXAMINED: _header("How many cases this piece examines, at most.", "integer"),
            IN_ALL: _header("How many cases all pieces examine; on the first piece only.", "integer"),
        },
    }
}


def exports_router(database: Database, policy: DelinquencyPolicy) -> APIRouter:
    """`GET /v1/exports/cases`."""
    router = APIRouter(prefix="/v1/exports", tags=["cases"])

    @router.get(
        "/cases",
        dependencies=[Depends(scope("intake.export-cases"))],
        response_class=StreamingResponse,
        responses={**_ANSWER, **problem_responses(InvalidCursor)},
        summary="Cases as CSV",
    )
    async def export_cases(
        which: Annotated[CaseFilter, Depends(case_filter)],
        cursor: Annotated[
            str | None,
            Query(
                max_length=MAX_CURSOR_LENGTH, description="`Doorstep-Next` of the piece before; absent for the first."
            ),
        ] = None,
    ) -> StreamingResponse:
        """One piece of the list as CSV, a row per case and currency; free of personal data.

        A piece that breaks off is asked for again; pieces in order, each without its header line, are the whole list.
        """
        name = f"export|{which.list_name}"
        after: UUID | None = None if cursor is None else decode_cursor(cursor, name, UUID)[0]
        async with database.read_only() as uow:
            until = await case_lists.span(uow, which, policy, after=after, examined=CASES_PER_PIECE)
            headers = {EXAMINED: str(CASES_PER_PIECE)}
            if cursor is None:
                headers[IN_ALL] = str(await case_lists.count_walked(uow, which, policy))
        if until is not None:
            headers[NEXT] = encode_cursor(name, until)
        return StreamingResponse(
            piece(database, which, policy, after=after, until=until), media_type="text/csv", headers=headers
        )

    return router
