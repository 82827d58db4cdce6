"""Lost devices: what one holds may have been used without anybody hearing of it, so it stays counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.compliance.domain.permits import Permit, PermitState
from shared.web.problems import KnownProblem

LossCause = Literal["lost", "stolen", "broken"]
RECALL_CAUSE = "device_lost"
CLOSED_CAUSE = "lost_device_closed"
SYNCED_CAUSE = "device_synced"


class DeviceNotLost(KnownProblem):  # reads as a fact at the call site
    """Nobody reported the device as lost: its permits are given back by whoever holds it."""

    kind, status, title = "device-not-lost", 409, "The device was not reported as lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostDevice:
    """A device that was lost. Business times; `synced_to`: everything done with it until then has reached us since."""

    device_id: str
    lost_at: datetime
    cause: LossCause
    synced_to: datetime | None = None

    def may_have_used(self, permit: Permit) -> bool:
        """Whether the permit may have been used on it without our knowing: it has not synced past the window's end."""
        return self.synced_to is None or self.synced_to <= permit.window.end


def stays_counted(permit: Permit, lost: Mapping[str, LostDevice]) -> bool:
    """Whether only a named person, or the device itself, may end the reservation."""
    device = None if permit.device_id is None else lost.get(permit.device_id)
    return device is not None and permit.state is PermitState.GRANTED and device.may_have_used(permit)


def closable(permit: Permit, *, now: datetime) -> bool:
    """Whether a named person may close it: unused as far as is known, and its window is over."""
    return permit.state is PermitState.GRANTED and permit.window.end <= now
