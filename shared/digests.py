"""The publisher's side of reconciliation: what it sent, by counts and digests, and by ids where those differ."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from shared.database import Database
from shared.messaging import digests
from shared.messaging.retention import OUTBOX_KEPT
from shared.moments import Moment
from shared.security.callers import scope
from shared.security.topic_readers import refuse_stranger
from shared.web.problems import KnownProblem

MOST_PARTS: Final = 100
MOST_IDS: Final = 1_000
# Rows are deleted between the edge of what is kept and now.
COMPARABLE: Final = OUTBOX_KEPT - timedelta(days=1)


class SpanNotComparable(KnownProblem):
    """The span is empty, has too many parts, or begins before what is surely kept: its digest would say nothing."""

    kind, status, title = "span-not-comparable", 422, "The span cannot be compared"


class DigestView(BaseModel):
    """The events of one span of time."""

    since: Moment = Field(description="Its beginning; it ends where the next one begins.")
    events: int = Field(description="How many.")
    digest: str = Field(description="SHA-256 over their ids in order, one per line; hexadecimal.")
    lost: int = Field(0, description="How many more were the newest of their streams and are not kept any more.")


class DigestsAnswer(BaseModel):
    """Spans in order of time, none left out."""

    parts: list[DigestView]


class IdsAnswer(BaseModel):
    """Ids of events in order; `more`: there are others behind the last one. `lost`: those not kept any more."""

    ids: list[str]
    more: bool
    lost: list[str] = []


def digests_router(database: Database) -> APIRouter:
    """Two routes under the scope `<service>.snapshot`, for readers of the topic only."""
    may_ask = Depends(scope(f"{database.service}.snapshot"))
    router = APIRouter(prefix="/internal/digests", tags=["operation"], dependencies=[may_ask])

    @router.get("/{topic}", summary="Counts and digests of published events")
    async def read_digests(
        topic: str,
        types: Annotated[str, Query(min_length=1, max_length=4_000)],
        since: Moment,
        until: Moment,
        request: Request,
        step_seconds: Annotated[int, Query(ge=1, le=86_400)] = 3_600,
    ) -> DigestsAnswer:
        """Of the types named (separated by commas), by the moment in the events' own ids."""
        step = timedelta(seconds=step_seconds)
        refuse_stranger(database.service, topic, request)
        if not since < until <= since + MOST_PARTS * step:
            raise SpanNotComparable()
        async with database.read_only() as uow:
            if since < uow.real_now - COMPARABLE:
                raise SpanNotComparable("what was published then may be forgotten in part")
            sent = await digests.published(uow, topic, types.split(","), since=since, until=until)
        found = digests.parts(sent.kept, since=since.astimezone(UTC), until=until, step=step, lost=sent.lost)
        return DigestsAnswer(parts=[DigestView(**one._asdict()) for one in found])

    @router.get("/{topic}/ids", summary="Ids of published events")
    async def read_ids(
        topic: str,
        types: Annotated[str, Query(min_length=1, max_length=4_000)],
        since: Moment,
        until: Moment,
        request: Request,
    ) -> IdsAnswer:
        """Of a span whose digests differ; at most 1,000."""
        refuse_stranger(database.service, topic, request)
        async with database.read_only() as uow:
            kept, lost = await digests.published(uow, topic, types.split(","), since=since, until=until)
        return IdsAnswer(ids=kept[:MOST_IDS], more=len(kept) > MOST_IDS, lost=lost[:MOST_IDS])

    return router
