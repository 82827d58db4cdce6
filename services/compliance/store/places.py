"""The SQL of the places in which people were thought to live: append-only, in versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from services.compliance.domain.places import Place
from shared.database import UnitOfWork

_OF_PARTIES = """
SELECT party_id, since, recorded_real, jurisdiction, zones FROM party_place
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY party_id, since, recorded_real
"""
_INSERT = """
INSERT INTO party_place (tenant, party_id, since, recorded_real, jurisdiction, zones)
SELECT $1, p.party_id, p.since, p.recorded_real, p.jurisdiction, string_to_array(p.zones, ',')
FROM unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[])
  AS p(party_id, since, recorded_real, jurisdiction, zones)
ORDER BY p.party_id, p.since
ON CONFLICT (tenant, party_id, since, recorded_real)
DO UPDATE SET jurisdiction = excluded.jurisdiction, zones = excluded.zones
"""


async def load_places(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, list[Place]]:
    """Every place that was ever known of each party, by when it began."""
    ids = sorted(set(party_ids))
    found: dict[UUID, list[Place]] = {party_id: [] for party_id in ids}
    for row in await uow.sql.fetch(_OF_PARTIES, uow.tenant, ids):
        found[row["party_id"]].append(
            Place(
                party_id=row["party_id"],
                since=row["since"],
                recorded_real=row["recorded_real"],
                jurisdiction=row["jurisdiction"],
                zones=tuple(row["zones"]),
            )
        )
    return found


async def insert_places(uow: UnitOfWork, places: Sequence[Place]) -> None:
    """Keep where people are thought to be now; of two that begin in the same moment the later told stands."""
    last = {(one.party_id, one.since, one.recorded_real): one for one in places}
    if last:
        await uow.sql.execute(
            _INSERT,
            uow.tenant,
            [one.party_id for one in last.values()],
            [one.since for one in last.values()],
            [one.recorded_real for one in last.values()],
            [one.jurisdiction for one in last.values()],
            [",".join(one.zones) for one in last.values()],
        )
