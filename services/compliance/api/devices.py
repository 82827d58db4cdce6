"""Lost devices: reported, heard again, or closed by a named person."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import device_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.lost_devices import DeviceNotLost, LostDevice
from services.compliance.schemas.devices import (
    CloseLoss,
    DeviceHeard,
    HeardAgain,
    LossClosed,
    LossReported,
    ReportLoss,
)
from services.compliance.store.permits import parties_of_device
from shared.database import UnitOfWork
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.problems import NotAllowed
from shared.web.state import database_of

router = APIRouter(prefix="/v1/devices", tags=["devices"])
DeviceId = Annotated[
    str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$", description="The device.")
]  # fmt: skip
_REPORT = [Depends(scope("compliance.report-device"))]
_CLOSE = [Depends(scope("compliance.close-lost-device"))]


@router.post("/{device_id}/loss", response_model=LossReported, dependencies=_REPORT, summary="Report a device as lost")
async def report_lost_device(request: Request, device_id: DeviceId, body: ReportLoss) -> Response:
    """From now on what the device holds stays counted, whoever gives it back: it may have been used unheard.

    Permits on it that are still running are revoked.
    """
    instruments, by_whom = instruments_of(request), caller_of(request).subject
    device = LostDevice(device_id=device_id, lost_at=body.lost_at, cause=body.cause)

    async def report(uow: UnitOfWork) -> LossReported:
        held = await device_desk.report(uow, instruments, device, by_whom=by_whom)
        return LossReported(device_id=device_id, permit_ids=[permit.permit_id for permit in held])

    return await command(request, body=body, parties=await _parties(request, device_id), handler=report)


@router.post(
    "/{device_id}/loss/close",
    response_model=LossClosed,
    dependencies=_CLOSE,
    responses=problem_responses(DeviceNotLost, NotAllowed),
    summary="Close what a lost device holds",
)
async def close_lost_device(request: Request, device_id: DeviceId, body: CloseLoss) -> Response:
    """A named person answers for it that the device's permits whose window is over were not used; a leaf proves each.

    No collector closes one (403). One that is still running stays counted: nobody can answer for what is to come.
    """
    instruments, caller = instruments_of(request), caller_of(request)
    if "collector_id" in caller.attributes:
        raise NotAllowed("a collector does not answer for a lost device")

    async def close(uow: UnitOfWork) -> LossClosed:
        closed, running = await device_desk.close(
            uow, instruments, device_id, by_whom=caller.subject, reason=body.reason
        )
        return LossClosed(closed=[one.permit_id for one in closed], still_running=[one.permit_id for one in running])

    return await command(request, body=body, parties=await _parties(request, device_id), handler=close)


@router.post(
    "/{device_id}/heard",
    response_model=HeardAgain,
    dependencies=_REPORT,
    responses=problem_responses(DeviceNotLost),
    summary="A lost device was heard again",
)
async def hear_lost_device(request: Request, device_id: DeviceId, body: DeviceHeard) -> Response:
    """Give back what the device did not use before `synced_to`; what it used has been told by now, and counts."""
    instruments = instruments_of(request)

    async def hear(uow: UnitOfWork) -> HeardAgain:
        unused = await device_desk.hear(uow, instruments, device_id, synced_to=body.synced_to)
        return HeardAgain(released=[permit.permit_id for permit in unused])

    return await command(request, body=body, parties=await _parties(request, device_id), handler=hear)


async def _parties(request: Request, device_id: str) -> list[UUID]:
    async with database_of(request).read_only() as uow:
        return await parties_of_device(uow, device_id)
