"""The desk of lost devices: what one holds stays counted, until a named person closes it or it is heard again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.compliance.domain.lost_devices import (
    CLOSED_CAUSE,
    RECALL_CAUSE,
    SYNCED_CAUSE,
    DeviceNotLost,
    LostDevice,
    closable,
    stays_counted,
)
from services.compliance.domain.permits import Permit
from services.compliance.instruments import Instruments
from services.compliance.permit_life import give_back, release_permits
from services.compliance.recalls import Recall, recall
from services.compliance.store import lost_devices as store
from services.compliance.store.permits import load_granted_on
from shared.database import UnitOfWork


async def report(uow: UnitOfWork, instruments: Instruments, device: LostDevice, *, by_whom: str) -> list[Permit]:
    """A device is lost: permits on it that are still running are revoked, and all of them stay counted.

    Returns what it holds. The parties are locked.
    """
    await store.report_lost(uow, device, by_whom=by_whom)
    held = await load_granted_on(uow, instruments.cipher, device.device_id)
    running = [permit for permit in held if permit.recallable(now=uow.now) and uow.now < permit.window.end]
    recalls = [
        Recall(
            party_id=permit.party_id,
            cause=RECALL_CAUSE,
            fact_arrived_real=uow.real_now,
            permit_ids=frozenset({permit.permit_id}),
        )
        for permit in running
    ]
    await recall(uow, instruments, recalls)
    return held


async def close(
    uow: UnitOfWork, instruments: Instruments, device_id: str, *, by_whom: str, reason: str
) -> tuple[list[Permit], list[Permit]]:
    """A named person answers for it that the permits were not used: those whose window is over are given back.

    Returns them, and those that are still running and stay counted. The parties are locked. Raises DeviceNotLost.
    """
    lost = await store.load_lost(uow, [device_id])
    if device_id not in lost:
        raise DeviceNotLost()
    held = await load_granted_on(uow, instruments.cipher, device_id)
    closed = [permit for permit in held if closable(permit, now=uow.now)]
    await give_back(uow, instruments, closed, cause=CLOSED_CAUSE, said={"by_whom": by_whom, "reason": reason})
    return closed, [permit for permit in held if permit not in closed]


async def hear(uow: UnitOfWork, instruments: Instruments, device_id: str, *, synced_to: datetime) -> list[Permit]:
    """A lost device was heard again: what it did not use until then is given back; returns it.

    The parties are locked. Raises DeviceNotLost.
    """
    lost = await store.load_lost(uow, [device_id])
    if device_id not in lost:
        raise DeviceNotLost()
    await store.synced(uow, device_id, synced_to)
    heard = {device_id: replace(lost[device_id], synced_to=synced_to)}
    held = await load_granted_on(uow, instruments.cipher, device_id)
    unused = [one for one in held if closable(one, now=uow.now) and not stays_counted(one, heard)]
    await release_permits(uow, instruments, unused, cause=SYNCED_CAUSE)
    return unused
