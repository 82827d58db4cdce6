"""The SQL of lost devices."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from services.compliance.domain.lost_devices import LostDevice
from shared.database import UnitOfWork

_LOST = """
SELECT device_id, lost_at, cause, synced_to FROM lost_device WHERE tenant = $1 AND device_id = ANY($2::text[])
"""
_REPORT = """
INSERT INTO lost_device (tenant, device_id, lost_at, cause, reported_by, reported_real) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, device_id) DO UPDATE
SET lost_at = excluded.lost_at, cause = excluded.cause, reported_by = excluded.reported_by,
    reported_real = excluded.reported_real, synced_to = NULL
WHERE lost_device.synced_to IS NOT NULL
"""
_SYNCED = """
UPDATE lost_device SET synced_to = greatest(coalesce(synced_to, $3), $3) WHERE tenant = $1 AND device_id = $2
"""


async def load_lost(uow: UnitOfWork, device_ids: Iterable[str | None]) -> dict[str, LostDevice]:
    """Which of the devices were lost."""
    wanted = sorted({one for one in device_ids if one is not None})
    rows = await uow.sql.fetch(_LOST, uow.tenant, wanted) if wanted else []
    return {row["device_id"]: LostDevice(**row) for row in rows}


async def report_lost(uow: UnitOfWork, device: LostDevice, *, by_whom: str) -> None:
    """Remember the loss; a second report changes nothing, unless the device has been heard since."""
    await uow.sql.execute(
        _REPORT, uow.tenant, device.device_id, device.lost_at, device.cause, by_whom, uow.real_now
    )  # fmt: skip


async def synced(uow: UnitOfWork, device_id: str, synced_to: datetime) -> None:
    """Remember up to when (business time) everything done with the device is known."""
    await uow.sql.execute(_SYNCED, uow.tenant, device_id, synced_to)
