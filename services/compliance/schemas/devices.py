"""Lost devices over HTTP."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.domain.lost_devices import LossCause
from shared.events.base import Reference
from shared.moments import Moment


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReportLoss(_Body):
    """A device is not under its holder's control any more."""

    lost_at: Moment = Field(description="Business time since which nobody knows what is done with it.")
    cause: LossCause = Field(description="What happened to it.")


class LossReported(BaseModel):
    """What the lost device holds: all of it stays counted."""

    device_id: str = Field(description="The device.")
    permit_ids: list[UUID] = Field(description="Its unused permits; those still running were revoked.")


class CloseLoss(_Body):
    """A named person answers for it that what a lost device holds was not used."""

    reason: Reference = Field(
        description="Why that is sure, as the reference of a report; no free text.", examples=["police-report-4711"]
    )


class LossClosed(BaseModel):
    """What was given back to the budget, and what stays counted."""

    closed: list[UUID] = Field(description="Permits whose window is over: given back, each proved by a leaf.")
    still_running: list[UUID] = Field(description="Permits whose window is not over: they stay counted until then.")


class DeviceHeard(_Body):
    """A lost device was heard again."""

    synced_to: Moment = Field(description="Business time up to which everything that was done with it has been told.")


class HeardAgain(BaseModel):
    """What the device did not use until then."""

    released: list[UUID] = Field(description="Permits whose window ended before that, without a use: given back.")
