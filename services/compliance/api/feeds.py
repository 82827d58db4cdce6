"""Feeds: the bank's systems that report contacts, and how complete what they told is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import feed_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.feeds import (
    FEED_KINDS,
    Feed,
    FeedClosed,
    FeedDay,
    FeedDayNotOver,
    FeedDayOutOfOrder,
    FeedForeign,
    FeedOpensChannel,
    FeedStepRefused,
    FeedTotalUnsigned,
    FeedUnknown,
    source_refused,
)
from services.compliance.domain.reports import feed_id_of
from services.compliance.schemas.feeds import CloseFeedDay, DeclareFeed, FeedDayView, FeedStep, FeedsView, FeedView
from services.compliance.store import feeds as store
from services.compliance.store.told_of_erased import load_counts
from shared.database import UnitOfWork
from shared.events.base import Reference
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.persons import PersonNeeded, named_person
from shared.web.problems import Problem
from shared.web.state import database_of

router = APIRouter(prefix="/v1/feeds", tags=["feeds"])
_READ = [Depends(scope("compliance.read"))]
_MANAGE = [Depends(scope("compliance.manage-feeds"))]
_CLOSE = [Depends(scope("compliance.close-feed-day"))]
_END = [Depends(scope("compliance.close-feed"))]
_DAY_PROBLEMS = problem_responses(
    FeedUnknown, FeedForeign, FeedClosed, FeedDayOutOfOrder, FeedDayNotOver, FeedTotalUnsigned
)
_STEP_PROBLEMS = problem_responses(FeedUnknown, FeedStepRefused, PersonNeeded)
Source = Annotated[Reference, Path(description="The system.")]


@router.get("", dependencies=_READ, summary="Feeds")
async def read_feeds(request: Request) -> FeedsView:
    """Every reporting system: when it was heard, what it closed, whether its silence closes channels now."""
    async with database_of(request).read_only() as uow:
        feeds = await store.load_feeds(uow)
        days = await store.load_last_days(uow, [feed.source for feed in feeds])
        erased = await load_counts(uow)
        return FeedsView(
            items=[_view(feed, days.get(feed.source), uow, of_erased=erased.get(feed.source, 0)) for feed in feeds]
        )


@router.post(
    "",
    response_model=FeedView,
    dependencies=_MANAGE,
    responses=problem_responses(FeedOpensChannel),
    summary="Declare a feed",
)
async def declare_feed(request: Request, body: DeclareFeed) -> Response:
    """Say that a system reports contacts or knows of them, and after how many hours its silence is a finding.

    It is bound to one client: nobody else speaks for it, and a source that was not declared is refused. While it is
    silent, or owes the signed total of a day, decisions about its channels answer needs-fact (`feed_silent`), and new
    terms cannot change that. Each declaration is a leaf of the log with its reason and who made it.
    """
    instruments, by_whom = instruments_of(request), caller_of(request).subject

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
        await feed_desk.declare(uow, instruments, new, reason=body.reason, by_whom=by_whom)
        return await _reread(uow, body.source)

    return await command(request, body=body, parties=[feed_id_of(instruments.tenant, body.source)], handler=declare)


@router.post(
    "/{source}/close",
    response_model=FeedView,
    dependencies=_END,
    responses=_STEP_PROBLEMS,
    summary="Close a feed",
)
async def close_feed(request: Request, source: Source, body: FeedStep) -> Response:
    """A named person outside operations answers for it that the system makes no contacts any more, or sees none.

    Channels that only its silence closed open. A leaf of the log.
    """
    return await _step(request, source, body, feed_desk.end)


@router.post(
    "/{source}/reopen",
    response_model=FeedView,
    dependencies=_END,
    responses=_STEP_PROBLEMS,
    summary="Open a closed feed again",
)
async def reopen_feed(request: Request, source: Source, body: FeedStep) -> Response:
    """A named person lets the system speak again, on the terms on which it was declared last. A leaf of the log."""
    return await _step(request, source, body, feed_desk.begin_again)


@router.post(
    "/{source}/days",
    response_model=FeedDayView,
    dependencies=_CLOSE,
    responses=_DAY_PROBLEMS,
    summary="Close a feed's day",
)
async def close_feed_day(request: Request, source: Source, body: CloseFeedDay) -> Response:
    """Close a day with its total; it becomes a leaf of the log. Numbers without a record are a finding at once.

    A total without the feed's signature is refused and a finding (`FEED-UNSIGNED`); a feed that closes no day for 36
    hours is one (`FEED-UNCLOSED`), and after 48 hours its channels are closed. Late records are still welcome: when the
    last missing one has come, the finding's verdict of harm is withdrawn.
    """
    instruments, caller = instruments_of(request), caller_of(request)

    async def close(uow: UnitOfWork) -> FeedDayView | Problem:
        feeds = {feed.source: feed for feed in await store.load_feeds(uow)}
        problem = source_refused(feeds.get(source), client_id=caller.client_id, kinds=FEED_KINDS)
        if problem is not None:
            raise problem
        day = await feed_desk.close(uow, instruments, feeds[source], body, by_whom=caller.subject)
        if isinstance(day, Problem):
            return day
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


async def _step(request: Request, source: str, body: FeedStep, take: Callable[..., Awaitable[None]]) -> Response:
    instruments, by_whom = instruments_of(request), named_person(request)

    async def step(uow: UnitOfWork) -> FeedView:
        feed = {feed.source: feed for feed in await store.load_feeds(uow)}.get(source)
        if feed is None:
            raise FeedUnknown()
        await take(uow, instruments, feed, reason=body.reason, by_whom=by_whom)
        return await _reread(uow, source)

    return await command(request, body=body, parties=[feed_id_of(instruments.tenant, source)], handler=step)


async def _reread(uow: UnitOfWork, source: str) -> FeedView:
    (feed,) = [one for one in await store.load_feeds(uow) if one.source == source]
    day = (await store.load_last_days(uow, [source])).get(source)
    return _view(feed, day, uow, of_erased=(await load_counts(uow)).get(source, 0))


def _view(feed: Feed, day: FeedDay | None, uow: UnitOfWork, *, of_erased: int) -> FeedView:
    return FeedView(
        source=feed.source,
        kind=feed.kind,
        client_id=feed.client_id,
        channels=list(feed.channels),
        silent_after_hours=feed.silent_after_hours,
        heard_at=feed.heard_real,
        silent=feed.closes_channels(uow.real_now),
        total_key=feed.total_key,
        closed=feed.ended_real is not None,
        of_erased=of_erased,
        closed_day=None if day is None else day.day,
        closed_number=None if day is None else day.last_number,
    )
