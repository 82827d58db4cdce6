"""Whether a service has nothing left to do: what a stepped clock asks before it advances."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.database.engine import Database
from shared.database.unit_of_work import UnitOfWork
from shared.events.topics import TOPICS
from shared.messaging import intent_store, outbox
from shared.messaging.connection import KAFKA_TIMEOUT_SECONDS, client_options

_SETTLE_SECONDS = 1.5
_LOOK_AGAIN_SECONDS = 0.05

_POSITIONS = "SELECT topic, partition, next_offset FROM consumer_position WHERE topic = ANY($1::text[])"
_HELD = "SELECT count(*) FROM waiting_record WHERE behind = 'gap'"


@dataclass(frozen=True, slots=True)
class Quiet:
    """What is left: events not acknowledged by Kafka, records not processed, intents due, records held behind a gap.

    Heartbeats count nowhere. Parked parties do not count either: they wait for a person.
    """

    outbox: int
    unread: int
    intents: int
    held: int

    @property
    def quiet(self) -> bool:
        """Nothing is left."""
        return not (self.outbox or self.unread or self.intents or self.held)


class QuietProbe:
    """Asks PostgreSQL and Kafka. The Kafka client is made at the first question and kept."""

    def __init__(self, database: Database, *, reads: Sequence[str]) -> None:
        self._database = database
        self._reads = list(reads)
        self._client: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()

    async def ask(self) -> Quiet:
        """How much is left. Raises KafkaError or TimeoutError while Kafka is away (then nothing is quiet)."""
        async with self._lock:
            unread = await self._unread()
        # After the inputs: what they led to is in these tables by now.
        async with self._database.read_only() as uow:
            left = Quiet(
                outbox=await outbox.count_pending(uow),
                unread=unread,
                intents=await intent_store.count_due(uow),
                held=int(await uow.sql.fetchval(_HELD)),
            )
        if left.intents:
            self._database.intents_committed.send()  # a stepped clock makes intents due without any commit
        return left

    async def close(self) -> None:
        """Close the Kafka client."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(KAFKA_TIMEOUT_SECONDS):
                    await client.stop()

    async def _unread(self) -> int:
        """Records before the present log ends that are not processed yet; waits a moment for heartbeats to pass."""
        if not self._reads:
            return 0
        ends = await self._log_ends()
        until = time.monotonic() + _SETTLE_SECONDS
        while True:
            async with self._database.read_only() as uow:
                positions = await self._positions(uow)
            unread = sum(max(0, end - positions.get(place, 0)) for place, end in ends.items() if end)
            if not unread or time.monotonic() >= until:
                return unread
            self._database.positions_wanted.send()  # records without effect move a position only now and then
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _log_ends(self) -> dict[tuple[str, int], int]:
        try:
            async with asyncio.timeout(KAFKA_TIMEOUT_SECONDS):
                client = await self._started()
                prefix = self._database.settings.prefix
                places = {
                    TopicPartition(prefix + topic, partition): (topic, partition)
                    for topic in self._reads
                    for partition in range(TOPICS[topic].partitions)
                }
                ends = await client.end_offsets(list(places))
        except (KafkaError, TimeoutError):
            await self.close()
            raise
        return {places[place]: end for place, end in ends.items()}

    async def _started(self) -> AIOKafkaConsumer:
        if self._client is None:
            options = client_options(self._database.settings, client_id=f"{self._database.service}-quiet")
            client = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False)
            self._client = client
            await client.start()
        return self._client

    async def _positions(self, uow: UnitOfWork) -> dict[tuple[str, int], int]:
        rows = await uow.sql.fetch(_POSITIONS, self._reads)
        return {(row[0], row[1]): row[2] for row in rows}
