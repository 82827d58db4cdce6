"""Who of the core's references is somebody else: the aliases, found by either side. Few, so not partitioned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import asyncpg

from services.intake.domain.groups import Alias
from services.intake.domain.position import Position
from shared.database import UnitOfWork

_TOUCHING = """
SELECT party_id, into_id, is_merged, business_date, core_sequence, lead_id, other_id, version, settled
FROM party_identity
WHERE tenant = $1 AND (party_id = ANY($2::uuid[]) OR lead_id = ANY($2::uuid[]) OR other_id = ANY($2::uuid[]))
ORDER BY party_id
"""
_SAVE = """
INSERT INTO party_identity (tenant, party_id, into_id, is_merged, business_date, core_sequence, lead_id, other_id,
                            version, settled, changed_at)
SELECT $1, a.*, $11
FROM unnest($2::uuid[], $3::uuid[], $4::boolean[], $5::date[], $6::bigint[], $7::uuid[], $8::uuid[], $9::integer[],
            $10::boolean[]) AS a
ON CONFLICT (tenant, party_id) DO UPDATE
SET into_id = excluded.into_id, is_merged = excluded.is_merged, business_date = excluded.business_date,
    core_sequence = excluded.core_sequence, lead_id = excluded.lead_id, other_id = excluded.other_id,
    version = excluded.version, settled = excluded.settled, changed_at = excluded.changed_at
"""
# Few: only whoever somebody else turned out to be.
_REFERENCES = """
SELECT party_id, party_ref FROM party_alias WHERE tenant = $1 AND core = $2 AND party_id = ANY($3::uuid[])
"""
_FORGET = "DELETE FROM party_identity WHERE tenant = $1 AND (party_id = ANY($2::uuid[]) OR lead_id = ANY($2::uuid[]))"


async def touching(uow: UnitOfWork, party_ids: Iterable[UUID]) -> list[Alias]:
    """The aliases in which one of the parties is named: its own, those it stands for, those that left it last."""
    return [_alias(row) for row in await uow.sql.fetch(_TOUCHING, uow.tenant, sorted(set(party_ids)))]


async def component(uow: UnitOfWork, party_ids: Iterable[UUID]) -> list[Alias]:
    """All aliases of the groups of these parties, and of the groups that those were once said to belong to."""
    found: list[Alias] = []
    known: set[UUID] = set()
    wanted = set(party_ids)
    while wanted - known:
        known |= wanted
        found = await touching(uow, known)
        wanted = {one for alias in found if alias.is_merged for one in (alias.party_id, alias.into, alias.lead)}
    return found


async def leads(uow: UnitOfWork, party_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Who stands for those of the parties that are somebody else."""
    return {one.party_id: one.lead for one in await touching(uow, party_ids) if one.lead != one.party_id}


async def somebody_else(uow: UnitOfWork, core: str, ids: Mapping[str, UUID]) -> dict[str, str]:
    """By each of the core's references in `ids` that is somebody else now, the reference of who that is."""
    found = await leads(uow, sorted(ids.values()))
    if not found:
        return {}
    rows = await uow.sql.fetch(_REFERENCES, uow.tenant, core, sorted(set(found.values())))
    names = {row["party_id"]: row["party_ref"] for row in rows}
    return {ref: names[found[one]] for ref, one in sorted(ids.items()) if one in found and found[one] in names}


async def people(uow: UnitOfWork, party_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Those of the parties that stand for themselves, each with all ids of theirs, in the order given."""
    found = {party_id: [party_id] for party_id in party_ids}
    for one in await touching(uow, party_ids):
        if one.lead != one.party_id:
            found.pop(one.party_id, None)
            if one.lead in found:
                found[one.lead].append(one.party_id)
    return found


async def members(uow: UnitOfWork, party_id: UUID) -> list[UUID]:
    """The party and those for whom it stands: whose books are read as its own."""
    return [
        party_id,
        *(one.party_id for one in await touching(uow, [party_id]) if one.lead == party_id != one.party_id),
    ]


async def save(uow: UnitOfWork, aliases: Sequence[Alias]) -> None:
    """Keep what is known of each of these parties now."""
    if aliases:
        ordered = sorted(aliases, key=lambda one: one.party_id)
        rows = [
            (one.party_id, one.into, one.is_merged, one.position.business_date, one.position.core_sequence, one.lead,
             one.other, one.version, one.settled)
            for one in ordered
        ]  # fmt: skip
        await uow.sql.execute(_SAVE, uow.tenant, *(list(column) for column in zip(*rows, strict=True)), uow.real_now)


async def forget(uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
    """Delete what joins erased people to anybody."""
    await uow.sql.execute(_FORGET, uow.tenant, list(party_ids))


def _alias(row: asyncpg.Record) -> Alias:
    return Alias(
        party_id=row["party_id"],
        into=row["into_id"],
        is_merged=row["is_merged"],
        position=Position(row["business_date"], row["core_sequence"]),
        lead=row["lead_id"],
        other=row["other_id"],
        version=row["version"],
        settled=row["settled"],
    )
