"""Reads the topics of one group: assignment, positions, polling. What happens to a batch is `partition_reader`'s.

Guards against aiokafka's known faults: every await on Kafka has a timeout, errors of the rebalance listener (which the
client swallows) end the session, nothing is committed automatically, a position outside the log stops the consumer, and
rights are asked for at the start, because a refused consumer gets an empty `getmany` and no error.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from shared.database.engine import Database
from shared.events import Event
from shared.events.base import EventData
from shared.messaging import inbox, parking
from shared.messaging.backoff import backoff_seconds
from shared.messaging.batch import BatchProcessor
from shared.messaging.connection import KAFKA_TIMEOUT_SECONDS
from shared.messaging.express import EXPRESS, ExpressGate
from shared.messaging.failures import ConsumerHaltedError, PositionLostError, is_transient
from shared.messaging.inbox import Move
from shared.messaging.joint_transactions import Partition
from shared.messaging.liveness import Pulse
from shared.messaging.membership import Membership
from shared.messaging.partition_reader import LONGEST_PAUSE_SECONDS, PartitionReader, RecordBudget
from shared.messaging.periodic import pause
from shared.messaging.subscription import HeartbeatHook

log = logging.getLogger(__name__)

_POLL_MS = 1_000
_REVOKE_SECONDS = 10.0
_COMMIT_SECONDS = 5.0
_RECHECK_HALT_SECONDS = 5.0
_REFUSED = (TopicAuthorizationFailedError, GroupAuthorizationFailedError)


class TopicGroup(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """One Kafka consumer over some of a service's topics, and one reading loop per assigned partition."""

    def __init__(
        self,
        database: Database,
        processors: Sequence[BatchProcessor],
        *,
        name: str,
        instance: str | None,
        gate: ExpressGate,
        on_heartbeats: HeartbeatHook | None,
        pulse: Pulse,
        batch_records: int = 1_000,
        transactions_in_flight: int = 3,
    ) -> None:
        self._database = database
        self._settings = database.settings
        self._membership = Membership(database, [processor.subscription for processor in processors], name=name)
        slots = asyncio.Semaphore(transactions_in_flight)
        decoded = RecordBudget()
        self._readers = {
            processor.subscription.topic: PartitionReader(database, processor, slots=slots, decoded=decoded)
            for processor in processors
        }
        self._dead_letter_limit = min(processor.dead_letter_limit for processor in processors)
        self._name = name
        self._instance = instance
        self._gate = gate
        self._on_heartbeats = on_heartbeats
        self._pulse = pulse
        self._batch_records = batch_records
        self._stopping = asyncio.Event()
        self._wanted = database.positions_wanted.listen()
        self._consumer: AIOKafkaConsumer | None = None
        self._cluster_id = ""
        self._partitions: dict[TopicPartition, Partition] = {}
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        self._assigning: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] | None = None
        self._heartbeats: dict[tuple[str, str, int], Event[EventData]] = {}
        self.halted: ConsumerHaltedError | None = None

    def stop(self) -> None:
        """Ask `run` to end after the batches in flight."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until stopped. Raises what nobody can repair from here, such as missing rights."""
        attempt = 0
        while not self._stopping.is_set():
            self._pulse.beat(self._name)
            try:
                await self._session()
                attempt = 0
            except ConsumerHaltedError as halt:
                if self.halted is None or self.halted.reason != halt.reason:
                    log.error("consumer %s halted, an operator must decide: %s", self._name, halt)
                self.halted = halt
                await pause(self._stopping, _RECHECK_HALT_SECONDS)
            except _REFUSED:
                raise
            except Exception as error:
                if not isinstance(error, KafkaError) and not is_transient(error):
                    raise
                attempt += 1
                log.warning("consumer %s: %r; trying again", self._name, error)
                await pause(self._stopping, backoff_seconds(attempt, limit=LONGEST_PAUSE_SECONDS))

    async def _session(self) -> None:
        """One life of a Kafka consumer: from joining the group to the first failure, or to the end."""
        self._failure = asyncio.get_running_loop().create_future()
        await self._check_broker()
        consumer = self._new_consumer()
        self._consumer = consumer
        flusher: asyncio.Task[None] | None = None
        try:
            consumer.subscribe(list(self._membership.names), listener=self)
            async with asyncio.timeout(KAFKA_TIMEOUT_SECONDS):
                await consumer.start()
            flusher = asyncio.create_task(self._guarded(self._flush_regularly()), name=f"{self._name}-flush")
            await self._until_stopped_or_failed(self._failure)
        finally:
            await self._end_session(consumer, flusher)

    async def _until_stopped_or_failed(self, failure: asyncio.Future[None]) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        either: list[asyncio.Future[Any]] = [failure, stopping]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if failure.done():
            failure.result()

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **self._membership.options(self._name),
            group_id=self._membership.group,
            group_instance_id=f"{self._database.service}.{self._name}.{self._instance}" if self._instance else None,
            partition_assignment_strategy=(RangePartitionAssignor,),
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=1024 * 1024,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            max_poll_interval_ms=600_000,
        )

    async def _end_session(self, consumer: AIOKafkaConsumer, flusher: asyncio.Task[None] | None) -> None:
        """One deadline for all steps: the batches in flight, the last positions, leaving Kafka."""
        if self._name == EXPRESS:
            self._gate.caught_up(True)  # waiting for those who do not read would help nobody
        for task in (*self._assigning, *((flusher,) if flusher else ())):
            task.cancel()
        try:
            async with asyncio.timeout(_REVOKE_SECONDS):
                await self._stop_reading(list(self._tasks))
                await consumer.stop()
        except (TimeoutError, KafkaError) as error:
            log.warning("consumer %s did not stop cleanly: %r", self._name, error)
            await consumer._client.close()
        self._consumer = None
        self._partitions.clear()

    async def _check_broker(self) -> None:
        self._cluster_id = await self._membership.check_broker()
        async with self._database.unit_of_work() as uow:
            await parking.check_limit(uow, limit=self._dead_letter_limit)

    # --- assignment -------------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Let the batches in flight end (one deadline for all), then give the partitions up."""
        try:
            for task in self._assigning:
                task.cancel()
            await self._stop_reading(list(revoked))
        except Exception as error:  # the client swallows what a listener raises
            self._fail(error)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Begin to read from PostgreSQL's positions, beside the listener, which must not keep the group waiting."""
        task = asyncio.create_task(self._guarded(self._begin_reading(list(assigned))), name=f"{self._name}-assign")
        self._assigning.add(task)
        task.add_done_callback(self._assigning.discard)

    async def _begin_reading(self, places: list[TopicPartition]) -> None:
        if not places:
            if self._name == EXPRESS:
                self._gate.caught_up(True)
            return
        positions = await self._positions(places)
        consumer = self._require_consumer()
        if not set(places) <= consumer.assignment():
            return  # revoked meanwhile; the next assignment begins anew
        self.halted = None
        for place in places:
            consumer.seek(place, positions[place])
            topic = self._membership.names[place.topic]
            partition = Partition(place, topic, position=positions[place], read_to=positions[place])
            self._partitions[place] = partition
            self._tasks[place] = asyncio.create_task(
                self._guarded(self._read(partition)), name=f"{self._name}-{topic}-{place.partition}"
            )

    async def _positions(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        """PostgreSQL's positions, each checked to lie inside the log. Raises ConsumerHaltedError."""
        consumer = self._require_consumer()
        async with asyncio.timeout(KAFKA_TIMEOUT_SECONDS):
            beginnings = await consumer.beginning_offsets(places)
            ends = await consumer.end_offsets(places)
        names = {(self._membership.names[place.topic], place.partition): place for place in places}
        async with self._database.unit_of_work() as uow:
            stored = await inbox.load_positions(
                uow, {name: beginnings[place] for name, place in names.items()}, cluster_id=self._cluster_id
            )
        positions = {names[name]: offset for name, offset in stored.items()}
        for place, offset in positions.items():
            if not beginnings[place] <= offset <= ends[place]:
                span = f"{beginnings[place]}..{ends[place]}"
                raise ConsumerHaltedError(
                    "out_of_range", f"{place.topic}/{place.partition} at {offset}, log has {span}"
                )
        return positions

    async def _stop_reading(self, places: Sequence[TopicPartition]) -> None:
        """End these partitions' loops: idle ones at once, busy ones after their batch, all within one deadline."""
        tasks = [task for place in places if (task := self._tasks.pop(place, None)) is not None]
        partitions = [partition for place in places if (partition := self._partitions.get(place)) is not None]
        with suppress(TimeoutError):
            async with asyncio.timeout(_REVOKE_SECONDS / 2):
                for partition in partitions:
                    await partition.lock.acquire()  # held for good: nothing begins here any more
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._database.backlog.forget(places)
        for place in places:
            self._partitions.pop(place, None)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _read(self, partition: Partition) -> None:
        consumer = self._require_consumer()
        attempt = 0
        while not self._stopping.is_set():
            self._pulse.beat(self._name)
            try:
                async with asyncio.timeout(KAFKA_TIMEOUT_SECONDS):
                    fetched = await consumer.getmany(
                        partition.place, timeout_ms=_POLL_MS, max_records=self._batch_records
                    )
                attempt = 0
            except TimeoutError:
                continue  # the group is being reassigned
            except (NoOffsetForPartitionError, OffsetOutOfRangeError):
                # About Kafka's own committed offset, which was looked up before our seek; or about ours: check.
                await self._reposition(partition)
                continue
            except KafkaError as error:
                if not error.retriable:
                    raise
                attempt += 1
                await asyncio.sleep(backoff_seconds(attempt, limit=5))
                continue
            records = fetched.get(partition.place)
            if records:
                await self._process(partition, records)
            waiting = self._waiting(partition) or 0
            self._database.backlog.note(partition.place, behind=waiting >= self._batch_records)
            if self._name == EXPRESS:
                self._gate.caught_up(all(map(self._is_caught_up, self._partitions.values())))

    async def _process(self, partition: Partition, records: list[Any]) -> None:
        if self._name != EXPRESS:
            await self._gate.wait_turn()
        try:
            heartbeats = await self._readers[partition.topic].process(partition, records)
        except PositionLostError as lost:
            log.warning("consumer %s: %s; beginning anew from PostgreSQL", self._name, lost)
            await self._reposition(partition)
            return
        for event in heartbeats:
            self._heartbeats[event.source, partition.topic, partition.place.partition] = event

    async def _reposition(self, partition: Partition) -> None:
        offset = (await self._positions([partition.place]))[partition.place]
        self._require_consumer().seek(partition.place, offset)
        partition.position = partition.read_to = offset

    def _is_caught_up(self, partition: Partition) -> bool:
        waiting = self._waiting(partition)
        return waiting is not None and waiting <= 0

    def _waiting(self, partition: Partition) -> int | None:
        """How many records were behind the last one read at the last fetch; None when nobody can tell."""
        consumer = self._consumer
        if consumer is None or partition.place not in consumer.assignment():
            return None
        highwater: int | None = consumer.highwater(partition.place)
        return None if highwater is None else highwater - partition.read_to

    # --- positions without events, heartbeats, watermarks -----------------------------------------------------------

    async def _flush_regularly(self) -> None:
        period = min(1.0, self._settings.heartbeat_seconds / 2)
        committed_at = time.monotonic()
        while True:
            await pause(self._wanted, period)
            self._wanted.clear()
            try:
                await self._flush()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("consumer %s could not write its positions: %s", self._name, type(error).__name__)
            if time.monotonic() - committed_at >= _COMMIT_SECONDS:
                committed_at = time.monotonic()
                await self._commit_aside()

    async def _flush(self) -> None:
        """Write what moved without events and how far we have read by time; hand over the heartbeats."""
        idle = [partition for partition in self._partitions.values() if not partition.lock.locked()]
        async with AsyncExitStack() as locked:
            for partition in idle:
                await locked.enter_async_context(partition.lock)
            steps = [
                Move(
                    partition.topic,
                    partition.place.partition,
                    expected=partition.position,
                    next_offset=partition.read_to,
                    caught_up_to=self._read_up_to(partition),
                )
                for partition in idle
            ]
            heartbeats, self._heartbeats = self._heartbeats, {}
            if not steps and not heartbeats:
                return
            async with self._database.unit_of_work() as uow:
                if heartbeats and self._on_heartbeats is not None:
                    await self._on_heartbeats(uow, list(heartbeats.values()))
                moved = await inbox.move_many(uow, steps)
            for partition in idle:
                if (partition.topic, partition.place.partition) in moved:
                    partition.position = partition.read_to

    def _read_up_to(self, partition: Partition) -> datetime | None:
        """Real time up to which the partition is processed: the last fetch's, or the last record's if more is left."""
        if not self._is_caught_up(partition):
            return partition.last_read_at()
        polled_ms = self._require_consumer().last_poll_timestamp(partition.place)
        return datetime.fromtimestamp(polled_ms / 1000, UTC) if polled_ms else None

    async def _commit_aside(self) -> None:
        """Tell Kafka how far we are, for lag tools only."""
        consumer = self._require_consumer()
        offsets = {place: partition.position for place, partition in self._partitions.items()}
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_COMMIT_SECONDS):
                if offsets:
                    await consumer.commit(offsets)

    # --- failures ---------------------------------------------------------------------------------------------------

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a loop; whatever ends it ends the session, and `run` decides."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    def _require_consumer(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise UnknownTopicOrPartitionError("the session has ended")
        return self._consumer
