"""Columns of many rows as one text parameter.

asyncpg looks at every element of an array about five times before it encodes it; a joined text costs one copy. In SQL:
`string_to_array($1, chr(31))`, cast to the column's type. Only for values that cannot contain the separator (U+001F, a
control character that CloudEvents attributes must not hold), and never for an empty list of rows.

Rows that are known to be new are appended by COPY instead: it writes a page at a time, and asks no index first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import asyncpg

SEPARATOR = "\x1f"
NULL = "\x02"
"""A null among the texts."""
_QUOTE = "\x01"


def joined(values: Iterable[object]) -> str:
    """The values as text, joined by the separator."""
    return SEPARATOR.join(map(str, values))


async def append(sql: asyncpg.Connection, table: str, columns: Sequence[str], rows: Iterable[Iterable[str]]) -> None:
    """Append rows by COPY, each value as PostgreSQL reads it or `NULL`. None may hold a control character.

    Raises asyncpg.UniqueViolationError when one of them exists.
    """
    lines = "\n".join(map(SEPARATOR.join, rows))
    if lines:
        # Control characters as delimiter and quote: nothing in the values needs escaping, JSON's own escapes least of
        # all. The driver takes bytes for a path, a view of them for data.
        source = memoryview(f"{lines}\n".encode())
        await sql.copy_to_table(
            table, source=source, columns=columns, format="csv", delimiter=SEPARATOR, quote=_QUOTE, null=NULL
        )
