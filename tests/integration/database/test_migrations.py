"""The migrations runner on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.database import migrations
from shared.database.migrations import migrate
from shared.embedded.provision import ServiceDatabase, create_database, drop_database
from shared.embedded.servers import EmbeddedServers

FIRST = """
from alembic import op
from shared.database import platform_tables
from shared.database.schema import create_hash_partitions, grant

revision = "0001"
down_revision = None


def upgrade() -> None:
    platform_tables.create(op)
    columns = "tenant text, party_id uuid, PRIMARY KEY (tenant, party_id)"
    op.execute(f"CREATE TABLE thing ({columns}) PARTITION BY HASH (party_id)")
    create_hash_partitions(op, "thing")
    grant(op, "thing", "SELECT", "INSERT")
"""
SECOND = """
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE thing ADD COLUMN note text")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes a package with these migrations and returns its name."""
    name = f"migrated_{uuid4().hex}"

    def write(**scripts: str) -> str:
        versions = tmp_path / name / "migrations" / "versions"
        versions.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "__init__.py").touch()
        for file, content in scripts.items():
            (versions / f"{file}.py").write_text(content)
        return name

    monkeypatch.syspath_prepend(str(tmp_path))
    return write


@pytest.fixture
async def empty(postgres: str, servers: EmbeddedServers, prefix: str) -> object:
    """An empty database with an owner and a runtime role."""
    made = await create_database(postgres, prefix + "m", role="test_plans", password=servers.home.password)
    yield made
    await drop_database(postgres, prefix + "m")


async def test_concurrent_runs_migrate_once(empty: ServiceDatabase, package: Callable[..., str]) -> None:
    name = package(first=FIRST)
    await asyncio.gather(*(migrate(empty.owner_url, name) for _ in range(3)))
    await migrate(empty.owner_url, package(second=SECOND))
    connection = await asyncpg.connect(empty.owner_url)
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "0002"
    await connection.close()


async def test_the_runtime_role_has_what_was_granted_and_no_more(
    empty: ServiceDatabase, package: Callable[..., str]
) -> None:
    await migrate(empty.owner_url, package(first=FIRST))
    connection = await asyncpg.connect(empty.url)
    await connection.execute("INSERT INTO thing VALUES ('bank', gen_random_uuid())")
    around = [f"{what} thing_{number}" for what in ("DELETE FROM", "TABLE", "TRUNCATE") for number in range(8)]
    for forbidden in (
        "DELETE FROM thing", "UPDATE outbox SET value = ''", "DROP TABLE inbox", "TRUNCATE inbox", *around,
        "UPDATE thing_0 SET tenant = 'other'", "INSERT INTO thing_0 VALUES ('bank', gen_random_uuid())",
    ):  # fmt: skip
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(forbidden)
    await connection.close()


async def test_a_table_lock_held_by_others_fails_the_run_and_changes_nothing(
    empty: ServiceDatabase, package: Callable[..., str]
) -> None:
    await migrate(empty.owner_url, package(first=FIRST))
    holder = await asyncpg.connect(empty.owner_url)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("LOCK TABLE thing IN ACCESS SHARE MODE")
    with pytest.raises(DBAPIError):
        await migrate(empty.owner_url, package(second=SECOND))
    await transaction.rollback()
    assert await holder.fetchval("SELECT version_num FROM alembic_version") == "0001"
    await holder.close()


INDEXED = """
from alembic import op
from shared.database.schema import Index, create_index

revision = "0003"
down_revision = "0002"
beforehand = (
    Index("thing_note", "thing", "(note) WHERE note IS NOT NULL"),
    Index("thing_later", "thing", "(later)"),
)


def upgrade() -> None:
    op.execute("ALTER TABLE thing ADD COLUMN later text")
    for index in beforehand:
        create_index(op, index)
"""


async def test_indexes_are_built_beforehand_and_taken_over(
    empty: ServiceDatabase, package: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(empty.owner_url, package(first=FIRST, second=SECOND))
    connection = await asyncpg.connect(empty.owner_url)
    built: list[list[str]] = []
    upgrade = migrations._upgrade

    def watched(*arguments: Any) -> None:
        rows = arguments[0].execute(text("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'thing_note_%'"))
        built.append(sorted(rows.scalars()))
        upgrade(*arguments)

    monkeypatch.setattr(migrations, "_upgrade", watched)
    await migrate(empty.owner_url, package(third=INDEXED))
    assert built == [[f"thing_note_{part}" for part in range(8)]]
    joined = await connection.fetch(
        "SELECT inhparent::regclass::text AS whole, count(*) AS parts FROM pg_inherits "
        "WHERE inhparent::regclass::text IN ('thing_note', 'thing_later') GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in joined] == [("thing_later", 8), ("thing_note", 8)]
    names = await connection.fetch("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'thing_note_%'")
    assert sorted(row["indexname"] for row in names) == built[0], "taken over, not built again"
    await connection.close()
