"""The visit as assignment sees it: ours until `assigned`, afterwards the visits service decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from shared.events.base import TimeWindow


class VisitState(StrEnum):
    """States of a planned visit. `proposed`, `offered`, `agreed` wait; `assigned` is visits' own; the rest is over."""

    PROPOSED = "proposed"
    OFFERED = "offered"
    AGREED = "agreed"
    ASSIGNED = "assigned"
    WITHDRAWN = "withdrawn"
    DECLINED = "declined"
    MOVED = "moved"
    RECALLED = "recalled"
    ABORTED = "aborted"
    COMPLETED = "completed"


OURS = frozenset({VisitState.PROPOSED, VisitState.OFFERED, VisitState.AGREED})
LIVE = OURS | {VisitState.ASSIGNED}


@dataclass(frozen=True, kw_only=True)
class PlannedVisit:
    """One visit of a field day. `version` is the newest seen from either writer, so each writer goes on from there."""

    visit_id: UUID
    party_id: UUID
    case_id: UUID
    field_day_id: UUID
    field_day: date
    pair_id: UUID
    crew: tuple[UUID, ...]
    device_id: str
    stop_number: int
    arrives_at: datetime
    window: TimeWindow
    duration_minutes: int
    cell: str
    jurisdiction: str
    time_zones: tuple[str, ...]
    case_version: int
    changed_at: datetime
    version: int = 1
    state: VisitState = VisitState.PROPOSED
    cause: str | None = None
    rules: tuple[str, ...] = ()
    permit_id: UUID | None = None

    @property
    def live(self) -> bool:
        """Whether the visit may still happen."""
        return self.state in LIVE
