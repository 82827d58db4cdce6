"""Feeds: the bank's systems that report contacts, and how complete what they told is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import feed_desk
from services.compliance.api.surroundings import database_of, instruments_of
from services.compliance.domain.feeds import (
    FEED_KINDS,
    Feed,
    FeedDay,
    FeedDayNotOver,
    FeedDayOutOfOrder,
    FeedForeign,
    FeedTotalUnsigned,
    FeedUnknown,
    source_refused,
)
from services.compliance.domain.reports import feed_id_of
from services.compliance.schemas.feeds import CloseFeedDay, DeclareFeed, FeedDayView, FeedsView, FeedView
from services.compliance.store import feeds as store
from shared.database import UnitOfWork
from shared.events.base import Reference
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses

router = APIRouter(prefix="/v1/feeds", tags=["feeds"])
_READ = [Depends(scope("compliance.read"))]
_MANAGE = [Depends(scope("compliance.manage-feeds"))]
_CLOSE = [Depends(scope("compliance.close-feed-day"))]
_DAY_PROBLEMS = problem_responses(FeedUnknown, FeedForeign, FeedDayOutOfOrder, FeedDayNotOver, FeedTotalUnsigned)


@router.get("", dependencies=_READ, summary="Feeds")
async def read_feeds(request: Request) -> FeedsView:
    """Every reporting system: when it was heard, what it closed, whether its silence closes channels now."""
    async with database_of(request).read_only() as uow:
        feeds = await store.load_feeds(uow)
        days = await store.load_last_days(uow, [feed.source for feed in feeds])
        return FeedsView(items=[_view(feed, days.get(feed.source), uow) for feed in feeds])


@router.post("", response_model=FeedView, dependencies=_MANAGE, summary="Declare a feed")
async def declare_feed(request: Request, body: DeclareFeed) -> Response:
    """Say that a system reports contacts or knows of them, and after how many hours its silence is a finding.

    It is bound to one client: nobody else speaks for it, and a source that was not declared is refused. While it is
    silent, decisions about its channels answer needs-fact (`feed_silent`).
    """
    tenant = instruments_of(request).tenant

    async def declare(uow: UnitOfWork) -> FeedView:
        new = Feed(
            source=body.source,
            kind=body.kind,
            client_id=body.client_id,
            channels=tuple(sorted(set(body.channels))),
            silent_after_hours=body.silent_after_hours,
            heard_real=uow.real_now,
            closed_real=uow.real_now,
            total_key=body.total_key,
        )
        await store.declare(uow, new)
        (feed,) = [one for one in await store.load_feeds(uow) if one.source == body.source]
        return _view(feed, (await store.load_last_days(uow, [body.source])).get(body.source), uow)

    return await command(request, body=body, parties=[feed_id_of(tenant, body.source)], handler=declare)


@router.post(
    "/{source}/days",
    response_model=FeedDayView,
    dependencies=_CLOSE,
    responses=_DAY_PROBLEMS,
    summary="Close a feed's day",
)
async def close_feed_day(
    request: Request, source: Annotated[Reference, Path(description="The system.")], body: CloseFeedDay
) -> Response:
    """Close a day with its total; it becomes a leaf of the log. Numbers without a record are a finding at once.

    Late records are still welcome: when the last missing one has come, the finding's verdict of harm is withdrawn.
    """
    instruments, caller = instruments_of(request), caller_of(request)

    async def close(uow: UnitOfWork) -> FeedDayView:
        feeds = {feed.source: feed for feed in await store.load_feeds(uow)}
        problem = source_refused(feeds.get(source), client_id=caller.client_id, kinds=FEED_KINDS)
        if problem is not None:
            raise problem
        day = await feed_desk.close(uow, instruments, feeds[source], body, by_whom=caller.subject)
        return FeedDayView(
            source=source,
            day=day.day,
            first_number=day.first_number,
            last_number=day.last_number,
            records=day.records,
            known=await store.count_known(uow, day),
            missing=[[first, last] for first, last in await store.load_missing(uow, day)],
        )

    return await command(request, body=body, parties=[feed_id_of(instruments.tenant, source)], handler=close)


def _view(feed: Feed, day: FeedDay | None, uow: UnitOfWork) -> FeedView:
    return FeedView(
        source=feed.source,
        kind=feed.kind,
        client_id=feed.client_id,
        channels=list(feed.channels),
        silent_after_hours=feed.silent_after_hours,
        heard_at=feed.heard_real,
        silent=feed.closes_channels(uow.real_now),
        total_key=feed.total_key,
        closed_day=None if day is None else day.day,
        closed_number=None if day is None else day.last_number,
    )
