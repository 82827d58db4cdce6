"""The SQL of the cores that are not believed at the moment: one row, as intake's newest heartbeat tells them."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime
from uuid import UUID

from services.assignment.domain.visits import OURS
from shared.database import UnitOfWork

_OURS = sorted(OURS)
_SUSPENDED = "SELECT suspended FROM heard_suspensions WHERE tenant = $1"
_HEAR = """
INSERT INTO heard_suspensions AS h (tenant, said_at, suspended) VALUES ($1, $2, $3)
ON CONFLICT (tenant) DO UPDATE SET said_at = excluded.said_at, suspended = excluded.suspended
WHERE h.said_at < excluded.said_at
RETURNING true
"""
_PLANNED = """
SELECT v.party_id FROM visit v JOIN candidate c USING (tenant, party_id)
WHERE v.tenant = $1 AND v.state = ANY($2::text[]) AND (c.core = $3 OR c.core IS NULL)
  AND ($4::uuid IS NULL OR v.party_id > $4)
ORDER BY v.party_id LIMIT $5
"""


async def suspended(uow: UnitOfWork) -> frozenset[str]:
    """The cores that intake does not believe, as far as it has told."""
    return frozenset(await uow.sql.fetchval(_SUSPENDED, uow.tenant) or ())


async def hear(uow: UnitOfWork, cores: Set[str], *, said_at: datetime) -> bool:
    """Keep what a heartbeat tells; False: something newer is known."""
    return bool(await uow.sql.fetchval(_HEAR, uow.tenant, said_at, sorted(cores)))


async def planned_of(uow: UnitOfWork, core: str, *, after: UUID | None, limit: int) -> list[UUID]:
    """People of the core, or of nobody knows which, with a visit that waits for an answer or a permit; by id."""
    rows = await uow.sql.fetch(_PLANNED, uow.tenant, _OURS, core, after, limit)
    return [row["party_id"] for row in rows]
