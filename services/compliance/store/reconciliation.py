"""The SQL of reconciliation: what the inbox has taken over, and which hours were compared with their publisher."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from services.compliance.domain.reconciliation import ComparedHour, Stream
from shared.database import UnitOfWork
from shared.messaging.digests import lowest_id

_LATE_SHOWN: Final = 1_000

# Events that a dead letter or a gap holds back have been read, not taken over.
_TAKEN: Final = """
SELECT event_id FROM inbox
WHERE source = $1 AND topic = $2 AND event_id >= $3 AND event_id < $4 AND outcome NOT IN ('waiting', 'dead')
"""
_HELD: Final = "SELECT event_id, outcome FROM inbox WHERE source = $1 AND event_id = ANY($2::text[])"
_COMPARED_UP_TO: Final = """
SELECT service, topic, max(hour) FROM reconciled_hour WHERE tenant = $1 GROUP BY service, topic
"""
_WATERMARKS: Final = "SELECT service, min(low_watermark) FROM feeder_watermark GROUP BY service"
_DUE: Final = """
SELECT service, topic, hour, compared_real FROM reconciled_hour WHERE tenant = $1 AND due
ORDER BY compared_real, service, topic, hour LIMIT $2
"""
_FORGET_OLD: Final = "UPDATE reconciled_hour SET due = false WHERE tenant = $1 AND due AND hour < $2"
# An event that came now and belongs to an hour compared before: that hour is compared again.
_LATE: Final = """
UPDATE reconciled_hour r SET due = true
FROM (
    SELECT DISTINCT substr(source, length($3::text) + 1) AS service, topic,
           date_trunc('hour', to_timestamp(('x' || substr(event_id, 1, 8) || substr(event_id, 10, 4))::bit(48)::bigint
                                           / 1000.0), 'UTC') AS hour
    FROM inbox
    WHERE recorded_at >= $4 AND recorded_at < $5 AND event_id < $6 AND event_id ~ $2
) AS late
WHERE r.tenant = $1 AND r.service = late.service AND r.topic = late.topic AND r.hour = late.hour AND NOT r.due
"""
_STRAYS: Final = """
SELECT i.source, i.topic, i.event_id, i.recorded_at FROM inbox i
WHERE i.recorded_at >= $1 AND i.recorded_at < $2
  AND (i.event_id !~ $3 OR i.event_id < $4
       OR NOT EXISTS (SELECT FROM unnest($5::text[], $6::text[]) AS s(source, topic)
                      WHERE s.source = i.source AND s.topic = i.topic))
ORDER BY i.recorded_at, i.event_id LIMIT $7
"""
_SAVE: Final = """
INSERT INTO reconciled_hour AS r
  (tenant, service, topic, hour, published, applied, differs, due, missing, extra, compared_real)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10)
ON CONFLICT (tenant, service, topic, hour) DO UPDATE
SET published = excluded.published, applied = excluded.applied, differs = excluded.differs, due = excluded.due,
    missing = excluded.missing, extra = excluded.extra, compared_real = excluded.compared_real
"""
_DIFFERENCES: Final = "SELECT count(*) FROM reconciled_hour WHERE tenant = $1 AND differs"
_LIST: Final = """
SELECT * FROM reconciled_hour
WHERE tenant = $1 AND ($2::timestamptz IS NULL OR (hour, service, topic) > ($2, $3::text, $4::text))
  AND ($5::bool IS NULL OR differs = $5) AND ($6::text IS NULL OR service = $6)
ORDER BY hour, service, topic LIMIT $7
"""
# UUIDv7 as text; anything else names no moment.
_ID_FORM: Final = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueHour:
    """An hour that differed, or got an event since it was compared (real time)."""

    stream: Stream
    hour: datetime
    compared_real: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """An event in the inbox that no service can have published when its id says so."""

    source: str
    topic: str
    event_id: str
    recorded_real: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptHour:
    """A compared hour as it is kept."""

    compared: ComparedHour
    compared_real: datetime


async def load_taken(uow: UnitOfWork, source: str, topic: str, *, since: datetime, until: datetime) -> list[str]:
    """The ids of [since, until) that were taken over."""
    rows = await uow.sql.fetch(_TAKEN, source, topic, lowest_id(since), lowest_id(until))
    return [row[0] for row in rows]


async def load_held(uow: UnitOfWork, source: str, ids: Collection[str]) -> dict[str, str]:
    """What became of those of the ids that were read at all."""
    return dict(await uow.sql.fetch(_HELD, source, sorted(ids)))


async def load_progress(uow: UnitOfWork) -> dict[Stream, datetime]:
    """The last compared hour of each stream."""
    return {Stream(row[0], row[1]): row[2] for row in await uow.sql.fetch(_COMPARED_UP_TO, uow.tenant)}


async def load_watermarks(uow: UnitOfWork) -> dict[str, datetime]:
    """How far each feeder has come, on all its partitions."""
    return dict(await uow.sql.fetch(_WATERMARKS))


async def load_due(uow: UnitOfWork, *, limit: int) -> list[DueHour]:
    """Hours to be compared again, those that waited longest first."""
    return [
        DueHour(stream=Stream(row["service"], row["topic"]), hour=row["hour"], compared_real=row["compared_real"])
        for row in await uow.sql.fetch(_DUE, uow.tenant, limit)
    ]


async def mark_late(
    uow: UnitOfWork, *, source_prefix: str, since: datetime, until: datetime, before_hour: datetime
) -> None:
    """Hours before `before_hour` that got an event in [since, until) are to be compared again."""
    await uow.sql.execute(_LATE, uow.tenant, _ID_FORM, source_prefix, since, until, lowest_id(before_hour))


async def forget_old(uow: UnitOfWork, *, before: datetime) -> None:
    """Publishers forget what they sent: hours before `before` are not compared again. Their findings stay."""
    await uow.sql.execute(_FORGET_OLD, uow.tenant, before)


async def load_strays(
    uow: UnitOfWork, publishers: Sequence[tuple[str, str]], *, since: datetime, until: datetime, oldest: datetime
) -> list[Stray]:
    """Events read in [since, until) whose id names no moment or one before `oldest`, or whose (source, topic) is not
    one of `publishers`.
    """
    sources, topics = [one[0] for one in publishers], [one[1] for one in publishers]
    rows = await uow.sql.fetch(_STRAYS, since, until, _ID_FORM, lowest_id(oldest), sources, topics, _LATE_SHOWN)
    return [
        Stray(
            source=row["source"], topic=row["topic"], event_id=row["event_id"], recorded_real=row["recorded_at"]
        )
        for row in rows
    ]  # fmt: skip


async def save_hours(uow: UnitOfWork, hours: Iterable[ComparedHour]) -> None:
    """Keep how the hours compare now. One that differs stays due."""
    await uow.sql.executemany(
        _SAVE,
        [
            (
                uow.tenant,
                one.stream.service,
                one.stream.topic,
                one.hour,
                one.published,
                one.applied,
                one.differs,
                list(one.missing),
                list(one.extra),
                uow.real_now,
            )
            for one in hours
        ],
    )


async def count_differences(uow: UnitOfWork) -> int:
    """How many hours differ."""
    return int(await uow.sql.fetchval(_DIFFERENCES, uow.tenant))


async def list_hours(
    uow: UnitOfWork,
    *,
    differing: bool | None,
    service: str | None,
    after: tuple[datetime, str, str] | None,
    limit: int,
) -> list[KeptHour]:
    """Compared hours in order of time, after (hour, service, topic)."""
    hour, last_service, last_topic = after if after is not None else (None, None, None)
    rows = await uow.sql.fetch(_LIST, uow.tenant, hour, last_service, last_topic, differing, service, limit)
    return [KeptHour(compared=_hour(row), compared_real=row["compared_real"]) for row in rows]


def _hour(row: asyncpg.Record) -> ComparedHour:
    return ComparedHour(
        stream=Stream(row["service"], row["topic"]),
        hour=row["hour"],
        published=row["published"],
        applied=row["applied"],
        differs=row["differs"],
        missing=tuple(row["missing"]),
        extra=tuple(row["extra"]),
    )
