"""The desk of feeds: heard, closed day by day, found silent or incomplete; complete again when the missing comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.compliance import finding_desk
from services.compliance.domain.feeds import (
    Feed,
    FeedChannel,
    FeedDay,
    FeedDayNotOver,
    FeedOpensChannel,
    FeedStepRefused,
    close_day,
    closed_until,
    gap_found,
    gap_id,
    opened_by,
    silence_found,
    total_owed,
    total_refused,
    total_statement,
    unsigned_found,
    unsigned_id,
)
from services.compliance.domain.findings import found_again
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.local_time import EARLIEST_DATE
from services.compliance.instruments import Instruments
from services.compliance.schemas.feeds import CloseFeedDay
from services.compliance.store import feeds as store
from services.compliance.store.findings import count_open, load_current
from services.compliance.store.leaves import append_leaves
from shared.database import UnitOfWork
from shared.ids import event_id
from shared.telemetry.metrics import set_gauge
from shared.web.problems import Problem

WATCH: Final = "compliance.feeds_watch"


async def hear_records(
    uow: UnitOfWork, instruments: Instruments, records: Sequence[tuple[str, int, FeedChannel | None]]
) -> None:
    """New records (source, number, channel) came in; None: an inquiry, which has no channel of its own here. Those that
    a closed day lacked make it complete.

    Who only repeats what it said before has not spoken. The feeds are locked.
    """
    spoken: dict[str, set[FeedChannel]] = {}
    for source, _, channel in records:
        spoken.setdefault(source, set()).update(() if channel is None else (channel,))
    await store.hear(uow, spoken)
    for day in await store.load_days_of(uow, [(source, number) for source, number, _ in records]):
        await _judge_day(uow, instruments, day)


async def declare(uow: UnitOfWork, instruments: Instruments, new: Feed, *, reason: str, by_whom: str) -> None:
    """Keep the terms of a feed, and their leaf. The feed is locked.

    Raises FeedOpensChannel: nothing that is closed opens by new terms.
    """
    known = {feed.source: feed for feed in await store.load_feeds(uow)}.get(new.source)
    opened = opened_by(known, new, real_now=uow.real_now)
    if opened:
        raise FeedOpensChannel(f"would open {', '.join(opened)}", channels=opened)
    await store.declare(uow, new)
    await _prove(uow, instruments, new, "declared", reason=reason, by_whom=by_whom)


async def end(uow: UnitOfWork, instruments: Instruments, feed: Feed, *, reason: str, by_whom: str) -> None:
    """A named person closes a feed: it closes no channel any more, nobody speaks for it. The feed is locked.

    Raises FeedStepRefused.
    """
    if feed.ended_real is not None:
        raise FeedStepRefused("the feed is closed")
    await store.end(uow, feed.source)
    await _prove(uow, instruments, feed, "closed", reason=reason, by_whom=by_whom)


async def begin_again(uow: UnitOfWork, instruments: Instruments, feed: Feed, *, reason: str, by_whom: str) -> None:
    """A named person opens a closed feed again. The feed is locked. Raises FeedStepRefused."""
    if feed.ended_real is None:
        raise FeedStepRefused("the feed is open")
    await store.begin_again(uow, feed.source)
    await _prove(uow, instruments, feed, "reopened", reason=reason, by_whom=by_whom)


async def _prove(
    uow: UnitOfWork, instruments: Instruments, feed: Feed, step: str, *, reason: str, by_whom: str
) -> None:
    leaf = NewLeaf(
        kind="feed",
        leaf_id=event_id(),
        party_id=None,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={
            "source": feed.source,
            "step": step,
            "reason": reason,
            "by_whom": by_whom,
            "feed_kind": feed.kind,
            "client_id": feed.client_id,
            "channels": list(feed.channels),
            "silent_after_hours": feed.silent_after_hours,
            "key": feed.total_key,
        },
    )
    await append_leaves(uow, instruments.cipher, [leaf])


async def close(
    uow: UnitOfWork, instruments: Instruments, feed: Feed, body: CloseFeedDay, *, by_whom: str
) -> FeedDay | Problem:
    """Close a day with its total; the same total again changes nothing. The feed is locked.

    An unsigned total is a finding and returns FeedTotalUnsigned. Raises FeedDayOutOfOrder, FeedDayNotOver.
    """
    source = feed.source
    if body.day > (uow.now + EARLIEST_DATE).date():
        raise FeedDayNotOver()
    previous = (await store.load_last_days(uow, [source])).get(source)
    same = previous is not None and (previous.day, previous.last_number, previous.records) == (
        body.day, body.last_number, body.records
    )  # fmt: skip
    if previous is not None and same:
        return previous
    day = close_day(previous, source=source, day=body.day, last_number=body.last_number, records=body.records)
    statement = total_statement(source, body.day, last_number=body.last_number, records=body.records)
    problem = total_refused(feed, statement, body.signature)
    await _judge_signature(uow, instruments, day, signed=problem is None)
    if problem is not None:
        return problem
    until = closed_until(day.day, now=uow.now, real_now=uow.real_now)
    await store.insert_day(uow, day, closed_until=until, by_whom=by_whom, signature=body.signature)
    await store.hear(uow, {source: ()})
    await append_leaves(uow, instruments.cipher, [_leaf(day, uow, key=feed.total_key, signature=body.signature)])
    await _judge_day(uow, instruments, day)
    return day


async def _judge_signature(uow: UnitOfWork, instruments: Instruments, day: FeedDay, *, signed: bool) -> None:
    finding_id = unsigned_id(day.source, day.day)
    await uow.lock_parties([finding_id])
    standing = (await load_current(uow, [finding_id])).get(finding_id)
    found = None if signed else unsigned_found(day.source, day.day)
    after = found_again(standing, found, repaired="the signed total came later")
    await finding_desk.record(uow, instruments, [] if after is None else [after])


async def _judge_day(uow: UnitOfWork, instruments: Instruments, day: FeedDay) -> None:
    # The finding's own lock: people take their steps under it.
    await uow.lock_parties([gap_id(day)])
    found = gap_found(day, known=await store.count_known(uow, day), missing=await store.load_missing(uow, day))
    standing = (await load_current(uow, [gap_id(day)])).get(gap_id(day))
    after = found_again(standing, found, repaired="the missing records came later")
    await finding_desk.record(uow, instruments, [] if after is None else [after])


def _leaf(day: FeedDay, uow: UnitOfWork, *, key: str | None, signature: str | None) -> NewLeaf:
    """The source's key and signature stand in the leaf, so that anybody can check its word."""
    return NewLeaf(
        kind="feed_day",
        leaf_id=event_id(),
        party_id=None,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={
            "source": day.source,
            "day": day.day.isoformat(),
            "first_number": day.first_number,
            "last_number": day.last_number,
            "records": day.records,
            "key": key,
            "signature": signature,
        },
    )


async def look_for_silence(uow: UnitOfWork, instruments: Instruments) -> None:
    """Open a finding for each feed that has fallen silent or closes no days.

    Decisions see the silence themselves, without the finding.
    """
    silent, unclosed = await _behind(uow)
    await finding_desk.record(uow, instruments, [*map(silence_found, silent), *map(total_owed, unclosed)])


async def count_behind(uow: UnitOfWork) -> None:
    """Say how many feeds are silent, how many owe the total of a day, and how many closed days lack records."""
    silent, unclosed = await _behind(uow)
    set_gauge("doorstep.feeds.silent", len(silent))
    set_gauge("doorstep.feeds.unclosed", len(unclosed))
    set_gauge("doorstep.feeds.incomplete", await count_open(uow, "FEED-GAP"))


async def _behind(uow: UnitOfWork) -> tuple[list[Feed], list[Feed]]:
    feeds = await store.load_feeds(uow)
    silent = [feed for feed in feeds if feed.is_silent(uow.real_now)]
    return silent, [feed for feed in feeds if feed.owes_total(uow.real_now)]
