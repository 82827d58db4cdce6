"""This service's heartbeat: a low watermark on every partition it writes, through its own outbox.

The low watermark is the real time up to which the service has processed all its inputs and committed what follows from
them. It is written behind those facts into the same outbox, so on each partition it arrives behind them. Parties that
are parked, held behind a gap or blocked in the relay are named: for these the watermark says nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from shared.database.engine import Database
from shared.database.unit_of_work import UnitOfWork
from shared.events import NewEvent
from shared.events.base import MAX_ITEMS
from shared.events.catalogue import HEARTBEAT
from shared.events.platform import ServiceHeartbeat
from shared.events.topics import PARTITIONS, TOPICS, heartbeat_topics
from shared.ids import derived_id
from shared.messaging.liveness import Pulse
from shared.messaging.partitioning import partition_of
from shared.messaging.periodic import Periodic
from shared.messaging.subscription import SuspendedFeeds
from shared.telemetry import metrics

_TAKE_TURN = """
INSERT INTO heartbeat_turn AS t (sent_at) VALUES ($1)
ON CONFLICT (only_row) DO UPDATE SET sent_at = excluded.sent_at WHERE t.sent_at <= $2
RETURNING sent_at
"""

_READ_UP_TO = """
SELECT min(caught_up_to), count(caught_up_to) FROM consumer_position
WHERE topic = ANY($1::text[])
"""

# What a foreign topic led to waits for its way to a topic of our own that we read ourselves.
_ON_THEIR_WAY = """
SELECT min(o.created_at) FROM outbox_pending p JOIN outbox o USING (seq)
WHERE p.topic = ANY($1::text[]) AND NOT p.housekeeping
"""
# Between Kafka's acknowledgement and the fetch that shows the record; longer ways are seen as pending.
_SECOND_HOP = timedelta(seconds=5)

# How many partitions a foreign topic has, its owner knows; those assigned to us have rows.
_FOREIGN_READ_UP_TO = """
SELECT f.topic, CASE WHEN count(*) = count(p.caught_up_to) THEN min(p.caught_up_to) END AS read_up_to
FROM unnest($1::text[]) AS f(topic) LEFT JOIN consumer_position p USING (topic)
GROUP BY f.topic
"""

# Commands in flight: what they decided may carry an earlier time than their commit.
_OLDEST_WRITER = """
SELECT min(xact_start) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
"""

_INCOMPLETE = """
SELECT party_id FROM parked_party WHERE known UNION SELECT party_id FROM waiting_record WHERE behind = 'gap'
"""

# Heartbeats that Kafka has not taken are replaced, so that an outage does not pile them up.
_REPLACE = """
WITH old AS (DELETE FROM outbox_pending WHERE housekeeping RETURNING seq)
DELETE FROM outbox USING old WHERE outbox.seq = old.seq
"""


class Heartbeats(Periodic):
    """Sends the heartbeat, from one of the service's processes at a time."""

    def __init__(
        self, database: Database, *, reads: Sequence[str], pulse: Pulse, foreign: Sequence[str] = (),
        suspended_feeds: SuspendedFeeds | None = None,
    ) -> None:  # fmt: skip
        self._period = database.settings.heartbeat_seconds
        super().__init__("heartbeats", period_seconds=self._period, pulse=pulse)
        self._database = database
        self._reads = list(reads)
        self._foreign = list(foreign)
        self._suspended_feeds = suspended_feeds
        self._writes = heartbeat_topics(database.service)

    async def once(self) -> float:
        """Send one heartbeat; returns the period."""
        await self.send()
        return self._period

    async def send(self) -> bool:
        """Send one heartbeat to every partition, if it is our turn and the inputs have been read at all."""
        async with self._database.unit_of_work() as uow:
            due = uow.real_now - timedelta(seconds=self._period * 0.8)
            if await uow.sql.fetchval(_TAKE_TURN, uow.real_now, due) is None:
                return False
            watermark = await low_watermark(uow, self._reads, foreign=self._foreign)
            if watermark is None:
                return False
            metrics.set_gauge("doorstep.watermark.age", (uow.real_now - watermark).total_seconds())
            incomplete = _by_partition([row[0] for row in await uow.sql.fetch(_INCOMPLETE)])
            blocked = _by_partition(await _blocked_parties(uow))
            suspended = {} if self._suspended_feeds is None else dict(await self._suspended_feeds(uow))
            await uow.sql.execute(_REPLACE)
            for topic in self._writes:
                for partition in range(TOPICS[topic].partitions):
                    # Too many to name: silence makes the readers treat everybody as stale, which is the truth.
                    if max(len(incomplete[partition]), len(blocked[partition])) <= MAX_ITEMS:
                        named = incomplete[partition], blocked[partition]
                        uow.emit(self._event(uow, topic, partition, watermark, *named, suspended))
        return True

    def _event(
        self,
        uow: UnitOfWork,
        topic: str,
        partition: int,
        watermark: datetime,
        incomplete: list[UUID],
        blocked: list[UUID],
        suspended: dict[str, str],
    ) -> NewEvent[ServiceHeartbeat]:
        data = ServiceHeartbeat(
            service=uow.service,
            topic=topic,
            partition=partition,
            sent_at=uow.real_now,
            low_watermark=watermark,
            parked_parties=incomplete,
            blocked_parties=blocked,
            suspended_feeds=suspended,
        )
        return NewEvent(
            type=HEARTBEAT,
            party_id=None,
            aggregate_id=derived_id("heartbeat", uow.service, topic, str(partition)),
            data=data,
            time=uow.now,
            topic=topic,
            partition=partition,
        )


async def low_watermark(uow: UnitOfWork, reads: Sequence[str], *, foreign: Sequence[str] = ()) -> datetime | None:
    """Real time up to which every partition of `reads` and `foreign` is processed; None while one was never read."""
    row = await uow.sql.fetchrow(_READ_UP_TO, list(reads))
    if row[1] < sum(TOPICS[topic].partitions for topic in reads):
        return None
    candidates: list[datetime | None] = [row[0]]
    if foreign:
        beyond = [found["read_up_to"] for found in await uow.sql.fetch(_FOREIGN_READ_UP_TO, list(foreign))]
        if None in beyond or row[0] is None:
            return None
        candidates += [*beyond, row[0] - _SECOND_HOP, await uow.sql.fetchval(_ON_THEIR_WAY, list(reads))]
    candidates += [await uow.sql.fetchval(_OLDEST_WRITER), uow.real_now]
    return min(moment for moment in candidates if moment is not None)


async def _blocked_parties(uow: UnitOfWork) -> list[UUID]:
    parties: list[UUID] = []
    for row in await uow.sql.fetch("SELECT DISTINCT key FROM outbox_blocked"):
        with suppress(ValueError):  # events without a party have the key '-'
            parties.append(UUID(bytes(row[0]).decode()))
    return parties


def _by_partition(parties: Sequence[UUID]) -> defaultdict[int, list[UUID]]:
    result: defaultdict[int, list[UUID]] = defaultdict(list)
    for party_id in sorted(parties):
        result[partition_of(str(party_id).encode(), PARTITIONS)].append(party_id)
    return result
