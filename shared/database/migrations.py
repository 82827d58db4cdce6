"""Runs a service's Alembic migrations as the owner of its database."""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.database.address import driver_url
from shared.database.schema import Index, withhold_partitions

LOCK_TIMEOUT_SECONDS = 4
_WAIT_FOR_OTHER_RUN_SECONDS = 120
# `alembic.op` is one per process: migrations of two databases at once would write into each other's.
_ONE_AT_A_TIME = threading.Lock()
_log = logging.getLogger(__name__)
_PARTITIONS = text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:table) ORDER BY 1")
_HALF_BUILT = text("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
# The two-number key space of advisory locks is ours to name; the one-number space belongs to parties.
_MIGRATION_LOCK = {"space": 1, "key": 1}


def script_folder(package: str) -> Path:
    """The folder of the migrations of `package` (for instance `services.intake`). Raises FileNotFoundError."""
    module = importlib.import_module(package)
    folder = Path(next(iter(module.__path__))) / "migrations"
    if not (folder / "versions").is_dir():
        raise FileNotFoundError(f"{package} has no migrations/versions folder")
    return folder


async def migrate(owner_url: str, package: str, *, revision: str = "heads") -> None:
    """Bring the database at `owner_url` to the newest revision of `package`, or to `revision`, in one transaction.

    Concurrent runs wait for each other. A statement that cannot get its table lock within 4 s fails instead of queueing
    everybody behind it; the run is then rolled back and can be repeated. Raises sqlalchemy.exc.DBAPIError.
    """
    await asyncio.to_thread(_migrate, owner_url, ScriptDirectory(str(script_folder(package))), revision)


def _migrate(owner_url: str, scripts: ScriptDirectory, revision: str) -> None:
    with _ONE_AT_A_TIME:
        asyncio.run(_upgrade_database(owner_url, scripts, revision))


async def _upgrade_database(owner_url: str, scripts: ScriptDirectory, revision: str) -> None:
    engine = create_async_engine(driver_url(owner_url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.run_sync(_build_beforehand, scripts, revision)
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, scripts, revision)
    finally:
        await engine.dispose()


def _build_beforehand(connection: Connection, scripts: ScriptDirectory, wanted: str) -> None:
    """Build what the revisions to come list in `beforehand`, one partition after the other, without stopping writers.

    What cannot be built yet, because an earlier revision of this run makes its table or columns, is built with it.
    """
    present = MigrationContext.configure(connection).get_current_heads()
    if not present:
        return
    for step in scripts._upgrade_revs(wanted, present):  # type: ignore[arg-type]
        for index in getattr(step.revision.module, "beforehand", ()):
            for part, name in _parts(connection, index):
                _build(connection, f"{name} ON {part} {index.columns}", name)


def _parts(connection: Connection, index: Index) -> list[tuple[str, str]]:
    """The tables that hold rows, with the name of the index on each."""
    found = connection.execute(_PARTITIONS, {"table": index.table}).scalars().all()
    parts = [(str(one), f"{index.name}_{str(one).rpartition('_')[2]}") for one in found]
    return parts or [(index.table, index.name)]


def _build(connection: Connection, what: str, name: str) -> None:
    try:
        # One that a run which was killed has left half built is of no use.
        if connection.execute(_HALF_BUILT, {"name": name}).scalar():
            connection.execute(text(f"DROP INDEX CONCURRENTLY {name}"))
        connection.execute(text(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {what}"))
    except ProgrammingError as error:
        _log.info("an index is built with its revision, not beforehand", extra={"reason": type(error.orig).__name__})


def _upgrade(connection: Connection, scripts: ScriptDirectory, wanted: str) -> None:
    connection.execute(text(f"SET LOCAL lock_timeout = '{_WAIT_FOR_OTHER_RUN_SECONDS}s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:space, :key)"), _MIGRATION_LOCK)
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))

    def steps(revision: str | tuple[str, ...], _context: MigrationContext) -> list[MigrationStep]:
        return scripts._upgrade_revs(wanted, revision)  # type: ignore[arg-type,return-value]

    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()
    withhold_partitions(connection)
