"""Databases for tests: a finished test's is emptied and kept for the next one of its kind in this worker.

Copying a database of a thousand partitions costs a third of a second of processor time, emptying one a tenth of that.
What a test changed besides rows (tables, columns, triggers, rights) cannot be emptied: such a database is dropped.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from threading import Thread
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
from sqlalchemy import Connection, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from shared.embedded.provision import ServiceDatabase, create_database, drop_database

Make = Callable[[str], Awaitable[ServiceDatabase]]
Question = Callable[[asyncpg.Connection], Awaitable[str]]
_KEPT_PER_KIND = 4
_FEW_BYTES = 32 * 8192

_SHAPE = """
SELECT md5(concat_ws('|',
    (SELECT string_agg(oid::text || coalesce(relacl::text, ''), ',' ORDER BY oid) FROM pg_class
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
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_USED_SEQUENCES = "SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences WHERE last_value IS NOT NULL"


class Shelf:
    """The emptied databases of one worker, by kind."""

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[str, str, ServiceDatabase]]] = {}
        self._connections = _Connections()

    def close(self) -> None:
        """Nobody leases any more."""
        self._connections.close()

    @asynccontextmanager
    async def lease(self, admin_url: str, kind: str, make: Make) -> AsyncIterator[ServiceDatabase]:
        """An empty database of `kind` inside the context; `make` makes one of a name when none is kept."""
        kept = self._kept.setdefault(kind, [])
        if kept:
            name, shape, database = kept.pop()
        else:
            name = f"test_{uuid4().hex[:12]}"
            database = await make(name)
            shape = await self._connections.ask(admin_url, name, _shape_of_new)
        yield database
        if len(kept) < _KEPT_PER_KIND and await self._connections.ask(admin_url, name, _emptied) == shape:
            kept.append((name, shape, database))
        else:
            await drop_database(admin_url, name)


class _Connections:
    """A connection to each database that outlives the tests' event loops: a new one would read the catalogue of a
    thousand partitions anew, after every test.
    """

    def __init__(self) -> None:
        self._open: dict[str, asyncpg.Connection] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="databases", daemon=True)
        self._thread.start()

    async def ask(self, admin_url: str, name: str, question: Question) -> str:
        """What the superuser finds in the database of that name."""
        asked = asyncio.run_coroutine_threadsafe(self._ask(admin_url, name, question), self._loop)
        return await asyncio.wrap_future(asked)

    async def _ask(self, admin_url: str, name: str, question: Question) -> str:
        connection = self._open.get(name)
        if connection is None or connection.is_closed():
            connection = await asyncpg.connect(urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}")))
            self._open[name] = connection
        return await question(connection)

    def close(self) -> None:
        """Close all."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        for connection in self._open.values():
            await connection.close()


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


async def _emptied(connection: asyncpg.Connection) -> str:
    """Remove every row, whoever still uses the database; returns what there is besides rows."""
    await connection.execute(_END_OTHERS)
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
