"""The relay: from the outbox to Kafka, in order, until acknowledged.

A *wave* is at most one record batch per partition. Kafka appends a batch whole or not at all, so rows of one key may
share it; the next batch of the partition goes out only after the former was acknowledged (`acks=all`, idempotent
producer). Rows are then forgotten one by one: several transactions write the outbox at once, so a watermark would lose
the rows that commit late.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CorruptRecordException,
    InvalidMessageError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.database.engine import Database
from shared.database.unit_of_work import UnitOfWork
from shared.events.codec import Header
from shared.messaging.backoff import backoff_seconds
from shared.messaging.connection import KAFKA_TIMEOUT_SECONDS, start_producer, stop_producer
from shared.messaging.failures import is_transient
from shared.messaging.liveness import Pulse
from shared.messaging.outbox import unpack_headers
from shared.messaging.relay_shards import LEASE_SECONDS, RelayShards
from shared.telemetry import metrics

log = logging.getLogger(__name__)

_FIRST_POLL_SECONDS = 0.05
_LAST_POLL_SECONDS = 0.5
# Refusals of this record, not of the moment: sending it again gives the same answer.
_REFUSALS = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidMessageError, CorruptRecordException)
_MISCONFIGURED = (TopicAuthorizationFailedError, InvalidTopicError)

# Hardly ever is a key blocked, and then the second condition is not looked at.
_PENDING = """
WITH blocked AS MATERIALIZED (SELECT key FROM outbox_blocked WHERE topic = $1)
SELECT p.seq, p.partition, p.housekeeping FROM outbox_pending p
WHERE p.topic = $1 AND p.partition = ANY($2::smallint[])
  AND (NOT EXISTS (SELECT FROM blocked)
       OR NOT EXISTS (SELECT FROM blocked b JOIN outbox o ON o.key = b.key WHERE o.seq = p.seq))
ORDER BY p.seq LIMIT $3
"""
_RECORDS = "SELECT seq, key, value, headers FROM outbox WHERE seq = ANY($1::bigint[])"

_ACKNOWLEDGE = "DELETE FROM outbox_pending WHERE topic = $1 AND seq = ANY($2::bigint[])"
_FORGET = "DELETE FROM outbox WHERE seq = ANY($1::bigint[])"

_BLOCK = """
INSERT INTO outbox_blocked (topic, key, seq, partition, reason, blocked_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""


class _Row(NamedTuple):
    seq: int
    partition: int
    key: bytes
    value: bytes
    headers: Sequence[Header]
    housekeeping: bool


@dataclass(slots=True)
class _Sent:
    """What one round achieved; forgotten in the transaction that fetches the next rows."""

    acknowledged: list[_Row] = field(default_factory=list)
    refused: list[tuple[_Row, str]] = field(default_factory=list)
    failure: BaseException | None = None


class Relay:
    """Publishes the outbox of one service: one loop per topic, so that no topic waits for another."""

    def __init__(
        self,
        database: Database,
        *,
        topics: Sequence[str],
        owner: str,
        batch_rows: int = 2_000,
        pulse: Pulse | None = None,
    ) -> None:
        self._database = database
        self._topics = list(topics)
        self._owner = owner
        self._batch_rows = batch_rows
        self._pulse = pulse or Pulse("relay")
        self._stopping = asyncio.Event()
        database.fresh_records.wanted = True
        self.shards = RelayShards(database, owner=owner, topics=topics)

    def stop(self) -> None:
        """Ask `run` to end after the waves in flight."""
        self._stopping.set()

    async def run(self) -> None:
        """Publish until stopped. Failures are retried with backoff; what is not acknowledged stays pending."""
        await self._declare()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_shards(), name="relay-shards")
                for topic in self._topics:
                    group.create_task(self._run_topic(topic), name=f"relay-{topic}")
        finally:
            with suppress(Exception):
                async with asyncio.timeout(LEASE_SECONDS):
                    await self.shards.release()

    async def _declare(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            try:
                await self.shards.declare()
                await self.shards.renew()
                return
            except Exception as error:
                attempt += 1
                await self._pause(error, attempt)

    async def _keep_shards(self) -> None:
        while not await self._stopped_within(LEASE_SECONDS / 3):
            try:
                await self.shards.renew()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("relay could not renew its shards: %r", error)

    async def _run_topic(self, topic: str) -> None:
        committed = self._database.events_committed.listen(topic)
        producer: AIOKafkaProducer | None = None
        sent = _Sent()
        attempt = 0
        poll_seconds = _FIRST_POLL_SECONDS
        try:
            while not self._stopping.is_set():
                self._pulse.beat(topic)
                committed.clear()
                try:
                    rows = await self._settle_and_fetch(topic, sent)
                    sent = _Sent()
                    if rows:
                        producer = producer or await self._start_producer(topic)
                        sent = await self._publish(producer, topic, rows)
                        poll_seconds = _FIRST_POLL_SECONDS
                    else:
                        poll_seconds = min(poll_seconds * 1.5, _LAST_POLL_SECONDS)
                        await self._wait(committed, poll_seconds)
                    if sent.failure is not None:
                        raise sent.failure
                    attempt = 0
                except Exception as error:
                    # After an unclear failure the producer's own state is unclear too: begin with a new one.
                    if producer is not None:
                        await stop_producer(producer)
                        producer = None
                    attempt += 1
                    await self._pause(error, attempt, topic=topic)
        finally:
            if producer is not None:
                await stop_producer(producer)
            if sent.acknowledged:
                with suppress(Exception):  # they would be sent again; readers know duplicates
                    await self._settle_and_fetch(topic, sent)

    async def _start_producer(self, topic: str) -> AIOKafkaProducer:
        return await start_producer(self._database.settings, client_id=f"{self._database.service}-relay-{topic}")

    async def _settle_and_fetch(self, topic: str, sent: _Sent) -> list[_Row]:
        """Forget what was acknowledged, block what was refused, and fetch the next rows: one transaction."""
        partitions = self.shards.held(topic)
        if not partitions and not sent.acknowledged and not sent.refused:
            return []
        async with self._database.unit_of_work() as uow:
            await _settle(uow, topic, sent)
            pending = await uow.sql.fetch(_PENDING, topic, partitions, self._batch_rows)
            fresh = self._database.fresh_records.take(row[0] for row in pending)
            contents = {place: (record.key, record.value, record.headers) for place, record in fresh.items()}
            if missing := [row[0] for row in pending if row[0] not in contents]:
                for place, key, value, headers in await uow.sql.fetch(_RECORDS, missing):
                    contents[place] = key, value, unpack_headers(headers)
        return [_Row(place, partition, *contents[place], housekeeping) for place, partition, housekeeping in pending]

    async def _publish(self, producer: AIOKafkaProducer, topic: str, rows: Sequence[_Row]) -> _Sent:
        started = time.perf_counter()
        by_partition: dict[int, list[_Row]] = {}
        for row in rows:
            by_partition.setdefault(row.partition, []).append(row)
        sent = _Sent()
        await asyncio.gather(
            *(self._publish_shard(producer, topic, partition, shard, sent) for partition, shard in by_partition.items())
        )
        metrics.count("doorstep.outbox.published", len(sent.acknowledged), topic=topic)
        metrics.observe("doorstep.relay.wave.duration", time.perf_counter() - started, topic=topic)
        return sent

    async def _publish_shard(
        self, producer: AIOKafkaProducer, topic: str, partition: int, rows: list[_Row], sent: _Sent
    ) -> None:
        """Send one shard's rows, batch after batch. A refused batch is sent row by row, to find which keys to block."""
        remaining = rows
        singly = 0
        try:
            # Asked before each wave: we may have slept since the last one, and another relay may own the shard now.
            while remaining and self.shards.holds(topic, partition):
                batch, taken = _batch(producer, remaining[:1] if singly else remaining)
                wave = remaining[:taken]
                try:
                    await self._send(producer, batch, topic, partition)
                except _REFUSALS as error:
                    if taken > 1:
                        singly = taken
                        continue
                    sent.refused.append((wave[0], repr(error)))
                    remaining = [row for row in remaining if row.key != wave[0].key]
                else:
                    sent.acknowledged.extend(wave)
                    remaining = remaining[taken:]
                singly = max(0, singly - 1)
        except Exception as error:  # the edge: kept, and raised after what was acknowledged has been settled
            sent.failure = error

    async def _send(self, producer: AIOKafkaProducer, batch: BatchBuilder, topic: str, partition: int) -> None:
        if not batch.record_count():
            raise MessageSizeTooLargeError("larger than a batch may be")
        async with asyncio.timeout(KAFKA_TIMEOUT_SECONDS):
            name = self._database.settings.prefix + topic
            acknowledged = await producer.send_batch(batch, name, partition=partition)
            await acknowledged

    async def _pause(self, error: BaseException, attempt: int, *, topic: str = "") -> None:
        expected = isinstance(error, KafkaError | TimeoutError | OSError) or is_transient(error)
        loud = not expected or isinstance(error, _MISCONFIGURED)
        log.log(logging.ERROR if loud else logging.WARNING, "relay %s paused: %r", topic, error, exc_info=not expected)
        await self._stopped_within(backoff_seconds(attempt, limit=5.0))

    async def _wait(self, committed: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await committed.wait()

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()


def _batch(producer: AIOKafkaProducer, rows: Sequence[_Row]) -> tuple[BatchBuilder, int]:
    """A batch of the first rows that fit, and how many they are (one, when even the first is too large to be sent)."""
    batch = producer.create_batch()
    taken = 0
    for row in rows:
        if batch.append(timestamp=None, key=row.key, value=row.value, headers=row.headers) is None:
            break
        taken += 1
    batch.close()
    return batch, max(taken, 1)


async def _settle(uow: UnitOfWork, topic: str, sent: _Sent) -> None:
    if sent.acknowledged:
        await uow.sql.execute(_ACKNOWLEDGE, topic, [row.seq for row in sent.acknowledged])
        housekeeping = [row.seq for row in sent.acknowledged if row.housekeeping]
        if housekeeping:
            await uow.sql.execute(_FORGET, housekeeping)
    for row, reason in sent.refused:
        await uow.sql.execute(_BLOCK, topic, row.key, row.seq, row.partition, reason, uow.real_now)
        log.error("relay %s: row %d refused, its key is blocked until resolved: %s", topic, row.seq, reason)


async def resolve_blocked(uow: UnitOfWork, topic: str, *, action: Literal["retry", "skip"]) -> int:
    """Free the blocked keys of `topic`; returns how many.

    `retry` sends the refused rows again (after the cause was removed). `skip` gives them up: their numbers are missing
    for the readers, who hold the stream back and ask for a snapshot.
    """
    rows = await uow.sql.fetch("DELETE FROM outbox_blocked WHERE topic = $1 RETURNING seq", topic)
    if action == "skip":
        await uow.sql.execute(_ACKNOWLEDGE, topic, [row["seq"] for row in rows])
    return len(rows)
