"""The SQL of feeds: when they were heard, the days they closed, the numbers that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import asyncpg

from services.compliance.domain.feeds import Feed, FeedChannel, FeedDay
from shared.database import UnitOfWork

_DECLARE = """
INSERT INTO feed (tenant, source, kind, client_id, channels, silent_after_hours, heard_real, total_key,
                  closed_real)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (tenant, source) DO UPDATE
SET kind = excluded.kind, client_id = excluded.client_id, channels = excluded.channels,
    silent_after_hours = excluded.silent_after_hours, total_key = excluded.total_key
"""
_HEARD = """
UPDATE feed f SET heard_real = greatest(f.heard_real, $4),
  channels = ARRAY(SELECT DISTINCT c FROM unnest(f.channels || string_to_array(h.channels, ',')) AS c ORDER BY c)
FROM unnest($2::text[], $3::text[]) AS h(source, channels)
WHERE f.tenant = $1 AND f.source = h.source
"""
_FEEDS = "SELECT * FROM feed WHERE tenant = $1 ORDER BY source"
SILENT = """
SELECT channel, source FROM feed CROSS JOIN unnest(channels) AS channel
WHERE tenant = $1 AND ended_real IS NULL
  AND (heard_real + make_interval(hours => silent_after_hours) < $2 OR closed_real + $3 < $2)
"""
"""The feeds of a tenant that are silent at a moment, or close no days within an interval, with what they close."""
_LAST_DAYS = """
SELECT DISTINCT ON (source) source, day, first_number, last_number, records FROM feed_day
WHERE tenant = $1 AND source = ANY($2::text[]) ORDER BY source, day DESC
"""
_DAY_OF = """
SELECT DISTINCT d.source, d.day, d.first_number, d.last_number, d.records
FROM unnest($2::text[], $3::bigint[]) AS n(source, number)
JOIN feed_day d ON d.tenant = $1 AND d.source = n.source AND n.number BETWEEN d.first_number AND d.last_number
ORDER BY d.source, d.day
"""
_CLOSED = "UPDATE feed SET closed_real = greatest(closed_real, $3) WHERE tenant = $1 AND source = $2"
_END = "UPDATE feed SET ended_real = $3 WHERE tenant = $1 AND source = $2"
_BEGIN_AGAIN = """
UPDATE feed SET ended_real = NULL, heard_real = $3, closed_real = $3 WHERE tenant = $1 AND source = $2
"""
_CLOSE = """
INSERT INTO feed_day (tenant, source, day, first_number, last_number, records, by_whom, recorded_real, signature)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_KNOWN = "SELECT count(*) FROM feed_number WHERE tenant = $1 AND source = $2 AND number BETWEEN $3 AND $4"
_MISSING = """
SELECT number + 1 AS first, later - 1 AS last FROM (
    SELECT number, lead(number) OVER (ORDER BY number) AS later FROM (
        SELECT $3::bigint - 1 AS number UNION ALL SELECT $4::bigint + 1
        UNION ALL SELECT number FROM feed_number WHERE tenant = $1 AND source = $2 AND number BETWEEN $3 AND $4
    ) AS numbers
) AS steps WHERE later > number + 1 ORDER BY number LIMIT 10
"""


async def declare(uow: UnitOfWork, feed: Feed) -> None:
    """Keep what a feed must do. One that is new counts as heard now: its silence begins with its declaration."""
    await uow.sql.execute(
        _DECLARE,
        uow.tenant,
        feed.source,
        feed.kind,
        feed.client_id,
        sorted(feed.channels),
        feed.silent_after_hours,
        feed.heard_real,
        feed.total_key,
        feed.closed_real,
    )


async def hear(uow: UnitOfWork, spoken: Mapping[str, Iterable[FeedChannel]]) -> None:
    """The declared feeds were heard now, of these channels."""
    if spoken:
        channels = [",".join(sorted(set(of_feed))) for of_feed in spoken.values()]
        await uow.sql.execute(_HEARD, uow.tenant, list(spoken), channels, uow.real_now)


async def load_feeds(uow: UnitOfWork) -> list[Feed]:
    """All feeds."""
    return [
        Feed(
            source=row["source"],
            kind=row["kind"],
            client_id=row["client_id"],
            channels=tuple(row["channels"]),
            silent_after_hours=row["silent_after_hours"],
            heard_real=row["heard_real"],
            closed_real=row["closed_real"],
            total_key=row["total_key"],
            ended_real=row["ended_real"],
        )
        for row in await uow.sql.fetch(_FEEDS, uow.tenant)
    ]


async def load_last_days(uow: UnitOfWork, sources: Iterable[str]) -> dict[str, FeedDay]:
    """The last closed day of each feed."""
    return {row["source"]: _day(row) for row in await uow.sql.fetch(_LAST_DAYS, uow.tenant, sorted(set(sources)))}


async def load_days_of(uow: UnitOfWork, numbers: Sequence[tuple[str, int]]) -> list[FeedDay]:
    """The closed days to which the (source, number) belong."""
    rows = await uow.sql.fetch(_DAY_OF, uow.tenant, [one[0] for one in numbers], [one[1] for one in numbers])
    return [_day(row) for row in rows]


async def end(uow: UnitOfWork, source: str) -> None:
    """Nobody speaks for it any more."""
    await uow.sql.execute(_END, uow.tenant, source, uow.real_now)


async def begin_again(uow: UnitOfWork, source: str) -> None:
    """It may be spoken for again; its silence begins now."""
    await uow.sql.execute(_BEGIN_AGAIN, uow.tenant, source, uow.real_now)


async def insert_day(
    uow: UnitOfWork, day: FeedDay, *, closed_until: datetime, by_whom: str, signature: str | None
) -> None:
    """Close the day. `signature`: of the source itself, in base64."""
    await uow.sql.execute(
        _CLOSE, uow.tenant, day.source, day.day, day.first_number, day.last_number, day.records, by_whom, uow.real_now,
        signature,
    )  # fmt: skip
    await uow.sql.execute(_CLOSED, uow.tenant, day.source, closed_until)


async def count_known(uow: UnitOfWork, day: FeedDay) -> int:
    """How many of the day's numbers have a record."""
    return int(await uow.sql.fetchval(_KNOWN, uow.tenant, day.source, day.first_number, day.last_number))


async def load_missing(uow: UnitOfWork, day: FeedDay) -> list[tuple[int, int]]:
    """The first ranges of the day's numbers that have no record, both ends included."""
    rows = await uow.sql.fetch(_MISSING, uow.tenant, day.source, day.first_number, day.last_number)
    return [(row["first"], row["last"]) for row in rows]


def _day(row: asyncpg.Record) -> FeedDay:
    return FeedDay(
        source=row["source"],
        day=row["day"],
        first_number=row["first_number"],
        last_number=row["last_number"],
        records=row["records"],
    )
