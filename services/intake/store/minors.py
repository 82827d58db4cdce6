"""The SQL of people who are not of age: that they are is kept, never when they were born."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from shared.database import UnitOfWork

_KEEP = """
INSERT INTO minor_person (tenant, party_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING RETURNING party_id
"""
_RELEASE = "DELETE FROM minor_person WHERE tenant = $1 AND party_id = ANY($2::uuid[]) RETURNING party_id"
_PAGE = """
SELECT m.party_id, p.profile::json ->> 'jurisdiction' AS jurisdiction
FROM minor_person m JOIN person p ON p.tenant = m.tenant AND p.party_id = m.party_id
WHERE m.tenant = $1 AND ($2::uuid IS NULL OR m.party_id > $2) ORDER BY m.party_id LIMIT $3
"""
_DESCRIBED = """
SELECT party_id, profile::json ->> 'jurisdiction' AS jurisdiction FROM person
WHERE tenant = $1 AND card IS NOT NULL AND ($2::uuid IS NULL OR party_id > $2) ORDER BY party_id LIMIT $3
"""


async def keep(uow: UnitOfWork, party_ids: Collection[UUID]) -> list[UUID]:
    """Remember minors; those that were not known as such. Their locks are held."""
    if not party_ids:
        return []
    return sorted(row[0] for row in await uow.sql.fetch(_KEEP, uow.tenant, sorted(party_ids)))


async def release(uow: UnitOfWork, party_ids: Collection[UUID]) -> list[UUID]:
    """Forget those who are of age; those that were known as minors. Their locks are held."""
    if not party_ids:
        return []
    return sorted(row[0] for row in await uow.sql.fetch(_RELEASE, uow.tenant, sorted(party_ids)))


async def page(uow: UnitOfWork, *, after: UUID | None, limit: int) -> dict[UUID, str]:
    """Minors in order of id, each with the place whose law applies."""
    return dict(await uow.sql.fetch(_PAGE, uow.tenant, after, limit))


async def described(uow: UnitOfWork, *, after: UUID | None, limit: int) -> dict[UUID, str]:
    """Everybody with a card, in order of id, each with the place whose law applies."""
    return dict(await uow.sql.fetch(_DESCRIBED, uow.tenant, after, limit))
