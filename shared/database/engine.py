"""The service's database: pool, transactions, and the signals that wake the process's loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.clock import Clock
from shared.database.address import driver_url
from shared.database.unit_of_work import UnitOfWork
from shared.events.catalogue import CATALOGUE
from shared.messaging import intent_store, outbox
from shared.messaging.backlog import Backlog
from shared.messaging.fresh_records import FreshRecords
from shared.settings import ServiceSettings

_SERVER_SETTINGS = {
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "60s",
    # Set-wise statements over arrays look expensive to the planner; compiling them costs more than running them.
    "jit": "off",
}


class Signal:
    """Wakes every loop that waits for a commit or a wish. A hint only: listeners also look by themselves."""

    def __init__(self) -> None:
        self._listeners: list[tuple[str | None, asyncio.Event]] = []

    def listen(self, about: str | None = None) -> asyncio.Event:
        """An event that is set at each signal (about this name, if one is given); the listener clears it."""
        event = asyncio.Event()
        self._listeners.append((about, event))
        return event

    def send(self, about: Collection[str] | None = None) -> None:
        """Wake all listeners, or only those of the names in `about`."""
        for name, event in self._listeners:
            if about is None or name is None or name in about:
                event.set()


class Database:
    """Pool of connections of one service's own role."""

    def __init__(self, engine: AsyncEngine, *, settings: ServiceSettings, clock: Clock, service: str) -> None:
        self.engine = engine
        self.settings = settings
        self.clock = clock
        self.service = service
        self.events_committed = Signal()
        self.intents_committed = Signal()
        self.positions_wanted = Signal()
        self.fresh_records = FreshRecords()
        self.backlog = Backlog()

    @classmethod
    async def open(
        cls,
        settings: ServiceSettings,
        clock: Clock,
        *,
        service: str,
        pool_size: int = 12,
        longest_wait_seconds: int = 10,
    ) -> Self:
        """Open the pool; no connection is made yet, so a service starts while its database is away.

        `longest_wait_seconds`: for a connection, and for a lock; a statement may take three times as long.
        """
        statement_seconds = 3 * longest_wait_seconds
        url = driver_url(settings.database_url.get_secret_value())
        engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=longest_wait_seconds,
            # The connections used last have their plans and catalogue at hand; the others rest until they are needed.
            pool_use_lifo=True,
            connect_args={
                "timeout": longest_wait_seconds,
                "command_timeout": statement_seconds + 5,
                "server_settings": _SERVER_SETTINGS
                | {
                    "application_name": service,
                    "statement_timeout": f"{statement_seconds}s",
                    "lock_timeout": f"{longest_wait_seconds}s",
                },
            },
        )
        sqlalchemy_event.listen(engine.sync_engine, "checkout", _refuse_unusable)
        return cls(engine, settings=settings, clock=clock, service=service)

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[UnitOfWork]:
        """One transaction: commits on normal exit, rolls back on any exception."""
        async with self._transaction(read_only=False) as uow:
            yield uow

    @asynccontextmanager
    async def read_only(self) -> AsyncIterator[UnitOfWork]:
        """One READ ONLY transaction; `emit` and `intend` raise."""
        async with self._transaction(read_only=True) as uow:
            yield uow

    @asynccontextmanager
    async def reading_settled(self) -> AsyncIterator[UnitOfWork]:
        """A connection without a transaction, for reads of what is never changed once it is there.

        Each statement is then one round trip; BEGIN and COMMIT would be two more, and on a busy machine each round trip
        waits for a processor. `emit` and `intend` raise.
        """
        async with self.engine.connect() as connection:
            driver, _ = await _driver_connection(connection)
            yield self._unit(connection, driver, read_only=True)

    @asynccontextmanager
    async def _transaction(self, *, read_only: bool) -> AsyncIterator[UnitOfWork]:
        async with self.engine.connect() as connection:
            if read_only:
                await connection.execution_options(postgresql_readonly=True)
            async with connection.begin():
                sql = await _begun_driver_connection(connection)
                try:
                    uow = self._unit(connection, sql, read_only=read_only)
                    yield uow
                    if not read_only:
                        await self._append(uow)
                        await uow.sql.flush()
                except BaseException:
                    if sql.is_closed():
                        await connection.invalidate()
                    raise
            self._signal(uow)

    def _unit(self, connection: AsyncConnection, sql: asyncpg.Connection, *, read_only: bool) -> UnitOfWork:
        return UnitOfWork(
            connection=connection,
            sql=sql,
            service=self.service,
            tenant=self.settings.tenant,
            now=self.clock.business_now(),
            real_now=self.clock.real_now(),
            read_only=read_only,
        )

    async def _append(self, uow: UnitOfWork) -> None:
        if uow.events:
            await outbox.append(uow)
        if uow.intents:
            await intent_store.insert(uow)

    def _signal(self, uow: UnitOfWork) -> None:
        self.fresh_records.add(uow.appended)
        if uow.events:
            self.events_committed.send({event.topic or CATALOGUE[event.type].topics[0] for event in uow.events})
        # What is due later is found as time goes by: whoever looks at once finds nothing, as often as others commit.
        if any(intent.due_at <= (uow.real_now if intent.clock == "real" else uow.now) for intent in uow.intents):
            self.intents_committed.send()


async def _begun_driver_connection(connection: AsyncConnection) -> asyncpg.Connection:
    """The driver's connection, inside the transaction that SQLAlchemy will commit.

    SQLAlchemy sends BEGIN with the first statement of its own. Asking its adapter for it directly saves that statement,
    which with its cursor and result costs half a millisecond of processor time per transaction.
    """
    driver, adapter = await _driver_connection(connection)
    try:
        await adapter._start_transaction()
    except BaseException:
        # Given up while the server began, or cut off: nobody knows whether a transaction stands, and whoever got the
        # connection next would work inside it, and commit nothing.
        await connection.invalidate()
        raise
    return driver


async def _driver_connection(connection: AsyncConnection) -> tuple[asyncpg.Connection, Any]:
    """The driver's connection and SQLAlchemy's adapter of it."""
    raw = await connection.get_raw_connection()
    driver, adapter = raw.driver_connection, raw.dbapi_connection
    if not isinstance(driver, asyncpg.Connection) or adapter is None:
        raise TypeError(f"expected an asyncpg connection, got {type(driver).__name__}")
    return driver, adapter


def _refuse_unusable(dbapi_connection: Any, _record: Any, _proxy: Any) -> None:
    """Replace pooled connections that the server has closed (the event loop has already seen the socket end), and those
    in which somebody's transaction stands that could not be ended.
    """
    driver = dbapi_connection.driver_connection
    if driver.is_closed():
        raise DisconnectionError("closed by the server")
    if driver.is_in_transaction():
        raise DisconnectionError("left in a transaction")
