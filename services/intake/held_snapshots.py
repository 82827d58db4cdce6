"""One moment of the database, held while a long list is read of it in pieces, by whichever process is asked.

A snapshot is exported by a transaction that stays open without doing anything, and taken over by each short one that
reads a piece (PostgreSQL, "Snapshot Synchronization Functions"). It holds back vacuum, so it is held for a limited
time, few at a time, whoever downloads; afterwards the list is begun anew.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg

from shared.database import Database, UnitOfWork
from shared.web.problems import KnownProblem, TemporarilyUnavailable

HELD_SECONDS: Final = 900
_MOST: Final = 3
_NAME: Final = re.compile(r"[0-9A-F]{8}-[0-9A-F]{8}-[0-9]{1,10}")


class ExportOver(KnownProblem):
    """The moment that this list was being read of is no longer held: begin it anew, without `cursor`."""

    kind, status, title = "export-over", 410, "This export is over"


class Snapshot(NamedTuple):
    """A held moment: its name, and the real time at which it was."""

    name: str
    as_of: datetime


@dataclass
class HeldSnapshots:
    """The moments that this process holds."""

    database: Database
    held_seconds: float = HELD_SECONDS
    _over: dict[str, asyncio.Event] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def held(self) -> int:
        """How many moments are held."""
        return len(self._tasks)

    async def hold(self) -> Snapshot:
        """Hold the present moment. Raises TemporarilyUnavailable when enough are held."""
        if self.held >= _MOST:
            raise TemporarilyUnavailable(f"{_MOST} exports are read already", retry_after_seconds=30)
        ready: asyncio.Future[Snapshot] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._hold(ready))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await ready
        except BaseException:
            task.cancel()
            raise

    def release(self, name: str) -> None:
        """The list has been read. Nothing when another process holds it: it lets go in time."""
        if name in self._over:
            self._over[name].set()

    @asynccontextmanager
    async def reading(self, name: str) -> AsyncIterator[UnitOfWork]:
        """A transaction that sees what was at the held moment. Raises ExportOver."""
        if not _NAME.fullmatch(name):
            raise ExportOver("no such moment")
        async with self.database.read_only() as uow:
            try:
                await uow.sql.execute(
                    f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{name}'"
                )
            except (asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError) as error:
                raise ExportOver("the moment is no longer held") from error
            yield uow

    async def _hold(self, ready: asyncio.Future[Snapshot]) -> None:
        over = asyncio.Event()
        name = ""
        try:
            async with self.database.read_only() as uow:
                # Otherwise the server ends a transaction that does nothing.
                await uow.sql.execute(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; "
                    f"SET LOCAL idle_in_transaction_session_timeout = '{int(self.held_seconds) + 60}s'"
                )
                name = await uow.sql.fetchval("SELECT pg_export_snapshot()")
                self._over[name] = over
                ready.set_result(Snapshot(name, uow.real_now))
                async with asyncio.timeout(self.held_seconds):
                    await over.wait()
        except Exception as error:
            if not ready.done():
                ready.set_exception(error)
            elif not isinstance(error, TimeoutError):
                raise
        finally:
            self._over.pop(name, None)
