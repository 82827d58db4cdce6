"""Devices in the field: up to when they have synced, and those that were not heard since a permit of theirs ended."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from services.visits.schemas import DeviceSynced, SyncDevice, UnsyncedDeviceView
from services.visits.store import devices
from shared.database import UnitOfWork
from shared.security.callers import Caller, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import NotAllowed
from shared.web.state import database_of

router = APIRouter(prefix="/v1/devices", tags=["devices"])
_Syncer = Annotated[Caller, Depends(scope("visits.sync-device"))]
DeviceId = Annotated[
    str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$", description="The device.")
]  # fmt: skip


@router.post(
    "/{device_id}/sync",
    summary="A device has told everything",
    response_model=DeviceSynced,
    responses=problem_responses(NotAllowed),
)
async def sync_device(
    device_id: DeviceId,
    body: SyncDevice,
    request: Request,
    caller: _Syncer,
) -> Response:
    """The app says so after it has sent all that was done with the device. Unused permits that ended before go back to
    the contact budget; until then they count as used. A collector speaks for devices of the own crew only (403).
    """
    collector_id = caller.attributes.get("collector_id")

    async def handle(uow: UnitOfWork) -> DeviceSynced:
        if collector_id is not None and not await devices.is_carried_by(uow, device_id, UUID(collector_id)):
            raise NotAllowed("the device belongs to another crew")
        reached = await devices.sync(uow, device_id, synced_to=min(body.synced_to, uow.now))
        return DeviceSynced(device_id=device_id, synced_to=reached)

    return await command(request, body=body, parties=[], handler=handle)


@router.get("/unsynced", summary="Devices that were not heard since a permit of theirs ended")
async def list_unsynced_devices(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    _: Annotated[Caller, Depends(scope("visits.read"))],
) -> Page[UnsyncedDeviceView]:
    """What they hold stays counted. One that will not be heard again is reported to compliance as lost, where a named
    person answers for it.
    """
    after = page.after("unsynced", str)
    async with database_of(request).read_only() as uow:
        found = await devices.list_unsynced(uow, after=None if after is None else after[0], limit=page.limit)
    return page.page(
        found,
        list_name="unsynced",
        key=lambda one: (one.device_id,),
        item=lambda one: UnsyncedDeviceView(
            device_id=one.device_id, oldest_valid_to=one.valid_to, permits=one.permits, synced_to=one.synced_to,
            heard_real=one.heard_real,
        ),
    )  # fmt: skip
