"""What the core was told, what it has not acknowledged, and what it refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.intake.store import write_backs as store
from services.intake.store.write_backs import WriteBackState
from shared.database import Database
from shared.events.base import PartyId
from shared.moments import Moment
from shared.security.callers import scope
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor


class WriteBackView(BaseModel):
    """One thing that the core is told."""

    write_back_id: UUID = Field(description="Its id, under which the core knows it.")
    party_id: PartyId
    core: str = Field(description="The core.")
    kind: Literal["plan", "hold", "contact"] = Field(description="What it is about.")
    event: str = Field(description="The event that it tells.", examples=["plan.signed"])
    reference: str = Field(description="Our id of the plan, hold or contact.")
    state: WriteBackState = Field(
        description="`pending`: sent again until the core answers; `acknowledged`; `refused`: see `reason`, a person's "
        "work; `unsupported`: this core has no interface for it."
    )
    reason: str = Field(description="Why the core refused it.")
    noted_at: Moment = Field(description="Real time since when it is to be told.")
    answered_at: Moment | None = Field(description="Real time of the core's answer.")


def write_backs_router(database: Database) -> APIRouter:
    """`GET /v1/write-backs`."""
    router = APIRouter(prefix="/v1", tags=["reconciliation"], dependencies=[Depends(scope("intake.read"))])

    @router.get("/write-backs", summary="What the core is told", responses=problem_responses(InvalidCursor))
    async def list_write_backs(
        page: Annotated[PageRequest, Depends(page_request)],
        state: Annotated[WriteBackState, Query(description="Only those in this state.")] = "refused",
    ) -> Page[WriteBackView]:
        """The oldest first. What was refused is a finding: the core and we do not agree, and nobody sends it again."""
        name = f"write-backs|{state}"
        after = page.after(name, datetime, UUID)
        async with database.read_only() as uow:
            rows = await store.page(
                uow, state, after=None if after is None else (after[0], after[1]), limit=page.limit + 1
            )
        return page.page(
            rows,
            list_name=name,
            key=lambda row: (row["noted_at"], row["write_back_id"]),
            item=lambda row: WriteBackView.model_validate(dict(row)),
        )

    return router
