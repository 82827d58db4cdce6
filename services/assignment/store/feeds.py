"""The SQL of what waits with the people of a core that is not believed."""

from __future__ import annotations

from uuid import UUID

from services.assignment.domain.visits import OURS
from shared.database import UnitOfWork

_OURS = sorted(OURS)
_PLANNED = """
SELECT v.party_id FROM visit v JOIN candidate c USING (tenant, party_id)
WHERE v.tenant = $1 AND v.state = ANY($2::text[]) AND (c.core = $3 OR c.core IS NULL)
  AND ($4::uuid IS NULL OR v.party_id > $4)
ORDER BY v.party_id LIMIT $5
"""


async def planned_of(uow: UnitOfWork, core: str, *, after: UUID | None, limit: int) -> list[UUID]:
    """People of the core, or of nobody knows which, with a visit that waits for an answer or a permit; by id."""
    rows = await uow.sql.fetch(_PLANNED, uow.tenant, _OURS, core, after, limit)
    return [row["party_id"] for row in rows]
