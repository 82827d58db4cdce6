"""What a new schema breaks for the release that still runs beside it.

In a rolling upgrade the tables are migrated first, then the old release's processes go on reading and writing them
until the last of them has stopped. So between two releases a schema may only grow: what the old release names stays,
and what it does not name needs no value from it. What shrinks waits for the release after.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import asyncpg

Schema = Mapping[str, Mapping[str, Any]]
"""Table or view → `columns`: name → {type, required, default}, and `rules`: name of a constraint → its definition."""

# Partitions are shaped by their parent; what Alembic keeps is its own.
_COLUMNS: Final = """
SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS required, a.atthasdef OR a.attidentity <> '' AS defaulted
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
  AND c.relname <> 'alembic_version'
ORDER BY 1, a.attname
"""
_RULES: Final = """
SELECT c.relname AS table, k.conname AS name, pg_get_constraintdef(k.oid) AS definition
FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('c', 'u', 'f', 'p', 'x')
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> 'alembic_version'
ORDER BY 1, 2
"""
_LITERAL: Final = re.compile(r"'(?:[^']|'')*'")


async def load_schema(connection: asyncpg.Connection) -> dict[str, dict[str, Any]]:
    """The schema of a migrated database, as `schema_breaks` compares it."""
    schema: dict[str, dict[str, Any]] = {}
    for row in await connection.fetch(_COLUMNS):
        table = schema.setdefault(row["table"], {"columns": {}, "rules": {}})
        table["columns"][row["column"]] = {
            "type": row["type"],
            "required": row["required"],
            "default": row["defaulted"],
        }
    for row in await connection.fetch(_RULES):
        schema[row["table"]]["rules"][row["name"]] = row["definition"]
    return schema


def schema_breaks(released: Schema, built: Schema) -> list[str]:
    """One line for each thing that the released code can no longer do; none: both may run beside each other."""
    return [line for name in sorted(released) for line in _table_breaks(name, released[name], built.get(name))]


def _table_breaks(name: str, old: Mapping[str, Any], new: Mapping[str, Any] | None) -> Iterator[str]:
    if new is None:
        yield f"{name}: the table is gone"
        return
    yield from _column_breaks(name, old["columns"], new["columns"])
    yield from _rule_breaks(name, old["rules"], new["rules"], grown=new["columns"].keys() - old["columns"].keys())


def _column_breaks(table: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, before in old.items():
        after = new.get(name)
        if after is None:
            yield f"{table}.{name}: the column is gone"
            continue
        if after["type"] != before["type"]:
            yield f"{table}.{name}: {before['type']} becomes {after['type']}"
        if after["required"] and not before["required"]:
            yield f"{table}.{name}: must have a value now"
        if before["default"] and after["required"] and not after["default"]:
            yield f"{table}.{name}: has no default any more"
    for name in new.keys() - old.keys():
        if new[name]["required"] and not new[name]["default"]:
            yield f"{table}.{name}: a new column that every INSERT must name"


def _rule_breaks(table: str, old: Mapping[str, str], new: Mapping[str, str], *, grown: set[str]) -> Iterator[str]:
    """A list of values may grow. A rule that names a new column may hold of rows that do not name it; it is read by
    whoever writes the migration."""
    for name, definition in new.items():
        before = old.get(name)
        if before == definition:
            continue
        if before is None:
            if not any(re.search(rf"\b{re.escape(column)}\b", definition) for column in grown):
                yield f"{table}: a new rule of old columns, {definition}"
        elif not (_shape(before) == _shape(definition) and _literals(before) <= _literals(definition)):
            yield f"{table}.{name}: {before} becomes {definition}"


def _literals(definition: str) -> set[str]:
    return set(_LITERAL.findall(definition))


def _shape(definition: str) -> str:
    """The rule without the values it lists, however many they are."""
    return re.sub(r"(?:\?::\w+(?:\[\])?(?:, )?)+", "?", _LITERAL.sub("?", definition))
