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
    close_day,
    gap_found,
    gap_id,
    silence_found,
    total_owed,
    total_refused,
    total_statement,
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

WATCH: Final = "compliance.feeds_watch"


async def hear_records(
    uow: UnitOfWork, instruments: Instruments, records: Sequence[tuple[str, int, FeedChannel]]
) -> None:
    """New records (source, number, channel) came in. Those that a closed day lacked make it complete.

    Who only repeats what it said before has not spoken. The feeds are locked.
    """
    spoken: dict[str, set[FeedChannel]] = {}
    for source, _, channel in records:
        spoken.setdefault(source, set()).add(channel)
    await store.hear(uow, spoken)
    for day in await store.load_days_of(uow, [(source, number) for source, number, _ in records]):
        await _judge_day(uow, instruments, day)


async def close(uow: UnitOfWork, instruments: Instruments, feed: Feed, body: CloseFeedDay, *, by_whom: str) -> FeedDay:
    """Close a day with its total; the same total again changes nothing. The feed is locked.

    Raises FeedTotalUnsigned, FeedDayOutOfOrder, FeedDayNotOver.
    """
    source = feed.source
    statement = total_statement(source, body.day, last_number=body.last_number, records=body.records)
    problem = total_refused(feed, statement, body.signature)
    if problem is not None:
        raise problem
    if body.day > (uow.now + EARLIEST_DATE).date():
        raise FeedDayNotOver()
    previous = (await store.load_last_days(uow, [source])).get(source)
    same = previous is not None and (previous.day, previous.last_number, previous.records) == (
        body.day, body.last_number, body.records
    )  # fmt: skip
    if previous is not None and same:
        return previous
    day = close_day(previous, source=source, day=body.day, last_number=body.last_number, records=body.records)
    signature = None if feed.total_key is None else body.signature
    await store.insert_day(uow, day, by_whom=by_whom, signature=signature)
    await store.hear(uow, {source: ()})
    await append_leaves(uow, instruments.cipher, [_leaf(day, uow, key=feed.total_key, signature=signature)])
    await _judge_day(uow, instruments, day)
    return day


async def _judge_day(uow: UnitOfWork, instruments: Instruments, day: FeedDay) -> None:
    # The finding's own lock: people take their steps under it.
    await uow.lock_parties([gap_id(day)])
    found = gap_found(day, known=await store.count_known(uow, day), missing=await store.load_missing(uow, day))
    standing = (await load_current(uow, [gap_id(day)])).get(gap_id(day))
    after = found_again(standing, found, repaired="the missing records came later")
    await finding_desk.record(uow, instruments, [] if after is None else [after])


def _leaf(day: FeedDay, uow: UnitOfWork, *, key: str | None, signature: str | None) -> NewLeaf:
    """Where the source signs, its key and signature stand in the leaf, so that anybody can check its word."""
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
            **({} if key is None else {"key": key, "signature": signature}),
        },
    )


async def look_for_silence(uow: UnitOfWork, instruments: Instruments) -> None:
    """Open a finding for each feed that has fallen silent or closes no days, and count the days that lack records.

    Decisions see the silence themselves, without the finding.
    """
    feeds = await store.load_feeds(uow)
    silent = [feed for feed in feeds if feed.is_silent(uow.real_now)]
    unclosed = [feed for feed in feeds if feed.owes_total(uow.real_now)]
    set_gauge("doorstep.feeds.silent", len(silent))
    set_gauge("doorstep.feeds.incomplete", await count_open(uow, "FEED-GAP"))
    found = [*map(silence_found, silent), *map(total_owed, unclosed)]
    await finding_desk.record(uow, instruments, found)
