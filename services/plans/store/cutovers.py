"""The SQL of cut-overs in plans: which may import, and what is held of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

from services.plans.domain.imported import CutoverState
from shared.database import UnitOfWork
from shared.money import Money

# Whoever imports is waited for before it closes.
_FIND: Final = "SELECT business_date, state FROM cutover WHERE tenant = $1 AND cutover_id = $2"
_BEGIN: Final = """
INSERT INTO cutover (tenant, cutover_id, business_date, state, begun_real) VALUES ($1, $2, $3, 'importing', $4)
ON CONFLICT DO NOTHING
"""
_CLOSE: Final = "UPDATE cutover SET state = 'closed' WHERE tenant = $1 AND cutover_id = $2"
_HELD: Final = """
SELECT currency, count(*) AS plans, sum(total_minor) AS total FROM (
    SELECT currency, total_minor FROM plan WHERE tenant = $1 AND cutover_id = $2
    UNION ALL
    SELECT currency, total_minor FROM cutover_plan WHERE tenant = $1 AND cutover_id = $2 AND plan_id IS NOT NULL
) AS held GROUP BY currency ORDER BY currency
"""
_LEFT_OUT: Final = """
SELECT currency, count(*) AS plans, sum(total_minor) AS total FROM cutover_plan
WHERE tenant = $1 AND cutover_id = $2 AND plan_id IS NULL GROUP BY currency ORDER BY currency
"""
_KEEP: Final = """
INSERT INTO cutover_plan (tenant, cutover_id, record, plan_id, currency, total_minor)
SELECT $1, $2, r.* FROM unnest($3::bytea[], $4::uuid[], $5::text[], $6::bigint[]) AS r
ON CONFLICT DO NOTHING
"""


async def find(uow: UnitOfWork, cutover_id: str, *, to_import: bool = False) -> tuple[date, CutoverState] | None:
    """Business date and state. `to_import`: it stays so until the end of the transaction."""
    row = await uow.sql.fetchrow(_FIND + (" FOR SHARE" if to_import else ""), uow.tenant, cutover_id)
    return None if row is None else (row["business_date"], row["state"])


async def begin(uow: UnitOfWork, cutover_id: str, business_date: date) -> None:
    """Plans of it may be imported from now on; begun again, nothing changes."""
    await uow.sql.execute(_BEGIN, uow.tenant, cutover_id, business_date, uow.real_now)


async def close(uow: UnitOfWork, cutover_id: str) -> None:
    """No plan of it is imported any more."""
    await uow.sql.execute(_CLOSE, uow.tenant, cutover_id)


async def held(uow: UnitOfWork, cutover_id: str) -> list[tuple[int, Money]]:
    """How many plans are held, and what was still to be paid on them, by currency."""
    return await _sums(uow, _HELD, cutover_id)


async def left_out(uow: UnitOfWork, cutover_id: str) -> list[tuple[int, Money]]:
    """How many plans are of people erased meanwhile, and what was still to be paid on them, by currency."""
    return await _sums(uow, _LEFT_OUT, cutover_id)


async def keep(uow: UnitOfWork, cutover_id: str, records: Sequence[tuple[bytes, UUID | None, Money]]) -> None:
    """Records that became no plan of this cut-over: the earlier one's plan that each is, or None, and its rest."""
    if records:
        ordered = sorted(records, key=lambda one: one[0])
        columns = [[one[0] for one in ordered], [one[1] for one in ordered], [one[2].currency for one in ordered],
                   [one[2].amount_minor for one in ordered]]  # fmt: skip
        await uow.sql.execute(_KEEP, uow.tenant, cutover_id, *columns)


async def _sums(uow: UnitOfWork, statement: str, cutover_id: str) -> list[tuple[int, Money]]:
    rows = await uow.sql.fetch(statement, uow.tenant, cutover_id)
    return [(row["plans"], Money(amount_minor=int(row["total"]), currency=row["currency"])) for row in rows]
