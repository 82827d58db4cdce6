"""The SQL of refused check-ins: only appended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from services.compliance.domain.refused_check_ins import RefusedCheckIn
from shared.database import UnitOfWork

_INSERT: Final = """
INSERT INTO refused_check_in (tenant, party_id, event_id, visit_id, device_id, reasons, refused_at, refused_real,
                              recorded_real, leaf_id)
SELECT $1, r.party_id, r.event_id, r.visit_id, r.device_id, string_to_array(r.reasons, ','), r.refused_at,
       r.refused_real, $10, r.leaf_id
FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[],
            $9::uuid[])
  AS r(party_id, event_id, visit_id, device_id, reasons, refused_at, refused_real, leaf_id)
"""
_OF_PARTIES: Final = """
SELECT event_id, party_id, visit_id, device_id, reasons, refused_at, refused_real FROM refused_check_in
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY party_id, refused_at, event_id
"""
_FORGET: Final = "SELECT party_id, forgotten FROM forget_refused_check_ins($1, $2::uuid[])"


async def insert(uow: UnitOfWork, refused: Sequence[RefusedCheckIn], leaf_ids: Mapping[str, UUID]) -> None:
    """Append them, each with its leaf (by event). The parties are locked."""
    await uow.sql.execute(
        _INSERT,
        uow.tenant,
        [one.party_id for one in refused],
        [one.event_id for one in refused],
        [one.visit_id for one in refused],
        [one.device_id for one in refused],
        [",".join(sorted(one.reasons)) for one in refused],
        [one.refused_at for one in refused],
        [one.refused_real for one in refused],
        [leaf_ids[one.event_id] for one in refused],
        uow.real_now,
    )


async def load(uow: UnitOfWork, party_ids: Iterable[UUID]) -> list[RefusedCheckIn]:
    """All refused check-ins of the parties."""
    rows = await uow.sql.fetch(_OF_PARTIES, uow.tenant, sorted(set(party_ids)))
    return [RefusedCheckIn(**{**row, "reasons": frozenset(row["reasons"])}) for row in rows]


async def forget(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Delete the parties' refused check-ins; how many there were. Their leaves stay. The parties are locked."""
    rows = await uow.sql.fetch(_FORGET, uow.tenant, sorted(set(party_ids)))
    return {row["party_id"]: row["forgotten"] for row in rows}
