"""The SQL of control totals: the core's own of a closed day, the cases to be summed, and what was found to differ."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from services.intake.domain.control_totals import TotalDifference, Totals
from shared.database import UnitOfWork

_STATED = "SELECT open_loans, overdue_total::text FROM core_day WHERE tenant = $1 AND core = $2 AND closed_on = $3"
# Who has been told of since may owe nothing any more, and owed on that day.
_CASES = """
SELECT party_id, as_of > $3 AS is_ahead FROM case_file
WHERE tenant = $1 AND core = $2 AND (status = 'open' OR as_of > $3) AND ($4::uuid IS NULL OR party_id > $4)
ORDER BY party_id LIMIT $5
"""
_SEE = """
INSERT INTO control_total_finding AS f (tenant, core, field, business_date, ours, cores, opened_at)
SELECT $1, $2, field, $3, ours, cores, $4 FROM unnest($5::text[], $6::bigint[], $7::bigint[]) AS n(field, ours, cores)
ON CONFLICT (tenant, core, field) WHERE closed_at IS NULL
DO UPDATE SET business_date = excluded.business_date, ours = excluded.ours, cores = excluded.cores
"""
_CLOSE = """
UPDATE control_total_finding SET closed_at = $3
WHERE tenant = $1 AND core = $2 AND closed_at IS NULL AND field <> ALL($4::text[])
"""
_PAGE = """
SELECT core, field, business_date, ours, cores, opened_at, closed_at FROM control_total_finding
WHERE tenant = $1 AND (NOT $2 OR closed_at IS NULL)
  AND ($3::timestamptz IS NULL OR (opened_at, core, field) < ($3, $4::text, $5::text))
ORDER BY opened_at DESC, core DESC, field DESC LIMIT $6
"""


class CaseToSum(NamedTuple):
    """`is_ahead`: the core has told of a later date since."""

    party_id: UUID
    is_ahead: bool


async def stated(uow: UnitOfWork, core: str, closed_on: date) -> Totals | None:
    """The core's totals; None where it has closed a later day meanwhile."""
    row = await uow.sql.fetchrow(_STATED, uow.tenant, core, closed_on)
    return None if row is None else Totals(row[0], msgspec.json.decode(row[1], type=dict[str, int]))


async def cases(uow: UnitOfWork, core: str, closed_on: date, *, after: UUID | None, limit: int) -> list[CaseToSum]:
    """Cases that may have been past due on the day, in order of party."""
    rows = await uow.sql.fetch(_CASES, uow.tenant, core, closed_on, after, limit)
    return [CaseToSum(*row) for row in rows]


async def conclude(uow: UnitOfWork, core: str, found: Sequence[TotalDifference], *, business_date: date) -> None:
    """Open what is new, renew what is open already, close what agrees."""
    fields = [one.field for one in found]
    await uow.sql.execute(_CLOSE, uow.tenant, core, uow.real_now, fields)
    if found:
        values = fields, [one.ours for one in found], [one.cores for one in found]
        await uow.sql.execute(_SEE, uow.tenant, core, business_date, uow.real_now, *values)


async def page(
    uow: UnitOfWork, *, only_open: bool, before: tuple[datetime, str, str] | None, limit: int
) -> list[asyncpg.Record]:
    """Differences, the newest first."""
    return list(await uow.sql.fetch(_PAGE, uow.tenant, only_open, *(before or (None, None, None)), limit))
