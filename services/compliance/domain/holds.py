"""Holds: facts that keep contact away, each with its own source. Contact resumes when the last one ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from services.compliance.domain.local_time import Span
from shared.events.contact import Channel, Purpose
from shared.events.stop import StopCause

HoldKind = Literal[
    "plan_active", "stop_request", "deceased", "dispute", "hardship", "facts_incomplete", "represented", "complaint",
    "safety", "insolvency", "breathing_space", "mental_health_crisis", "ombudsman", "cease_contact", "channel_opt_out",
    "debt_advice", "vulnerability", "minor", "disaster",
]  # fmt: skip
HoldScope = Literal["party", "visit_channel", "collection"]
COLLECTING: Final[frozenset[Purpose]] = frozenset({"collection", "appointment_admin"})

# Causes that stop what is under way but leave no hold behind: a payment changes the balance, a cure closes the case,
# and
# the hold of a plan is placed by plans itself before it signs.
HOLD_OF_STOP: Final[dict[StopCause, HoldKind | None]] = {
    "payment": None,
    "cured": None,
    "plan_signed": None,
    "deceased": "deceased",
    "stop_request": "stop_request",
    "dispute": "dispute",
    "hardship": "hardship",
    "represented": "represented",
    "complaint": "complaint",
    "sos": "safety",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One version of a hold. `valid_*` and `ended_at` are business time, `recorded_real` is real time."""

    hold_id: UUID
    party_id: UUID
    kind: HoldKind
    scope: HoldScope
    valid_from: datetime
    valid_to: datetime | None
    source_ref: str
    recorded_real: datetime
    ended_at: datetime | None = None

    @property
    def until(self) -> datetime | None:
        """Business time at which it stops holding; None while open."""
        moments = [moment for moment in (self.valid_to, self.ended_at) if moment is not None]
        return min(moments) if moments else None

    def touches(self, span: Span) -> bool:
        """Whether it stands at any moment of `span`."""
        until = self.until
        return self.valid_from < span.end and (until is None or span.start < until)

    def covers(self, channel: Channel, purpose: Purpose) -> bool:
        """Whether its scope includes such a contact."""
        if self.scope == "visit_channel":
            return channel == "visit"
        return self.scope == "party" or purpose in COLLECTING


def ended(hold: Hold, *, at: datetime) -> Hold:
    """The hold after its end was recorded: ending acts from `at`, never earlier.

    A hold that had ended keeps its end.
    """
    return hold if hold.ended_at is not None else replace(hold, ended_at=max(at, hold.valid_from))


def same_source(holds: list[Hold], *, kind: HoldKind, scope: HoldScope, source_ref: str) -> Hold | None:
    """The open hold of this kind, scope and source, if there is one: told twice, it is still one hold."""
    for hold in holds:
        if (hold.kind, hold.scope, hold.source_ref) == (kind, scope, source_ref) and hold.ended_at is None:
            return hold
    return None
