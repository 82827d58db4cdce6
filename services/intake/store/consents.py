"""The SQL of consents that compliance was told of: a commitment to what was told, never the words."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from shared.database import UnitOfWork

_NEW = """
INSERT INTO told_consent AS t (tenant, party_id, commitment)
SELECT $1, n.party_id, n.commitment FROM unnest($2::uuid[], $3::bytea[]) AS n(party_id, commitment)
ON CONFLICT (tenant, party_id) DO UPDATE SET commitment = excluded.commitment
WHERE t.commitment <> excluded.commitment
RETURNING party_id
"""


async def keep(uow: UnitOfWork, commitments: Mapping[UUID, bytes]) -> list[UUID]:
    """Remember what is told; those of whom something else was told before, or nothing. Their locks are held."""
    ids = sorted(commitments)
    rows = await uow.sql.fetch(_NEW, uow.tenant, ids, [commitments[party_id] for party_id in ids])
    return sorted(row[0] for row in rows)
