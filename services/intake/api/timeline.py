"""The timeline of a case: what happened to it, over all services."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from services.intake import timeline_desk
from services.intake.store import cases
from services.intake.timeline_schemas import TimelineLine
from shared.database import Database
from shared.security.callers import scope
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor, NotFound

DETAILS: Final[dict[str, tuple[str, str]]] = {
    "case": ("intake", "/v1/cases/{case_id}"),
    "visit": ("visits", "/v1/visits/{visit_id}"),
    "plan": ("plans", "/v1/plans/{plan_id}"),
    "permit": ("compliance", "/v1/permits/{permit_id}"),
    "decision": ("compliance", "/v1/decisions/{decision_id}"),
    "finding": ("compliance", "/v1/findings/{finding_id}"),
}
"""Service and path, as its OpenAPI document names it, by what a line is about."""


def timeline_router(database: Database) -> APIRouter:
    """`GET /v1/cases/{case_id}/timeline`."""
    router = APIRouter(prefix="/v1/cases", tags=["cases"], dependencies=[Depends(scope("intake.read"))])

    @router.get(
        "/{case_id}/timeline", summary="What happened to a case", responses=problem_responses(NotFound, InvalidCursor)
    )
    async def read_timeline(
        case_id: Annotated[UUID, Path(description="The case.")], page: Annotated[PageRequest, Depends(page_request)]
    ) -> Page[TimelineLine]:
        """Everything that any service told, in order of happening; kept until the person is erased."""
        name = f"timeline|{case_id}"
        after = page.after(name, datetime, str)
        async with database.read_only() as uow:
            party = await cases.party_of(uow, case_id)
            if party is None:
                raise NotFound("no such case")
            lines = await timeline_desk.page(
                uow, party[0], after=None if after is None else (after[0], after[1]), limit=page.limit + 1
            )
        return page.page(lines, list_name=name, key=lambda line: (line["happened_at"], line["event_id"]), item=_line)

    return router


def _line(line: Mapping[str, Any]) -> TimelineLine:
    known = DETAILS.get(line["about"] or "")
    details = None
    if known is not None and line["reference"]:
        service, path = known
        details = f"{service}:{path.partition('{')[0]}{line['reference']}"
    return TimelineLine.model_validate({**line, "details": details})
