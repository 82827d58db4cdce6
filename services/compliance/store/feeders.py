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
SELECT service, count(*) AS shards, min(low_watermark) AS low_watermark FROM feeder_watermark
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
    rows = await uow.sql.fetch(_WATERMARKS, list(FEEDERS))
    return watermarks_of((row["service"], row["shards"], row["low_watermark"]) for row in rows)


def watermarks_of(heard: Iterable[tuple[str, int, datetime]]) -> dict[str, datetime | None]:
    """The low watermark of each feeder, of what was heard by service: from how many partitions, and the oldest."""
    found = {service: (shards, oldest) for service, shards, oldest in heard}
    return {
        service: found[service][1]
        if service in found and found[service][0] >= PARTITIONS * len(heartbeat_topics(service))
        else None
        for service in FEEDERS
    }


def _suspended_text(suspended: Mapping[str, str]) -> str:
    return "\n".join(f"{core}\t{cause}" for core, cause in sorted(suspended.items()))


def suspended_of(text: str) -> list[tuple[str, str]]:
    """The cores that a feeder tells not to believe, each with the cause."""
    return [(core, cause) for line in text.splitlines() for core, _, cause in [line.partition("\t")]]
