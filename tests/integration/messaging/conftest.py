"""A service with nothing but the platform's tables, and one table that records what its handlers saw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection

from shared.clock import SystemClock
from shared.database import Database, UnitOfWork, platform_tables
from shared.embedded.kafka import KafkaAccess
from shared.embedded.servers import EmbeddedServers
from shared.events import Received
from shared.events.base import EventData
from shared.events.case import CaseCured, CaseSuspended
from shared.events.catalogue import CATALOGUE
from shared.events.codec import encode_headers
from shared.events.topics import PARTITIONS
from shared.ids import event_id
from shared.messaging import InboxKey, Outcome, Subscription
from shared.messaging.batch import BatchProcessor
from shared.messaging.joint_transactions import Partition
from shared.messaging.liveness import Pulse
from shared.messaging.partition_reader import PartitionReader
from shared.messaging.partitioning import partition_of
from shared.messaging.records import KeptRecord
from shared.messaging.runtime import Loop
from shared.money import Money
from shared.security.key_management import LocalKeyManagement
from shared.security.sealing import RecordSealer
from shared.settings import ServiceSettings
from tests.databases import Shelf, prepared

HANDLED = """
CREATE TABLE handled (
    place serial PRIMARY KEY, source text NOT NULL, event_id text NOT NULL, party_id uuid, aggregate_id text NOT NULL,
    sequence bigint NOT NULL, type text NOT NULL, partition smallint NOT NULL, "offset" bigint NOT NULL
)
"""
SEEN_AT = datetime(2026, 3, 2, 1, tzinfo=UTC)


class PoisonError(Exception):
    """What a faulty handler raises."""


@dataclass
class Bench:
    """One service under test: its database, what it saw, and how to feed it."""

    database: Database
    sealer: RecordSealer
    settings: ServiceSettings
    poison: set[str]
    failures: list[Exception]
    topic: str = "case"

    def subscription(self, **options: Any) -> Subscription:
        """Cases, recorded into `handled`; an event id in `poison` raises, and `failures` are raised first."""
        values: dict[str, Any] = {
            "topic": "case",
            "types": frozenset({"case.suspended", "case.released", "case.cured"}),
            "monotone_types": frozenset({"case.cured"}),
            "handle": self.handle,
        }
        return Subscription(**(values | options))

    async def handle(self, uow: UnitOfWork, events: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        if self.failures:
            raise self.failures.pop(0)
        for received in events:
            if received.event.id in self.poison:
                raise PoisonError
        await uow.sql.executemany(
            'INSERT INTO handled (source, event_id, party_id, aggregate_id, sequence, type, partition, "offset") '
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            [
                (
                    item.event.source,
                    item.event.id,
                    item.event.party_id,
                    item.event.aggregate_id,
                    item.event.sequence,
                    item.event.type,
                    item.partition,
                    item.offset,
                )
                for item in events
            ],
        )
        return {}

    async def feed(self, records: Sequence[KeptRecord], *, position: int | None = None, **options: Any) -> Partition:
        """One batch of partition 0, as a consumer would process it."""
        subscription = self.subscription(**options)
        processor = BatchProcessor(subscription, sealer=self.sealer, dead_letter_limit=100)
        reader = PartitionReader(self.database, processor, slots=asyncio.Semaphore(1))
        expected = await self._position(subscription.topic) if position is None else position
        partition = Partition(TopicPartition(subscription.topic, 0), subscription.topic, expected, expected)
        await reader.process(partition, records)
        return partition

    async def _position(self, topic: str) -> int:
        async with self.database.unit_of_work() as uow:
            await uow.sql.execute(
                "INSERT INTO consumer_position (topic, partition, cluster_id, next_offset) VALUES ($1, 0, 'c', 0) "
                "ON CONFLICT DO NOTHING",
                topic,
            )
            position: int = await uow.sql.fetchval("SELECT next_offset FROM consumer_position WHERE topic = $1", topic)
            return position

    async def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, as tuples."""
        async with self.database.read_only() as uow:
            return [tuple(row) for row in await uow.sql.fetch(query, *arguments)]

    async def handled(self) -> list[str]:
        """Ids of handled events, in the order of handling."""
        return [row[0] for row in await self.rows("SELECT event_id FROM handled ORDER BY place")]

    async def outcomes(self) -> dict[str, str]:
        """Inbox outcome by event id."""
        return {row[0]: row[1] for row in await self.rows("SELECT event_id, outcome FROM inbox")}

    async def emitted(self) -> list[str]:
        """Types of the events in the outbox, in order."""
        from shared.messaging.outbox import unpack_headers

        rows = await self.rows("SELECT headers FROM outbox ORDER BY seq")
        return [dict(unpack_headers(row[0]))["ce_type"].decode() for row in rows]


@dataclass(frozen=True)
class Made:
    """A record to be fed or published, and its identity."""

    id: str
    record: KeptRecord


def make_record(
    party_id: UUID,
    sequence: int,
    *,
    offset: int = 0,
    kind: str = "case.suspended",
    identity: str | None = None,
    value: bytes | None = None,
    source: str = "/services/intake",
    key: bytes | None = None,
    aggregate_id: UUID | None = None,
) -> Made:
    """An event of `case` about a party; `value` replaces the data."""
    identity = identity or str(event_id())
    headers = encode_headers(
        event_type=CATALOGUE[kind],
        event_id=identity,
        source=source,
        tenant="bank",
        aggregate_id=str(aggregate_id or party_id),
        sequence=sequence,
        time=SEEN_AT,
        recorded_time=SEEN_AT,
        correlation_id=identity,
        causation_id="",
        traceparent="",
    )
    data: EventData
    if kind == "case.cured":
        totals = [Money(amount_minor=0, currency="CNY")]
        data = CaseCured(
            case_id=party_id,
            party_id=party_id,
            version=1,
            business_date=SEEN_AT.date(),
            cause="payment",
            overdue_totals=totals,
        )
    else:
        data = CaseSuspended(case_id=party_id, party_id=party_id, version=sequence or 1, cause="test")
    content = value if value is not None else data.model_dump_json().encode()
    return Made(identity, KeptRecord(0, offset, 1, key or str(party_id).encode(), content, headers))


@pytest.fixture
def record() -> Callable[..., Made]:
    """Makes records of `case`."""
    return make_record


BenchFactory = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def bench(
    postgres: str, servers: EmbeddedServers, shelf: Shelf, prefix: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[BenchFactory]:
    """`await bench("plans", kafka=True)` makes a service with empty platform tables."""
    stack = AsyncExitStack()

    async def make(service: str = "plans", *, kafka: bool = False, **overrides: Any) -> Bench:
        new = partial(
            prepared, postgres, role=f"test_{service}", password=servers.home.password, prepare=_create_tables
        )
        created = await stack.enter_async_context(shelf.lease(postgres, f"messaging of {service}", new))
        values: dict[str, Any] = {
            "environment": "development",
            "prefix": prefix,
            "database_url": SecretStr(created.url),
            "kafka_bootstrap": "127.0.0.1:9",
            "key_folder": tmp_path / "keys",
        }
        if kafka:
            access: KafkaAccess = request.getfixturevalue("kafka")
            values |= {
                "kafka_bootstrap": access.bootstrap,
                "kafka_username": service,
                "kafka_password": SecretStr(access.passwords[service]),
            }
        settings = ServiceSettings(**(values | overrides))
        database = await stack.enter_async_context(shelf.opened(settings, SystemClock(), service=service))
        sealer = RecordSealer(LocalKeyManagement.open(settings.key_folder, service), service=service)
        return Bench(database, sealer, settings, poison=set(), failures=[])

    async with stack:
        yield make


def _create_tables(connection: Connection) -> None:
    operations = Operations(MigrationContext.configure(connection))
    platform_tables.create(operations)
    platform_tables.remember_newest_events(operations)
    platform_tables.seal_answers(operations)
    operations.execute(HANDLED)


@asynccontextmanager
async def _running(*loops: Loop) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks)


@pytest.fixture
def running() -> Callable[..., Any]:
    """`async with running(loop, ...)`: the loops run inside the block."""
    return _running


@pytest.fixture
def publish(kafka: KafkaAccess, prefix: str) -> Callable[..., Awaitable[None]]:
    """`await publish(records)` sends them to `case` as intake would, acknowledged, in order."""

    async def send(records: Sequence[Made], *, topic: str = "case", principal: str = "intake") -> None:
        producer = AIOKafkaProducer(**kafka.client_options(principal), enable_idempotence=True)
        await producer.start()
        try:
            for made in records:
                record = made.record
                key = record.key or b"-"
                await producer.send(
                    prefix + topic,
                    key=key,
                    value=record.value,
                    headers=list(record.headers),
                    partition=partition_of(key, PARTITIONS),
                )
            await producer.flush()
        finally:
            await producer.stop()

    return send


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """`await eventually(check)` waits until the awaitable check is true (a minute at most)."""

    async def wait(check: Callable[[], Awaitable[Any]], *, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not await check():  # noqa: ASYNC110 - what is awaited happens in a database
                await asyncio.sleep(0.05)

    return wait


@pytest.fixture
def pulse() -> Pulse:
    """A pulse nobody watches."""
    return Pulse("test")


@pytest.fixture
def party() -> UUID:
    """Some party."""
    return uuid4()
