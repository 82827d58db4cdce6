"""Which relay publishes which shard. A shard is one Kafka partition of one topic.

A relay leases shards; each takeover raises the shard's *epoch*, and a lease is only renewed by the epoch it was taken
with, so that a relay that slept through its lease learns that it lost it. Leases run on the database's own real clock.

What correctness needs and what leases add: a relay sends the unpublished rows of a key in order and goes on only after
acknowledgement, so even two relays on one shard give the first copies of events in order; what they add are duplicates,
which readers know by id. Leases keep those rare and share the work.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

from shared.database.engine import Database
from shared.database.unit_of_work import UnitOfWork
from shared.events.topics import TOPICS

LEASE_SECONDS = 6.0
_LEASE = timedelta(seconds=LEASE_SECONDS)
Shard = tuple[str, int]

_DECLARE = """
INSERT INTO relay_shard (topic, partition) SELECT * FROM unnest($1::text[], $2::smallint[]) ON CONFLICT DO NOTHING
"""

_JOIN = """
INSERT INTO relay_member (owner, leased_until) VALUES ($1, clock_timestamp() + $2)
ON CONFLICT (owner) DO UPDATE SET leased_until = excluded.leased_until
"""

_FORGET_DEAD = "DELETE FROM relay_member WHERE leased_until < clock_timestamp()"
_LEAVE = "DELETE FROM relay_member WHERE owner = $1"

_RENEW = """
UPDATE relay_shard s SET leased_until = clock_timestamp() + $4
FROM unnest($1::text[], $2::smallint[], $3::bigint[]) AS mine(topic, partition, epoch)
WHERE s.topic = mine.topic AND s.partition = mine.partition AND s.epoch = mine.epoch
RETURNING s.topic, s.partition, s.epoch
"""

_CLAIM = """
UPDATE relay_shard s SET owner = $1, epoch = s.epoch + 1, leased_until = clock_timestamp() + $2
FROM (
    SELECT topic, partition FROM relay_shard
    WHERE (leased_until IS NULL OR leased_until < clock_timestamp()) AND topic = ANY($4::text[])
    ORDER BY topic, partition LIMIT $3 FOR UPDATE SKIP LOCKED
) AS free
WHERE s.topic = free.topic AND s.partition = free.partition
RETURNING s.topic, s.partition, s.epoch
"""

_RELEASE = """
UPDATE relay_shard s SET owner = NULL, leased_until = NULL
FROM unnest($1::text[], $2::smallint[], $3::bigint[]) AS mine(topic, partition, epoch)
WHERE s.topic = mine.topic AND s.partition = mine.partition AND s.epoch = mine.epoch
"""


class RelayShards:
    """The shards one relay holds. `renew` is to be called about three times per lease."""

    def __init__(self, database: Database, *, owner: str, topics: Sequence[str]) -> None:
        self._database = database
        self._owner = owner
        self._topics = list(topics)
        self._epochs: dict[Shard, int] = {}
        self._held_until = 0.0

    def held(self, topic: str) -> list[int]:
        """The partitions of `topic` that are ours; none when the lease may have run out while we slept."""
        if time.monotonic() >= self._held_until:
            return []
        return sorted(partition for held_topic, partition in self._epochs if held_topic == topic)

    def holds(self, topic: str, partition: int) -> bool:
        """Whether the shard is surely still ours; checked before each wave."""
        return (topic, partition) in self._epochs and time.monotonic() < self._held_until

    async def declare(self) -> None:
        """Make the rows of all shards of our topics. Idempotent."""
        shards = [(topic, partition) for topic in self._topics for partition in range(TOPICS[topic].partitions)]
        async with self._database.unit_of_work() as uow:
            await uow.sql.execute(_DECLARE, [shard[0] for shard in shards], [shard[1] for shard in shards])

    async def renew(self) -> None:
        """Renew what we hold, then take free shards up to our fair share, or give back what exceeds it."""
        # The local end of the lease is counted from before the statement: it ends here before it ends there.
        before = time.monotonic()
        async with self._database.unit_of_work() as uow:
            await uow.sql.execute(_JOIN, self._owner, _LEASE)
            await uow.sql.execute(_FORGET_DEAD)
            members = int(await uow.sql.fetchval("SELECT count(*) FROM relay_member"))
            total = sum(TOPICS[topic].partitions for topic in self._topics)
            fair_share = -(-total // max(members, 1))
            held = _epochs(await uow.sql.fetch(_RENEW, *_columns(self._epochs), _LEASE))
            surplus = dict(sorted(held.items())[fair_share:])
            if surplus:
                await _release(uow, surplus)
            elif len(held) < fair_share:
                missing = fair_share - len(held)
                held |= _epochs(await uow.sql.fetch(_CLAIM, self._owner, _LEASE, missing, self._topics))
        self._epochs = {shard: epoch for shard, epoch in held.items() if shard not in surplus}
        self._held_until = before + LEASE_SECONDS

    async def release(self) -> None:
        """Give all shards back, so that another relay need not wait for the lease to run out."""
        epochs, self._epochs = self._epochs, {}
        async with self._database.unit_of_work() as uow:
            await _release(uow, epochs)
            await uow.sql.execute(_LEAVE, self._owner)


async def _release(uow: UnitOfWork, epochs: Mapping[Shard, int]) -> None:
    await uow.sql.execute(_RELEASE, *_columns(epochs))


def _columns(epochs: Mapping[Shard, int]) -> tuple[list[str], list[int], list[int]]:
    ordered = sorted(epochs.items())
    return [shard[0] for shard, _ in ordered], [shard[1] for shard, _ in ordered], [epoch for _, epoch in ordered]


def _epochs(rows: Sequence[Mapping[str, object]]) -> dict[Shard, int]:
    return {(str(row["topic"]), int(str(row["partition"]))): int(str(row["epoch"])) for row in rows}
