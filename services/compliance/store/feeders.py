"""The SQL of the feeders: how far each has told us all, whom it names apart, and which cores are not believed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.database import UnitOfWork
from shared.events.platform import ServiceHeartbeat
from shared.events.topics import PARTITIONS, heartbeat_topics

FEEDERS: Final = ("intake", "assignment", "visits", "plans")
_WATERMARKS = """
SELECT service, count(*) AS shards, min(low_watermark) AS low_watermark, max(suspended_feeds) AS suspended_feeds
FROM feeder_watermark
WHERE service = ANY($1::text[]) GROUP BY service
"""
_NAMED_BY = """
SELECT DISTINCT unnest(named_parties) AS party_id FROM feeder_watermark WHERE service = ANY($1::text[])
"""
_HEARD = """
INSERT INTO feeder_watermark AS w (service, topic, partition, low_watermark, named_parties, suspended_feeds)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (service, topic, partition) DO UPDATE
SET low_watermark = excluded.low_watermark, named_parties = excluded.named_parties,
    suspended_feeds = excluded.suspended_feeds
WHERE w.low_watermark <= excluded.low_watermark
"""


async def hear(uow: UnitOfWork, heartbeats: Sequence[ServiceHeartbeat]) -> None:
    """Keep the low watermark of each (service, topic, partition); it never goes back."""
    latest = {(beat.service, beat.topic, beat.partition): beat for beat in heartbeats}
    if latest:
        await uow.sql.executemany(
            _HEARD,
            [
                (
                    service,
                    topic,
                    partition,
                    beat.low_watermark,
                    sorted({*beat.parked_parties, *beat.blocked_parties}),
                    _suspended_text(beat.suspended_feeds),
                )
                for (service, topic, partition), beat in sorted(latest.items())
            ],
        )


async def load_named(uow: UnitOfWork, services: Iterable[str]) -> set[UUID]:
    """The parties that the services named last as parked or blocked."""
    return {row["party_id"] for row in await uow.sql.fetch(_NAMED_BY, sorted(set(services)))}


async def load_watermarks(uow: UnitOfWork) -> dict[str, datetime | None]:
    """The low watermark of each feeder.

    The oldest over all partitions of its topics, None while one was never heard.
    """
    return (await load_feeders(uow))[0]


async def load_feeders(uow: UnitOfWork) -> tuple[dict[str, datetime | None], dict[str, str]]:
    """The low watermarks, and the cores that are not believed at the moment, each with the cause.

    A suspension that one partition still tells stands: the heartbeats that end it are on their way.
    """
    rows = {row["service"]: row for row in await uow.sql.fetch(_WATERMARKS, list(FEEDERS))}
    suspended = {core: cause for row in rows.values() for core, cause in _suspended_of(row["suspended_feeds"])}
    watermarks = {
        service: row["low_watermark"]
        if (row := rows.get(service)) is not None and row["shards"] >= PARTITIONS * len(heartbeat_topics(service))
        else None
        for service in FEEDERS
    }
    return watermarks, suspended


def _suspended_text(suspended: Mapping[str, str]) -> str:
    return "\n".join(f"{core}\t{cause}" for core, cause in sorted(suspended.items()))


def _suspended_of(text: str) -> list[tuple[str, str]]:
    return [(core, cause) for line in text.splitlines() for core, _, cause in [line.partition("\t")]]
