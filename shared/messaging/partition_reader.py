"""The batches of a topic's partitions: through the processor, whatever happens to them.

Transient failures are repeated with backoff and never bisected. An unclassified failure halves the batch until the
poison stands alone; that one is tried as if transient a few times, and then it is a dead letter. Neighbours go on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from opentelemetry.trace import SpanKind

from shared.database.engine import Database
from shared.events import Event
from shared.events.base import EventData
from shared.messaging.backoff import backoff_seconds
from shared.messaging.batch import BatchProcessor
from shared.messaging.failures import ConsumerHaltedError, PositionLostError, RecordRefusedError, is_transient
from shared.messaging.inbox import Move
from shared.messaging.joint_transactions import Batch, JointTransactions, Partition
from shared.messaging.records import Entry, RawRecord, Verdict, classify
from shared.messaging.tracing import batch_span
from shared.telemetry import metrics

log = logging.getLogger(__name__)

POISON_TRIES = 5
DECODED_RECORDS = 2_500
# A database that was away for long is noticed this soon after its return. Trying costs one refused connection.
LONGEST_PAUSE_SECONDS = 3.0


class RecordBudget:
    """How many records may be in memory as decoded events: twelve partitions' full batches would be most of our memory.

    A batch larger than the whole budget goes alone.
    """

    def __init__(self, records: int = DECODED_RECORDS) -> None:
        self._total = records
        self._free = records
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def taking(self, records: int) -> AsyncIterator[None]:
        """Hold `records` of the budget inside the context; waits until they are free."""
        share = min(records, self._total)
        async with self._changed:
            await self._changed.wait_for(lambda: self._free >= share)
            self._free -= share
        try:
            yield
        finally:
            self._free += share
            async with self._changed:
                self._changed.notify_all()


class PartitionReader:
    """Processes the record batches of partitions of one topic, and moves their positions."""

    def __init__(
        self,
        database: Database,
        processor: BatchProcessor,
        *,
        slots: asyncio.Semaphore,
        decoded: RecordBudget | None = None,
    ) -> None:
        self._database = database
        self._processor = processor
        self._foreign = processor.subscription.foreign
        self._transactions = JointTransactions(self._transact, slots=slots)
        self._decoded = decoded or RecordBudget()

    async def process(self, partition: Partition, records: Sequence[RawRecord]) -> list[Event[EventData]]:
        """Process `records`, which begin at or after `read_to`; returns the heartbeats among them.

        Raises PositionLostError and ConsumerHaltedError; every other failure is dealt with here.
        """
        async with self._decoded.taking(len(records)):
            return await self._process(partition, records)

    async def _process(self, partition: Partition, records: Sequence[RawRecord]) -> list[Event[EventData]]:
        entries: list[Entry] = []
        heartbeats: list[Event[EventData]] = []
        for record in records:
            entry = classify(record, self._processor.subscription)
            if entry.verdict is Verdict.HEARTBEAT and entry.received is not None:
                heartbeats.append(entry.received.event)
            elif entry.verdict is Verdict.SKIP:
                self._note_skipped(entry)
                if entry.stream is not None:
                    entries.append(entry)
            else:
                entries.append(entry)
        upto = records[-1].offset + 1
        async with partition.lock:
            if entries:
                await self._settle(partition, entries, upto)
            partition.read_to = upto
            partition.last_timestamp_ms = records[-1].timestamp
        return heartbeats

    async def _settle(self, partition: Partition, entries: list[Entry], upto: int) -> None:
        remaining = [(entries, upto)]
        tries = 0
        while remaining:
            part, part_upto = remaining.pop()
            try:
                suspect = tries > 0 or part is not entries
                if self._foreign is not None:
                    await self._foreign.prepare(part)
                await self._transactions.run(Batch(partition, part, part_upto), alone=suspect)
                tries = 0
            except (PositionLostError, ConsumerHaltedError):
                raise
            except Exception as error:
                if is_transient(error):
                    tries += 1
                    await self._pause(partition, error, tries)
                    remaining.append((part, part_upto))
                elif len(part) > 1:
                    half = len(part) // 2
                    log.warning("batch of %d fails (%s): bisecting", len(part), type(error).__name__)
                    remaining += [(part[half:], part_upto), (part[:half], part[half].offset)]
                elif not isinstance(error, RecordRefusedError) and (tries := tries + 1) < POISON_TRIES:
                    await self._pause(partition, error, tries)
                    remaining.append((part, part_upto))
                else:
                    tries = 0
                    self._give_up(part[0], error)
                    remaining.append((part, part_upto))

    async def _transact(self, batches: Sequence[Batch]) -> None:
        """One transaction over batches of distinct partitions of the topic."""
        topic = self._processor.subscription.topic
        entries = [entry for batch in batches for entry in batch.entries]
        moves = [
            Move(topic, one.partition.place.partition, expected=one.partition.position, next_offset=one.upto)
            for one in batches
        ]
        started = time.perf_counter()
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.destination.name": topic,
            "messaging.batch.message_count": len(entries),
        }
        if len(batches) == 1:
            attributes["messaging.destination.partition.id"] = str(batches[0].partition.place.partition)
            attributes["messaging.kafka.offset"] = entries[0].offset
        with batch_span(f"process {topic}", kind=SpanKind.CONSUMER, attributes=attributes):
            async with self._database.unit_of_work() as uow:
                await self._processor.process(uow, entries, moves)
        for batch in batches:
            batch.partition.position = batch.upto
        metrics.observe("doorstep.consumer.batch.duration", time.perf_counter() - started, topic=topic)
        metrics.observe("doorstep.consumer.batch.size", len(entries), topic=topic)

    def _give_up(self, entry: Entry, error: Exception) -> None:
        """The poison stands alone and stays poison. Its message may quote personal data, so only its type is kept."""
        if entry.verdict is not Verdict.HANDLE:
            # Not even setting it aside works: that is our fault, not the record's.
            raise ConsumerHaltedError("cannot_set_aside", type(error).__name__) from error
        if isinstance(error, RecordRefusedError):
            log.warning("record %s/%d/%d is refused", entry.topic, entry.record.partition, entry.offset)
            entry.kill("record_refused", error.detail)
            return
        log.error("record %s/%d/%d is poison", entry.topic, entry.record.partition, entry.offset, exc_info=error)
        entry.kill("handler_failed", type(error).__name__)

    def _note_skipped(self, entry: Entry) -> None:
        metrics.count("doorstep.consumer.events", topic=entry.topic, outcome="skipped")
        if entry.reason:
            log.error("record %s/%d/%d skipped: %s", entry.topic, entry.record.partition, entry.offset, entry.reason)
            metrics.count("doorstep.consumer.events", topic=entry.topic, outcome=entry.reason)

    async def _pause(self, partition: Partition, error: Exception, tries: int) -> None:
        seconds = backoff_seconds(tries, limit=LONGEST_PAUSE_SECONDS)
        place = f"{partition.topic}/{partition.place.partition}"
        log.warning("%s paused for %.1f s: %s", place, seconds, type(error).__name__)
        metrics.set_gauge("doorstep.consumer.paused", 1, topic=partition.topic)
        await asyncio.sleep(seconds)
        metrics.set_gauge("doorstep.consumer.paused", 0, topic=partition.topic)
