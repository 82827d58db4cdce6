"""The SQL of trace sources: the last number each gave, how many were told, and the number that closed its last day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.database import UnitOfWork

_BEGIN = """
INSERT INTO trace_source (tenant, source) SELECT $1, source FROM unnest($2::text[]) AS source ORDER BY source
ON CONFLICT DO NOTHING RETURNING source
"""
_TAKE = """
INSERT INTO trace_source AS s (tenant, source, last_number)
SELECT $1, t.source, t.count FROM unnest($2::text[], $3::int[]) AS t(source, count) ORDER BY t.source
ON CONFLICT (tenant, source) DO UPDATE SET last_number = s.last_number + excluded.last_number
RETURNING source, last_number
"""
_SETTLE = """
UPDATE trace_source s SET settled = s.settled + t.count
FROM unnest($2::text[], $3::int[]) AS t(source, count) WHERE s.tenant = $1 AND s.source = t.source
"""
_CLOSE = """
UPDATE trace_source SET closed_number = last_number WHERE tenant = $1 AND source = $2
RETURNING last_number, old.closed_number AS closed_before
"""
_SETTLED = "SELECT source, settled FROM trace_source WHERE tenant = $1"


async def begin(uow: UnitOfWork, sources: Sequence[str]) -> list[str]:
    """Keep the sources; returns those that are new."""
    return [row["source"] for row in await uow.sql.fetch(_BEGIN, uow.tenant, sorted(sources))]


async def take_numbers(uow: UnitOfWork, counts: Mapping[str, int]) -> dict[str, int]:
    """Take so many numbers of each source; returns the last one taken. The sources are locked until the commit."""
    sources = sorted(counts)
    rows = await uow.sql.fetch(_TAKE, uow.tenant, sources, [counts[one] for one in sources])
    return {row["source"]: row["last_number"] for row in rows}


async def settle(uow: UnitOfWork, counts: Mapping[str, int]) -> None:
    """So many more numbers of each source were heard, or refused for good."""
    sources = sorted(counts)
    if sources:
        await uow.sql.execute(_SETTLE, uow.tenant, sources, [counts[one] for one in sources])


async def close(uow: UnitOfWork, source: str) -> tuple[int, int]:
    """Close with the last number given; returns it and how many records were made since the last close."""
    row = await uow.sql.fetchrow(_CLOSE, uow.tenant, source)
    return (0, 0) if row is None else (row["last_number"], row["last_number"] - row["closed_before"])


async def load_settled(uow: UnitOfWork) -> dict[str, int]:
    """How many numbers of each source were heard, or refused for good."""
    return {row["source"]: row["settled"] for row in await uow.sql.fetch(_SETTLED, uow.tenant)}
