"""Reads that are asked as one statement, and writes that wait for others, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.database.session import ReadOnlyTransactionError, Session, together

NUMBERS = "SELECT n, n * 10 AS tens FROM generate_series(1, $1::int) AS n ORDER BY n"
OF_KINDS = "SELECT $1::uuid AS id, ARRAY[1, 2]::bigint[] AS places, $2::text[] AS words, now() AS at"
INSERT = "INSERT INTO kept (name, n) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET n = excluded.n"
ALL = "SELECT name, n FROM kept ORDER BY name"


@pytest.fixture
async def connection(postgres: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres)
    try:
        async with connection.transaction():
            await connection.execute("CREATE TEMP TABLE kept (name text PRIMARY KEY, n int NOT NULL) ON COMMIT DROP")
            yield connection
    finally:
        await connection.close()


@pytest.fixture
def statements(connection: asyncpg.Connection) -> list[str]:
    """What is sent from here on, but for what the driver asks of types."""
    sent: list[str] = []
    connection.add_query_logger(lambda query: sent.append(query.query))
    return sent


async def own(statements: list[str]) -> list[str]:
    await asyncio.sleep(0)  # the driver tells of them in its loop's next round
    return [one for one in statements if "pg_catalog" not in one]


async def numbers(sql: Session, most: int) -> list[int]:
    return [row["tens"] for row in await sql.fetch(NUMBERS, most)]


async def sum_after(sql: Session, most: int) -> int:
    (last,) = (await sql.fetch(NUMBERS, most))[-1:]
    total: int = await sql.fetchval("SELECT sum(n) AS total FROM generate_series(1, $1::int) AS n", last["n"])
    return total


async def kinds(sql: Session, one: UUID) -> Any:
    return await sql.fetchrow(OF_KINDS, one, ["a", "b"])


async def test_readers_are_one_statement_and_read_what_they_would_alone(
    connection: asyncpg.Connection, statements: list[str]
) -> None:
    sql, one = Session(connection), uuid4()
    found = await together(sql, numbers(sql, 3), kinds(sql, one), numbers(sql, 0))
    alone = await kinds(sql, one)
    assert found == ([10, 20, 30], dict(alone), [])
    assert len([sent for sent in await own(statements) if "array_agg" in sent]) == 1


async def test_what_a_reader_asks_next_goes_with_what_others_ask_next(
    connection: asyncpg.Connection, statements: list[str]
) -> None:
    sql = Session(connection)
    inner = together(sql, sum_after(sql, 4), numbers(sql, 1))
    assert await together(sql, sum_after(sql, 3), inner) == (6, (10, [10]))
    assert len([sent for sent in await own(statements) if "array_agg" in sent]) == 2


async def test_who_reads_together_does_nothing_else(connection: asyncpg.Connection) -> None:
    sql = Session(connection)
    with pytest.raises(TypeError, match="nothing but the database"):
        await together(sql, numbers(sql, 1), asyncio.sleep(0.001))
    with pytest.raises(RuntimeError, match="for reads"):
        await together(sql, numbers(sql, 1), sql.execute("SELECT 1"))


async def test_writes_wait_and_are_one_statement(connection: asyncpg.Connection, statements: list[str]) -> None:
    sql = Session(connection)
    sql.later(INSERT, "a", 1)
    sql.later("INSERT INTO kept (n, name) SELECT $2, $1", "b", 2)
    assert not await own(statements)
    assert await sql.fetch_ahead(ALL) == []
    await sql.flush()
    assert len(await own(statements)) == 2
    assert [tuple(row) for row in await sql.fetch(ALL)] == [("a", 1), ("b", 2)]


@pytest.mark.parametrize("ask", ["fetch", "fetchrow", "fetchval", "execute"])
async def test_whatever_comes_after_a_write_finds_it_written(connection: asyncpg.Connection, ask: str) -> None:
    sql = Session(connection)
    sql.later(INSERT, "a", 1)
    found = await getattr(sql, ask)("SELECT n FROM kept")
    assert found in ([(1,)], (1,), 1, "SELECT 1")


async def test_the_same_write_twice_ends_as_the_second(connection: asyncpg.Connection) -> None:
    sql = Session(connection)
    for n in (1, 2, 3):
        sql.later(INSERT, "a", n)
        sql.later("INSERT INTO kept (name, n) SELECT $1, $2", str(n), n)
    assert [tuple(row) for row in await sql.fetch(ALL)] == [("1", 1), ("2", 2), ("3", 3), ("a", 3)]


async def test_nothing_passes_a_write_that_waits(connection: asyncpg.Connection) -> None:
    sql = Session(connection)
    sql.later(INSERT, "a", 1)
    with pytest.raises(RuntimeError, match="flush them first"):
        sql.cursor(ALL)
    await sql.flush()
    assert [row["n"] async for row in sql.cursor(ALL)] == [1]


async def test_a_write_is_not_forgotten_where_nobody_commits(connection: asyncpg.Connection) -> None:
    with pytest.raises(ReadOnlyTransactionError):
        Session(connection, read_only=True).later(INSERT, "a", 1)


async def test_what_is_asked_of_many_is_asked_one_by_one(connection: asyncpg.Connection, statements: list[str]) -> None:
    sql = Session(connection)

    async def of(ids: list[int]) -> list[int]:
        return [row["n"] for row in await sql.fetch("SELECT n FROM unnest($1::int[]) AS n", ids)]

    many = list(range(500))
    assert await together(sql, of(many), of([1])) == (many, [1])
    assert not [sent for sent in await own(statements) if "array_agg" in sent]
