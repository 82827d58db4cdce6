"""The SQL of devices: up to when each has synced, and the unused permits that each may still have used unheard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.visits.domain.intents import permit_release
from services.visits.domain.visit import HeldPermit
from shared.database import UnitOfWork

_HOLD: Final = """
INSERT INTO held_permit SELECT * FROM jsonb_populate_recordset(NULL::held_permit, $1::text::jsonb)
ORDER BY party_id, permit_id ON CONFLICT DO NOTHING
"""
_SYNC: Final = """
INSERT INTO device_sync AS d (tenant, device_id, synced_to, heard_real) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, device_id) DO UPDATE
SET synced_to = greatest(d.synced_to, excluded.synced_to), heard_real = excluded.heard_real
RETURNING synced_to
"""
_TAKE_SYNCED: Final = """
DELETE FROM held_permit h USING device_sync d
WHERE h.tenant = $1 AND h.device_id = ANY($2::text[]) AND d.tenant = h.tenant AND d.device_id = h.device_id
  AND h.valid_to <= d.synced_to
RETURNING h.party_id, h.permit_id, h.cause
"""
_DROP: Final = """
DELETE FROM held_permit USING unnest($2::uuid[], $3::uuid[]) AS r(party_id, permit_id)
WHERE held_permit.tenant = $1 AND held_permit.party_id = r.party_id AND held_permit.permit_id = r.permit_id
"""
_CARRIED_BY: Final = """
SELECT EXISTS (SELECT FROM visit WHERE tenant = $1 AND device_id = $2 AND crew @> ARRAY[$3::uuid])
"""
_UNSYNCED: Final = """
SELECT h.device_id, min(h.valid_to) AS valid_to, count(*) AS permits, d.synced_to, d.heard_real
FROM held_permit h LEFT JOIN device_sync d ON d.tenant = h.tenant AND d.device_id = h.device_id
WHERE h.tenant = $1 AND h.valid_to <= $2 AND ($3::text IS NULL OR h.device_id > $3)
GROUP BY h.device_id, d.synced_to, d.heard_real ORDER BY h.device_id LIMIT $4
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsyncedDevice:
    """A device that was not heard since the end of a permit it holds. Business times; `heard_real` is real time."""

    device_id: str
    valid_to: datetime
    permits: int
    synced_to: datetime | None
    heard_real: datetime | None


async def hold(uow: UnitOfWork, held: Sequence[HeldPermit]) -> None:
    """Keep what devices hold unused; what one has synced past already goes back at once. The parties are locked."""
    if held:
        rows = [{"tenant": uow.tenant, **asdict(one)} for one in held]
        await uow.sql.execute(_HOLD, json.dumps(rows, default=_text))
        await _give_back(uow, {one.device_id for one in held})


async def sync(uow: UnitOfWork, device_id: str, *, synced_to: datetime) -> datetime:
    """Everything done with the device until then (business time) has reached us; returns up to when all has.

    What it did not use goes back.
    """
    reached: datetime = await uow.sql.fetchval(_SYNC, uow.tenant, device_id, synced_to, uow.real_now)
    await _give_back(uow, {device_id})
    return reached


async def drop_held(uow: UnitOfWork, released: Sequence[tuple[UUID, UUID]]) -> None:
    """Compliance gave these (party, permit) back: a named person answered for the device, or it was heard there."""
    if released:
        await uow.sql.execute(_DROP, uow.tenant, *zip(*sorted(released), strict=True))


async def is_carried_by(uow: UnitOfWork, device_id: str, collector_id: UUID) -> bool:
    """Whether the collector was ever sent out with the device."""
    return bool(await uow.sql.fetchval(_CARRIED_BY, uow.tenant, device_id, collector_id))


async def list_unsynced(uow: UnitOfWork, *, after: str | None, limit: int) -> list[UnsyncedDevice]:
    """Devices that hold an unused permit whose window is over, in order of id; one more than the page shows."""
    rows = await uow.sql.fetch(_UNSYNCED, uow.tenant, uow.now, after, limit + 1)
    return [UnsyncedDevice(**dict(row)) for row in rows]


async def _give_back(uow: UnitOfWork, device_ids: set[str]) -> None:
    rows = await uow.sql.fetch(_TAKE_SYNCED, uow.tenant, sorted(device_ids))
    for row in sorted(rows, key=lambda row: row["permit_id"]):
        uow.intend(
            permit_release(
                party_id=row["party_id"], permit_id=row["permit_id"], cause=row["cause"], real_now=uow.real_now
            )
        )


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
