"""Cases as CSV, streamed."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from services.intake.api.case_filters import case_filter
from services.intake.case_export import CASES_PER_PIECE, piece
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.held_snapshots import ExportOver, HeldSnapshots
from services.intake.store import case_lists
from services.intake.store.case_lists import CaseFilter
from shared.database import Database
from shared.security.callers import scope
from shared.web.openapi import problem_responses
from shared.web.pages import MAX_CURSOR_LENGTH, decode_cursor, encode_cursor
from shared.web.problems import InvalidCursor

NEXT, EXAMINED, IN_ALL = "Doorstep-Next", "Doorstep-Examined", "Doorstep-Examined-In-All"
AS_OF = "Doorstep-As-Of"


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
            AS_OF: _header("The moment of which all pieces are, real time; on the first piece only.", "string"),
        },
    }
}


def exports_router(database: Database, policy: DelinquencyPolicy) -> APIRouter:
    """`GET /v1/exports/cases`."""
    router = APIRouter(prefix="/v1/exports", tags=["cases"])
    held = HeldSnapshots(database)

    @router.get(
        "/cases",
        dependencies=[Depends(scope("intake.export-cases"))],
        response_class=StreamingResponse,
        responses={**_ANSWER, **problem_responses(InvalidCursor, ExportOver)},
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

        All pieces are of the moment at which the first was asked for, which is held for 15 minutes; after that the
        next one is refused (`export-over`) and the list is begun anew. A piece that breaks off is asked for again;
        pieces in order, each without its header line, are the whole list.
        """
        name = f"export|{which.list_name}"
        headers = {EXAMINED: str(CASES_PER_PIECE)}
        after: UUID | None = None
        if cursor is None:
            moment, as_of = await held.hold()
            headers[AS_OF] = as_of.isoformat()
        else:
            moment, after = decode_cursor(cursor, name, str, UUID)
        try:
            async with held.reading(moment) as uow:
                until = await case_lists.span(uow, which, policy, after=after, examined=CASES_PER_PIECE)
                if cursor is None:
                    headers[IN_ALL] = str(await case_lists.count_walked(uow, which, policy))
        except BaseException:
            if cursor is None:
                held.release(moment)
            raise
        if until is not None:
            headers[NEXT] = encode_cursor(name, moment, until)
        return StreamingResponse(
            piece(held, moment, which, policy, after=after, until=until), media_type="text/csv", headers=headers
        )

    return router
