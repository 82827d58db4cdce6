"""Cores whose feed is suspended, and the named person who releases one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.intake.store import feed_suspensions as store
from services.intake.store.feed_suspensions import SuspensionCause
from shared.database import Database, UnitOfWork
from shared.moments import Moment
from shared.security.callers import scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.persons import PersonNeeded, named_person
from shared.web.problems import InvalidCursor, NotFound

_LIST = "feed-suspensions"


class FeedSuspension(BaseModel):
    """A core on whose cases nobody acts."""

    core: str = Field(description="The core.")
    cause: SuspensionCause = Field(
        description="`books_differ`: more than 0.5 % of the loans differ; `tape_missing`: a promised tape did not come."
    )
    since: Moment = Field(description="Real time.")
    detail: str = Field(description="The numbers, or which tape.")
    released_at: Moment | None = Field(description="Real time of the release; null: it stands.")
    released_by: str | None = Field(description="The person, or `reconciliation`, or `tape`.")
    reason: str | None = Field(description="Why it was released.")


class ReleaseFeed(BaseModel):
    """A person answers for it that the core can be believed."""

    model_config = ConfigDict(extra="forbid")

    cause: SuspensionCause = Field(description="Which suspension.")
    reason: str = Field(min_length=10, max_length=400, description="What was found out; no personal data.")


class FeedReleased(BaseModel):
    """The suspension is over."""

    core: str = Field(description="The core.")
    cause: SuspensionCause = Field(description="Which suspension.")


def feed_suspensions_router(database: Database) -> APIRouter:
    """`/v1/feed-suspensions`."""
    router = APIRouter(prefix="/v1/feed-suspensions", tags=["reconciliation"])

    @router.get(
        "", summary="Suspended feeds", dependencies=[Depends(scope("intake.read"))],
        responses=problem_responses(InvalidCursor),
    )  # fmt: skip
    async def list_suspensions(
        page: Annotated[PageRequest, Depends(page_request)],
        standing: Annotated[bool, Query(description="Only those that stand.")] = True,
    ) -> Page[FeedSuspension]:
        """The newest first. While one stands, permits for people of that core are refused with the cause."""
        before = page.after(f"{_LIST}|{standing}", datetime, str, str)
        async with database.read_only() as uow:
            rows = await store.page(uow, only_open=standing, before=before, limit=page.limit + 1)
        return page.page(
            rows,
            list_name=f"{_LIST}|{standing}",
            key=lambda row: (row["since"], row["core"], row["cause"]),
            item=lambda row: FeedSuspension.model_validate(dict(row)),
        )

    @router.post(
        "/{core}/release", response_model=FeedReleased, summary="Release a feed",
        dependencies=[Depends(scope("intake.release-feed"))], responses=problem_responses(NotFound, PersonNeeded),
    )  # fmt: skip
    async def release_feed(
        core: Annotated[str, Path(description="The core.", min_length=1, max_length=64)],
        body: ReleaseFeed,
        request: Request,
    ) -> Response:
        """A named person answers for it. The next incident suspends it again."""
        by = named_person(request)

        async def release(uow: UnitOfWork) -> FeedReleased:
            if not await store.release(uow, core, body.cause, by=by, reason=body.reason):
                raise NotFound("no such suspension stands")
            return FeedReleased(core=core, cause=body.cause)

        return await command(request, body=body, parties=[], handler=release)

    return router
