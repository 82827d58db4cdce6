"""The unit of work on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from asyncpg.transaction import Transaction
from pydantic import SecretStr
from sqlalchemy import Connection, text

from shared.clock import SystemClock
from shared.database import Database, ReadOnlyTransactionError, platform_tables
from shared.database.columns import NULL, append
from shared.embedded.servers import EmbeddedServers
from shared.events import NewEvent
from shared.events.case import CaseReleased, CaseSuspended
from shared.messaging import NewIntent
from shared.messaging.outbox import unpack_headers
from shared.settings import ServiceSettings
from tests.databases import Shelf, prepared

_SEQUENCE_COLUMNS = ("topic", "aggregate_type", "aggregate_id", "last", "newest")


@pytest.fixture
async def database(postgres: str, servers: EmbeddedServers, shelf: Shelf, prefix: str) -> AsyncIterator[Database]:
    """A database with the platform's tables."""
    new = partial(prepared, postgres, role="test_intake", password=servers.home.password, prepare=make_tables)
    async with shelf.lease(postgres, "unit of work", new) as made:
        settings = ServiceSettings(
            environment="development", prefix=prefix, database_url=SecretStr(made.url), kafka_bootstrap="127.0.0.1:9"
        )
        async with shelf.opened(settings, SystemClock(), service="intake") as opened:
            yield opened


def make_tables(connection: Connection) -> None:
    operations = Operations(MigrationContext.configure(connection))
    platform_tables.create(operations)
    platform_tables.remember_newest_events(operations)
    platform_tables.seal_answers(operations)


def suspended(uow: Any, party: UUID, **options: Any) -> NewEvent[CaseSuspended]:
    data = CaseSuspended(case_id=party, party_id=party, version=1, cause="x")
    return NewEvent(type="case.suspended", party_id=party, aggregate_id=party, data=data, time=uow.now, **options)


async def headers_of(database: Database) -> list[dict[str, str]]:
    async with database.read_only() as uow:
        rows = await uow.sql.fetch("SELECT headers FROM outbox ORDER BY seq")
    return [{name: value.decode() for name, value in unpack_headers(row[0])} for row in rows]


async def test_an_exception_rolls_everything_back(database: Database) -> None:
    async def fail() -> None:
        async with database.unit_of_work() as uow:
            uow.emit(suspended(uow, uuid4()))
            await uow.sql.execute("INSERT INTO consumer_cluster (cluster_id) VALUES ('x')")
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    async with database.read_only() as uow:
        assert await uow.sql.fetchval("SELECT count(*) FROM consumer_cluster") == 0
        assert await uow.sql.fetchval("SELECT count(*) FROM outbox") == 0


async def test_sqlalchemy_and_the_driver_share_one_transaction(database: Database) -> None:
    async with database.unit_of_work() as uow:
        await uow.sql.execute("INSERT INTO consumer_cluster (cluster_id) VALUES ('x')")
        assert (await uow.connection.execute(text("SELECT cluster_id FROM consumer_cluster"))).scalar_one() == "x"


async def test_sequences_are_gapless_per_stream_even_after_a_rollback(database: Database) -> None:
    first, second = uuid4(), uuid4()
    async with database.unit_of_work() as uow:
        for party in (first, second, first):
            uow.emit(suspended(uow, party))

    async def fail_after_appending() -> None:
        async with database.unit_of_work() as uow:
            uow.emit(suspended(uow, first))
            await database._append(uow)
            raise KeyError

    with pytest.raises(KeyError):
        await fail_after_appending()
    async with database.unit_of_work() as uow:
        uow.emit(suspended(uow, first))
    sequences = [
        int(item["ce_sequence"]) for item in await headers_of(database) if item["ce_aggregateid"] == str(first)
    ]
    assert sequences == [1, 2, 3]


async def test_writers_at_once_give_one_sequence(database: Database) -> None:
    party = uuid4()

    async def write() -> None:
        async with database.unit_of_work() as uow:
            await uow.lock_parties([party])
            uow.emit(suspended(uow, party))

    await asyncio.gather(*(write() for _ in range(20)))
    assert [int(item["ce_sequence"]) for item in await headers_of(database)] == list(range(1, 21))


async def test_locks_of_parties_exclude_each_other(database: Database) -> None:
    party = uuid4()
    async with database.unit_of_work() as holder:
        await holder.lock_parties([uuid4(), party])

        async def other() -> None:
            async with database.unit_of_work() as uow:
                await uow.lock_parties([party])

        waiting = asyncio.create_task(other())
        await asyncio.sleep(0.2)
        assert not waiting.done()
    async with asyncio.timeout(60):
        await waiting


async def test_batches_locked_in_any_order_do_not_deadlock(database: Database) -> None:
    parties = [uuid4() for _ in range(200)]

    async def batch(number: int) -> None:
        async with database.unit_of_work() as uow:
            await uow.lock_parties(parties if number % 2 else reversed(parties))

    await asyncio.gather(*(batch(number) for number in range(10)))


async def test_a_read_only_transaction_writes_nothing(database: Database) -> None:
    async with database.read_only() as uow:
        with pytest.raises(ReadOnlyTransactionError):
            uow.emit(suspended(uow, uuid4()))
        with pytest.raises(ReadOnlyTransactionError):
            uow.intend(NewIntent(kind="k", key="k", due_at=uow.now))
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await uow.sql.execute("INSERT INTO consumer_cluster (cluster_id) VALUES ('x')")


async def test_what_is_settled_is_read_without_a_transaction(database: Database) -> None:
    async with database.reading_settled() as uow:
        moments = [await uow.sql.fetchval("SELECT now()") for _ in range(2)]
        with pytest.raises(ReadOnlyTransactionError):
            uow.emit(suspended(uow, uuid4()))
    assert moments[0] < moments[1]
    async with database.unit_of_work() as uow:
        assert uow.sql.is_in_transaction()


async def test_data_of_another_type_is_refused(database: Database) -> None:
    party = uuid4()
    data = CaseReleased(case_id=party, party_id=party, version=1, cause="x")
    with pytest.raises(TypeError):
        async with database.unit_of_work() as uow:
            uow.emit(NewEvent(type="case.suspended", party_id=party, aggregate_id=party, data=data, time=uow.now))


async def test_a_commit_wakes_relay_and_worker(database: Database) -> None:
    events, intents = database.events_committed.listen(), database.intents_committed.listen()
    async with database.unit_of_work() as uow:
        uow.emit(suspended(uow, uuid4()))
        assert not events.is_set()
    assert (events.is_set(), intents.is_set()) == (True, False)


@pytest.mark.parametrize(("seconds", "woken"), [(0, True), (60, False)])
async def test_only_what_is_due_wakes_the_worker(database: Database, seconds: int, woken: bool) -> None:
    intents = database.intents_committed.listen()
    async with database.unit_of_work() as uow:
        due_at = uow.real_now + timedelta(seconds=seconds)
        uow.intend(NewIntent(kind="note", key=str(uuid4()), due_at=due_at))
    assert intents.is_set() is woken


async def test_connections_killed_by_the_server_are_replaced(database: Database, postgres: str) -> None:
    async with database.read_only() as uow:
        pid, connection = await uow.sql.fetchval("SELECT pg_backend_pid()"), uow.sql
    admin = await asyncpg.connect(postgres)
    await admin.execute("SELECT pg_terminate_backend($1)", pid)
    await admin.close()
    async with asyncio.timeout(60):
        while not connection.is_closed():  # noqa: ASYNC110 - the loop sees the end of the socket
            await asyncio.sleep(0.01)
    async with database.read_only() as uow:
        assert await uow.sql.fetchval("SELECT pg_backend_pid()") != pid


async def test_appended_rows_hold_every_character_as_it_was(database: Database) -> None:
    party = uuid4()
    texts = ('{"a": "\\\\.\\n"}', "", "Ä, \t 中")
    rows = [(topic, text_, str(party), "1", NULL) for topic in ("a", "b") for text_ in texts]
    async with database.unit_of_work() as uow:
        await append(uow.sql, "sequence_issued", _SEQUENCE_COLUMNS, rows)
        await append(uow.sql, "sequence_issued", _SEQUENCE_COLUMNS, [])
    async with database.read_only() as uow:
        kept = await uow.sql.fetch(
            "SELECT topic, aggregate_type, newest FROM sequence_issued WHERE aggregate_id = $1", party
        )
    assert {tuple(row) for row in kept} == {(topic, text_, None) for topic in ("a", "b") for text_ in texts}


@pytest.mark.parametrize("kind", ["unit_of_work", "read_only"])
async def test_what_follows_a_begin_that_was_given_up_is_committed(
    database: Database, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The server began, and nobody waited for its word: whoever came next would have worked inside that transaction,
    and lost all that it believed to have committed.
    """
    begin = Transaction.start

    async def give_up(transaction: Transaction) -> None:
        await begin(transaction)
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "start", give_up)
        with pytest.raises(asyncio.CancelledError):
            async with getattr(database, kind)():
                pass
    for _ in range(8):  # the connection used last comes first
        async with database.unit_of_work() as uow:
            uow.emit(suspended(uow, uuid4()))
    await database.engine.dispose()
    assert len(await headers_of(database)) == 8


async def test_connection_that_is_still_in_a_transaction_is_replaced(database: Database) -> None:
    async with database.reading_settled() as unit:
        await unit.sql.execute("BEGIN READ ONLY")
    async with database.unit_of_work() as uow:
        await uow.sql.execute("INSERT INTO consumer_cluster (cluster_id) VALUES ('a')")
