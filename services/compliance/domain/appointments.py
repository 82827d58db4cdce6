"""What our own records prove of a visit's appointment: that its time was agreed, or that a message announced it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from services.compliance.domain.facts import Counted
from services.compliance.domain.rule_parts import FactName
from shared.events.visit import (
    VisitAborted,
    VisitAgreed,
    VisitCompleted,
    VisitDeclined,
    VisitFact,
    VisitMoved,
    VisitRecalled,
    VisitWithdrawn,
)

AGREED: Final[FactName] = "visit_time_agreed"
NOTICE: Final[FactName] = "visit_notice_given"
_MESSAGES: Final = frozenset({"sms", "email", "letter"})


def announced_at(counted: Iterable[Counted], *, at: datetime) -> datetime | None:
    """When the last message about an appointment reached the person, if no visit came after it; None: none did.

    Only a message that is known to have been lawful proves anything; what is reserved was not sent yet.
    """
    made = [one for one in counted if one.lawful is not None and one.span.end <= at]
    visited = max((one.span.start for one in made if one.channel == "visit"), default=None)
    reached = [
        one.span.end
        for one in made
        if one.channel in _MESSAGES and one.purpose == "appointment_admin" and one.contact and one.lawful
    ]
    last = max(reached, default=None)
    return last if last is not None and (visited is None or visited < last) else None


def told_by_visit(data: VisitFact, *, agreed: bool) -> Mapping[FactName, bool]:
    """What an event of a visit says of appointments; empty: nothing. `agreed`: that a time was agreed stands until now.

    An agreement is for one visit: whatever ends the visit ends it. Who declines has not agreed, whatever was sent.
    """
    match data:
        case VisitAgreed():
            return {AGREED: True}
        case VisitDeclined() | VisitMoved():
            return {AGREED: False, NOTICE: False}
        case VisitCompleted() | VisitAborted() | VisitRecalled() | VisitWithdrawn() if agreed:
            return {AGREED: False, NOTICE: False}
    return {}
