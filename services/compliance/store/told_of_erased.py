"""The SQL of what is told of people who were erased: counts, and nothing of the records or of whom they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Final

from shared.database import UnitOfWork

_COUNT: Final = """
INSERT INTO told_of_erased AS t (tenant, told_by, day, records)
SELECT $1, c.told_by, $4, c.records FROM unnest($2::text[], $3::bigint[]) AS c(told_by, records) ORDER BY c.told_by
ON CONFLICT (tenant, told_by, day) DO UPDATE SET records = t.records + excluded.records
"""
_COUNTS: Final = """
SELECT told_by, sum(records)::bigint AS records FROM told_of_erased WHERE tenant = $1 GROUP BY told_by
"""
_NUMBERS: Final = """
INSERT INTO feed_number (tenant, source, number, recorded_real)
SELECT $1, n.*, $4 FROM unnest($2::text[], $3::bigint[]) AS n ON CONFLICT DO NOTHING RETURNING source, number
"""


async def count(uow: UnitOfWork, records: Mapping[str, int]) -> None:
    """So many records more, by who told them."""
    if records:
        told_by = sorted(records)
        day = uow.real_now.astimezone(UTC).date()
        await uow.sql.execute(_COUNT, uow.tenant, told_by, [records[one] for one in told_by], day)


async def load_counts(uow: UnitOfWork) -> dict[str, int]:
    """How many records each has told so far."""
    return {row["told_by"]: row["records"] for row in await uow.sql.fetch(_COUNTS, uow.tenant)}


async def insert_numbers(uow: UnitOfWork, numbers: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
    """The feeds' numbers have come, or their days would never be complete; returns those that are new.

    The feeds are locked.
    """
    if not numbers:
        return set()
    rows = await uow.sql.fetch(
        _NUMBERS, uow.tenant, [one[0] for one in numbers], [one[1] for one in numbers], uow.real_now
    )
    return {(row["source"], row["number"]) for row in rows}
