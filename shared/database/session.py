"""A transaction's way to the database: statements one by one, several reads as one, and writes that wait for others.

A small command is mostly round trips: each costs both processes more than what it asks, and under load waits for a
processor. `together` sends what several readers ask at the same time as one statement; `later` keeps a write until
the next statement of any kind, or the end of the transaction, and sends those that wait as one. Nobody sees a
difference but in time: whatever is asked after a write finds it written.
"""

from __future__ import annotations

import re
from collections.abc import Coroutine, Generator, Sequence
from typing import Any, Final, NamedTuple, TypeVar, overload
from weakref import WeakKeyDictionary

import asyncpg

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")

_PARAMETER: Final = re.compile(r"\$(\d+)")
# Of more people than these the rows cost more than the ways to the database, and rows inside of a row cost most.
_FEW: Final = 100
# Columns of what a connection was asked: it must have met the types of all columns to read them inside of a row.
_known: Final[WeakKeyDictionary[asyncpg.Connection, dict[str, tuple[str, ...]]]] = WeakKeyDictionary()
_reads: Final[dict[tuple[tuple[str, tuple[str, ...]], ...], str]] = {}
_writes: Final[dict[tuple[str, ...], str]] = {}


class ReadOnlyTransactionError(RuntimeError):
    """An event, an intent or a write that waits was recorded in a read-only transaction."""


class Statement(NamedTuple):
    """SQL with its arguments."""

    sql: str
    arguments: tuple[Any, ...]


class _Asked:
    """What a reader waits for while others are asked what they want to read."""

    def __init__(self, statements: Sequence[Statement]) -> None:
        self.statements = statements

    def __await__(self) -> Generator[_Asked, Any, Any]:
        return (yield self)


class Session:
    """The driver's connection inside one transaction. What it does not name goes to the connection as it is."""

    def __init__(self, connection: asyncpg.Connection, *, read_only: bool = False) -> None:
        self._connection = connection
        self._read_only = read_only
        self._waiting: list[Statement] = []
        self._asking = False

    async def fetch(self, sql: str, *arguments: Any, timeout: float | None = None) -> list[Any]:
        """The rows."""
        if self._asking:
            (rows,) = await _Asked([Statement(sql, arguments)])
            return rows  # type: ignore[no-any-return]
        if self._waiting:
            await self.flush()
        return await self._connection.fetch(sql, *arguments, timeout=timeout)  # type: ignore[no-any-return]

    async def fetchrow(self, sql: str, *arguments: Any) -> Any:
        """The first row; None without one."""
        if self._asking:
            rows = await self.fetch(sql, *arguments)
            return rows[0] if rows else None
        if self._waiting:
            await self.flush()
        return await self._connection.fetchrow(sql, *arguments)

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        """The first column of the first row; None without one."""
        if self._asking:
            rows = await self.fetch(sql, *arguments)
            return next(iter(rows[0].values())) if rows else None
        if self._waiting:
            await self.flush()
        return await self._connection.fetchval(sql, *arguments)

    async def fetch_ahead(self, sql: str, *arguments: Any) -> list[Any]:
        """The rows of a statement that may pass the writes that wait: it looks at nothing that they touch."""
        return await self._connection.fetch(sql, *arguments)  # type: ignore[no-any-return]

    def later(self, sql: str, *arguments: Any) -> None:
        """Write before the next statement, or at the end of the transaction, at one with other writes that wait.

        One statement without data-modifying WITH. All that are sent together see the database as it was before, so
        none may look at a row that another of them writes. What it raises is raised by whatever comes next.

        Raises ReadOnlyTransactionError.
        """
        if self._read_only:
            raise ReadOnlyTransactionError("this transaction is read-only")
        self._waiting.append(Statement(sql, arguments))

    async def flush(self) -> None:
        """Send the writes that wait."""
        waiting, self._waiting = self._waiting, []
        while waiting:
            # The same write twice may be about the same row, which one statement cannot write twice.
            texts = [sql for sql, _ in waiting]
            count = next((place for place, sql in enumerate(texts) if sql in texts[:place]), len(texts))
            group, waiting = waiting[:count], waiting[count:]
            sql = group[0].sql if count == 1 else _joined_writes(group)
            await self._connection.execute(sql, *_arguments(group))

    async def execute(self, sql: str, *arguments: Any, **options: Any) -> str:
        """Carry out; the command's tag."""
        await self._ready()
        return await self._connection.execute(sql, *arguments, **options)  # type: ignore[no-any-return]

    async def executemany(self, sql: str, arguments: Any, **options: Any) -> None:
        """Carry out for each tuple of arguments."""
        await self._ready()
        await self._connection.executemany(sql, arguments, **options)

    async def copy_records_to_table(self, table: str, **options: Any) -> str:
        """Append rows by binary COPY."""
        await self._ready()
        return await self._connection.copy_records_to_table(table, **options)  # type: ignore[no-any-return]

    async def copy_to_table(self, table: str, **options: Any) -> str:
        """Append rows by COPY."""
        await self._ready()
        return await self._connection.copy_to_table(table, **options)  # type: ignore[no-any-return]

    async def copy_from_query(self, sql: str, *arguments: Any, **options: Any) -> str:
        """Read rows by COPY."""
        await self._ready()
        return await self._connection.copy_from_query(sql, *arguments, **options)  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        if self._waiting:
            raise RuntimeError(f"{name} would pass writes that wait; flush them first")
        return getattr(self._connection, name)

    async def _ready(self) -> None:
        if self._asking:
            raise RuntimeError("together is for reads")
        if self._waiting:
            await self.flush()

    def _ask(self, reader: Coroutine[Any, Any, Any], answers: Any) -> _Asked:
        """What the reader wants to know next. Raises StopIteration with its result."""
        before, self._asking = self._asking, True
        try:
            asked = reader.send(answers)
        finally:
            self._asking = before
        if not isinstance(asked, _Asked):
            raise TypeError("whoever reads together waits for nothing but the database")
        return asked

    async def _answers(self, statements: Sequence[Statement]) -> list[list[Any]]:
        """The rows of each statement."""
        if self._asking:
            return await _Asked(statements)  # type: ignore[no-any-return]
        if len(statements) == 1 or any(_is_long(one) for one in _arguments(statements)):
            return [await self.fetch(sql, *arguments) for sql, arguments in statements]
        known = _known.setdefault(self._connection, {})
        for sql in dict.fromkeys(sql for sql, _ in statements if sql not in known):
            prepared = await self._connection.prepare(sql)
            known[sql] = tuple(attribute.name for attribute in prepared.get_attributes())
        columns = [known[sql] for sql, _ in statements]
        (found,) = await self.fetch(_joined_reads(statements, columns), *_arguments(statements))
        return [
            [dict(zip(names, row, strict=True)) for row in rows or ()]
            for names, rows in zip(columns, found.values(), strict=True)
        ]


@overload
async def together(sql: Session, a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], /) -> tuple[A, B]: ...
@overload
async def together(
    sql: Session, a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], c: Coroutine[Any, Any, C], /
) -> tuple[A, B, C]: ...
@overload
async def together(
    sql: Session, a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], c: Coroutine[Any, Any, C],
    d: Coroutine[Any, Any, D], /,
) -> tuple[A, B, C, D]: ...  # fmt: skip
@overload
async def together(
    sql: Session, a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], c: Coroutine[Any, Any, C],
    d: Coroutine[Any, Any, D], e: Coroutine[Any, Any, E], /,
) -> tuple[A, B, C, D, E]: ...  # fmt: skip
@overload
async def together(
    sql: Session, a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], c: Coroutine[Any, Any, C],
    d: Coroutine[Any, Any, D], e: Coroutine[Any, Any, E], f: Coroutine[Any, Any, F], /,
) -> tuple[A, B, C, D, E, F]: ...  # fmt: skip


async def together(sql: Session, *readers: Coroutine[Any, Any, Any]) -> tuple[Any, ...]:
    """What these readers return; what they ask the database at the same time is one statement.

    They do nothing but SELECT (a lock would not be held before the other readers look), and their rows may be dicts.
    What is asked of many people at once is asked one by one: then the rows weigh more than the ways, and what holds it
    still is the people's locks, not the moment.
    """
    results: dict[int, Any] = {}
    answers: dict[int, Any] = dict.fromkeys(range(len(readers)))
    try:
        while answers:
            asked: dict[int, _Asked] = {}
            for place, answer in answers.items():
                try:
                    asked[place] = sql._ask(readers[place], answer)
                except StopIteration as end:
                    results[place] = end.value
            statements = [one for wanted in asked.values() for one in wanted.statements]
            found = iter(await sql._answers(statements) if statements else ())
            answers = {place: [next(found) for _ in wanted.statements] for place, wanted in asked.items()}
    finally:
        for reader in readers:
            reader.close()
    return tuple(results[place] for place in range(len(readers)))


def _joined_reads(statements: Sequence[Statement], columns: Sequence[tuple[str, ...]]) -> str:
    """One row with the rows of each statement as a column, their columns named so that none can move."""
    asked = tuple(zip((sql for sql, _ in statements), columns, strict=True))
    if asked not in _reads:
        parts = zip(asked, _before(statements), strict=True)
        _reads[asked] = f"SELECT {', '.join(_as_column(sql, names, before) for (sql, names), before in parts)}"
    return _reads[asked]


def _as_column(sql: str, columns: Sequence[str], before: int) -> str:
    row = ", ".join(f'q."{name}"' for name in columns)
    return f"(SELECT array_agg(ROW({row})) FROM ({_numbered(sql, before)}) AS q)"  # noqa: S608


def _joined_writes(statements: Sequence[Statement]) -> str:
    texts = tuple(sql for sql, _ in statements)
    if texts not in _writes:
        parts = [
            f"w{place} AS ({_numbered(text, before)})"
            for place, (text, before) in enumerate(zip(texts, _before(statements), strict=True))
        ]
        _writes[texts] = f"WITH {', '.join(parts)} SELECT"
    return _writes[texts]


def _before(statements: Sequence[Statement]) -> list[int]:
    """How many arguments come before those of each statement."""
    counts = [len(arguments) for _, arguments in statements]
    return [sum(counts[:place]) for place in range(len(counts))]


def _numbered(sql: str, before: int) -> str:
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + before}", sql)


def _is_long(argument: Any) -> bool:
    return isinstance(argument, list | tuple) and len(argument) > _FEW


def _arguments(statements: Sequence[Statement]) -> list[Any]:
    return [one for _, arguments in statements for one in arguments]
