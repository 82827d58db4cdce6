"""Databases for tests: a finished test's is emptied and kept for the next one of its kind in this worker.

Copying a database of a thousand partitions costs a third of a second of processor time, emptying one a tenth of that.
What a test changed besides rows (tables, columns, triggers, rights) cannot be emptied: such a database is dropped.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
from sqlalchemy import Connection, make_url
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.clock import Clock
from shared.database import Database
from shared.embedded.provision import ServiceDatabase, create_database, drop_database
from shared.settings import ServiceSettings

Make = Callable[[str], Awaitable[ServiceDatabase]]
_KEPT_PER_KIND = 4
_KEPT_CONNECTIONS = 4
_FEW_BYTES = 32 * 8192

_SHAPE = """
SELECT md5(concat_ws('|',
    (SELECT sum(hashint8extended(oid::bigint, coalesce(hash_array(relacl), 0))) FROM pg_class
     WHERE relkind IN ('r', 'p', 'S', 'v', 'i', 'I')),
    (SELECT count(*) FROM pg_attribute), (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_constraint),
    (SELECT string_agg(oid::text || tgenabled::text, ',' ORDER BY oid) FROM pg_trigger)))
"""
_FILLED = """
SELECT format('%I.%I', n.nspname, c.relname), pg_relation_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND c.relname <> 'alembic_version' AND pg_relation_size(c.oid) > 0
"""
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND (pid <> ALL($1::int[]) OR state <> 'idle')
"""
_USED_SEQUENCES = "SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences WHERE last_value IS NOT NULL"


class Shelf:
    """The emptied databases of one worker, by kind, and the connections to them.

    A new connection would read the catalogue of a thousand partitions anew, and plan every statement anew, in every
    test.
    """

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[str, str, ServiceDatabase]]] = {}
        self._admins: dict[str, asyncpg.Connection] = {}
        self._engines: dict[tuple[str, ...], AsyncEngine] = {}
        self._backends: dict[str, set[int]] = {}

    async def close(self) -> None:
        """Nobody leases any more."""
        for engine in self._engines.values():
            await engine.dispose()
        for connection in self._admins.values():
            await connection.close()

    @asynccontextmanager
    async def lease(self, admin_url: str, kind: str, make: Make) -> AsyncIterator[ServiceDatabase]:
        """An empty database of `kind` inside the context; `make` makes one of a name when none is kept."""
        kept = self._kept.setdefault(kind, [])
        if kept:
            name, shape, database = kept.pop()
        else:
            name = f"test_{uuid4().hex[:12]}"
            database = await make(name)
            shape = await _shape_of_new(await self._admin(admin_url, name))
        yield database
        if len(kept) < _KEPT_PER_KIND and await self._emptied(admin_url, name, database) == shape:
            kept.append((name, shape, database))
        else:
            await self._forget(name, database)
            await drop_database(admin_url, name)

    @asynccontextmanager
    async def opened(
        self, settings: ServiceSettings, clock: Clock, *, service: str, pool_size: int = 12,
        longest_wait_seconds: int = 10,
    ) -> AsyncIterator[Database]:  # fmt: skip
        """`Database.open` over the connections that an earlier test of this worker left, if there are any."""
        place = (settings.database_url.get_secret_value(), service, f"{pool_size} for {longest_wait_seconds}")
        engine = self._engines.pop(place, None)
        if engine is None:
            database = await Database.open(
                settings, clock, service=service, pool_size=pool_size, longest_wait_seconds=longest_wait_seconds
            )
            self._note_backends(database)
        else:
            database = Database(engine, settings=settings, clock=clock, service=service)
        try:
            yield database
        finally:
            pool = database.engine.pool
            if pool.checkedout() or pool.checkedin() > _KEPT_CONNECTIONS or place in self._engines:
                await database.close()
            else:
                self._engines[place] = database.engine

    def _note_backends(self, database: Database) -> None:
        noted = self._backends.setdefault(database.settings.database_url.get_secret_value(), set())

        def note(adapter: Any, _: Any) -> None:
            noted.add(adapter.driver_connection.get_server_pid())

        sqlalchemy_event.listen(database.engine.sync_engine, "connect", note)

    async def _admin(self, admin_url: str, name: str) -> asyncpg.Connection:
        """The superuser's connection to the database of that name."""
        connection = self._admins.get(name)
        if connection is None or connection.is_closed():
            connection = await asyncpg.connect(urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}")))
            self._admins[name] = connection
        return connection

    async def _emptied(self, admin_url: str, name: str, database: ServiceDatabase) -> str:
        return await _emptied(await self._admin(admin_url, name), self._backends.get(database.url, ()))

    async def _forget(self, name: str, database: ServiceDatabase) -> None:
        """Close the connections to a database that is dropped."""
        self._backends.pop(database.url, None)
        for place in [place for place in self._engines if place[0] == database.url]:
            await self._engines.pop(place).dispose()
        if name in self._admins:
            await self._admins.pop(name).close()


async def prepared(
    admin_url: str, name: str, *, role: str, password: Callable[[str], str], prepare: Callable[[Connection], None]
) -> ServiceDatabase:
    """A new database of `role`, in which its owner has carried out `prepare`."""
    made = await create_database(admin_url, name, role=role, password=password)
    engine = create_async_engine(make_url(made.owner_url).set(drivername="postgresql+asyncpg"))
    async with engine.begin() as connection:
        await connection.run_sync(prepare)
    await engine.dispose()
    return made


async def _shape_of_new(connection: asyncpg.Connection) -> str:
    """What there is besides rows. Raises AssertionError when migrations leave rows: those would be lost."""
    filled = [row[0] for row in await connection.fetch(_FILLED)]
    assert not filled, f"a new database has rows in {filled}"
    return str(await connection.fetchval(_SHAPE))


async def _emptied(connection: asyncpg.Connection, kept: Collection[int]) -> str:
    """Remove every row, whoever but the idle of the `kept` backends still uses the database; returns what there is
    besides rows.
    """
    await connection.execute(_END_OTHERS, list(kept))
    await connection.execute("SET session_replication_role = replica")  # append-only tables refuse everybody else
    filled = await connection.fetch(_FILLED)
    # A truncated table gets new files, as do its indexes: for a few rows that costs fifty times their deletion.
    if small := [name for name, size in filled if size <= _FEW_BYTES]:
        await connection.execute("; ".join(f"DELETE FROM {name}" for name in small))
    if large := [name for name, size in filled if size > _FEW_BYTES]:
        await connection.execute(f"TRUNCATE {', '.join(large)} CASCADE")
    for (sequence,) in await connection.fetch(_USED_SEQUENCES):
        await connection.execute(f"ALTER SEQUENCE {sequence} RESTART")
    return str(await connection.fetchval(_SHAPE))
