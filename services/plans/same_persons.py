"""The SQL of people who turned out to be one: the payments of who remains keep the plans of who was given up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from shared.database import UnitOfWork
from shared.events.case import CaseIdentity, CasePartyMerged

_MERGED_INTO = """
WITH RECURSIVE chain AS (
    SELECT s.merged_id, s.survivor_id AS person, 1 AS hops FROM same_person s
    WHERE s.tenant = $1 AND s.survivor_id = ANY($2::uuid[]) AND s.is_merged
    UNION ALL
    SELECT s.merged_id, c.person, c.hops + 1 FROM chain c
    JOIN same_person s ON s.tenant = $1 AND s.survivor_id = c.merged_id AND s.is_merged
    WHERE c.hops < 16
)
SELECT DISTINCT merged_id, person FROM chain WHERE merged_id <> person ORDER BY merged_id, person
"""
_KEEP = """
INSERT INTO same_person AS s (tenant, merged_id, survivor_id, version, is_merged) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, merged_id) DO UPDATE
SET survivor_id = excluded.survivor_id, version = excluded.version, is_merged = excluded.is_merged
WHERE s.version < excluded.version
"""
_STAND_FOR = """
WITH RECURSIVE chain AS (
    SELECT p AS party_id, p AS person, 0 AS hops FROM unnest($2::uuid[]) AS p
    UNION ALL
    SELECT c.party_id, s.survivor_id, c.hops + 1 FROM chain c
    JOIN same_person s ON s.tenant = $1 AND s.merged_id = c.person AND s.is_merged
    WHERE c.hops < 16
)
SELECT DISTINCT ON (party_id) party_id, person FROM chain ORDER BY party_id, hops DESC
"""
_FORGET = """
DELETE FROM same_person WHERE tenant = $1 AND (merged_id = ANY($2::uuid[]) OR survivor_id = ANY($2::uuid[]))
"""


async def merged_into(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, frozenset[UUID]]:
    """Who was merged into the parties, at once or through others, and into which of them."""
    found: dict[UUID, frozenset[UUID]] = {}
    for merged_id, person in await uow.sql.fetch(_MERGED_INTO, uow.tenant, sorted(set(party_ids))):
        found[merged_id] = found.get(merged_id, frozenset()) | {person}
    return found


async def stand_for(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Who stands for each of the parties by now: itself, or whom it turned out to be."""
    rows = await uow.sql.fetch(_STAND_FOR, uow.tenant, sorted(set(party_ids)))
    return {row["party_id"]: row["person"] for row in rows}


async def keep(uow: UnitOfWork, data: CaseIdentity) -> None:
    """One word about who is who; the highest version counts, whichever key it came under."""
    is_merged = isinstance(data, CasePartyMerged)
    await uow.sql.execute(_KEEP, uow.tenant, data.merged_id, data.survivor_id, data.version, is_merged)


async def forget(uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
    """Delete what joins erased people to anybody."""
    await uow.sql.execute(_FORGET, uow.tenant, list(party_ids))
