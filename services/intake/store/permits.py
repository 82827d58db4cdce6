"""Permits as compliance announces them: a contact card is shown in clear only under one that stands."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.intake.domain.card_use import HeardPermit
from shared.database import UnitOfWork
from shared.events.compliance import PermitGranted, PermitReleased, PermitRevoked

_NOTE = """
INSERT INTO known_permit (tenant, party_id, permit_id, channel, starts_at, ends_at, is_void)
SELECT DISTINCT ON (n.party_id, n.permit_id) $1, n.party_id, n.permit_id, n.channel, n.starts_at, n.ends_at, false
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[])
  AS n(party_id, permit_id, channel, starts_at, ends_at)
ORDER BY n.party_id, n.permit_id
ON CONFLICT (tenant, party_id, permit_id) DO UPDATE
SET channel = excluded.channel, starts_at = excluded.starts_at, ends_at = excluded.ends_at
"""
# A permit that is void before it was heard of stays void.
_VOID = """
INSERT INTO known_permit (tenant, party_id, permit_id, channel, is_void)
SELECT DISTINCT ON (n.party_id, n.permit_id) $1, n.party_id, n.permit_id, n.channel, true
FROM unnest($2::uuid[], $3::uuid[], $4::text[]) AS n(party_id, permit_id, channel)
ORDER BY n.party_id, n.permit_id
ON CONFLICT (tenant, party_id, permit_id) DO UPDATE SET is_void = true
"""
_HEARD = """
SELECT channel, starts_at, ends_at, is_void FROM known_permit WHERE tenant = $1 AND party_id = $2 AND permit_id = $3
"""
_PLANNED = """
SELECT DISTINCT k.party_id FROM known_permit k JOIN case_file c ON c.tenant = k.tenant AND c.party_id = k.party_id
WHERE k.tenant = $1 AND c.core = $2 AND NOT k.is_void AND k.ends_at > $3 AND ($4::uuid IS NULL OR k.party_id > $4)
ORDER BY k.party_id LIMIT $5
"""


async def planned_of(uow: UnitOfWork, core: str, *, after: UUID | None, limit: int) -> list[UUID]:
    """People of the core with a permit whose window is not over and that nobody has taken back, in order of id."""
    rows = await uow.sql.fetch(_PLANNED, uow.tenant, core, uow.now, after, limit)
    return [row["party_id"] for row in rows]


async def heard(uow: UnitOfWork, party_id: UUID, permit_id: UUID) -> HeardPermit | None:
    """What compliance has told of this permit of the party."""
    row = await uow.sql.fetchrow(_HEARD, uow.tenant, party_id, permit_id)
    return None if row is None else HeardPermit(**row)


async def note(uow: UnitOfWork, granted: Sequence[PermitGranted]) -> None:
    """Remember granted permits."""
    if granted:
        await uow.sql.execute(
            _NOTE,
            uow.tenant,
            [permit.party_id for permit in granted],
            [permit.permit_id for permit in granted],
            [permit.channel for permit in granted],
            [permit.window.start for permit in granted],
            [permit.window.end for permit in granted],
        )


async def void(uow: UnitOfWork, ended: Sequence[PermitRevoked | PermitReleased]) -> None:
    """Remember that permits ended before their window did."""
    if ended:
        await uow.sql.execute(
            _VOID,
            uow.tenant,
            [permit.party_id for permit in ended],
            [permit.permit_id for permit in ended],
            [permit.channel for permit in ended],
        )
