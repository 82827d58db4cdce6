"""Traces: what visits knows of crews at doors without their reports. Compliance holds each against the reports it got.

Three sources that collectors do not control: where a device checked in, who looked up a door's code, and customers who
say that somebody came. A trace gets its source's next gapless number, is told, and each day is closed by its total.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal, get_args
from uuid import UUID

from services.visits.domain.visit import Visit
from shared.messaging import NewIntent

TraceSource = Literal["visits-devices", "visits-door", "visits-link"]
SOURCES: Final[tuple[TraceSource, ...]] = get_args(TraceSource)
# What compliance calls sources of each kind.
KINDS: Final[Mapping[TraceSource, str]] = {
    "visits-devices": "device_track",
    "visits-door": "door_code",
    "visits-link": "someone_came",
}
# Name of the key that signs the daily totals. Compliance learns its public half from the operator.
TOTAL_KEY: Final = "visits-traces"

NUMBER_TRACE: Final = "number_trace"
TELL_TRACE: Final = "tell_trace"
CLOSE_TRACE_DAY: Final = "close_trace_day"
TELL_TRACE_DAY: Final = "tell_trace_day"

# What compliance does not hear yet (the operator has not declared the source, its clock is behind) is told again.
TOLD_AGAIN_AFTER: Final = timedelta(hours=1)
# Somebody who looks twice within five minutes is at the same door.
_LOOK: Final = timedelta(minutes=5)
# The day's last traces are on their way for a while.
_CLOSED_AFTER: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def arrived(visit: Visit, *, now: datetime, real_now: datetime) -> NewIntent:
    """The device of the visit was at its door and checked in there. Refused check-ins are no visits."""
    return _trace("visits-devices", visit, f"{visit.visit_id}:arrived", seen_at=now, real_now=real_now)


def looked_up(visit: Visit, *, now: datetime, real_now: datetime) -> NewIntent:
    """Somebody at the door typed in the code that the crew showed."""
    look = (now - _EPOCH) // _LOOK
    return _trace("visits-door", visit, f"{visit.visit_id}:looked:{look}", seen_at=now, real_now=real_now)


def came(visit: Visit, *, came_at: datetime, real_now: datetime) -> NewIntent:
    """The customer says that somebody came; told once per date."""
    day = came_at.astimezone(UTC).date()
    return _trace("visits-link", visit, f"{visit.visit_id}:came:{day}", seen_at=came_at, real_now=real_now)


def tell(trace: Mapping[str, Any], *, party_id: UUID, due_at: datetime, tries: int = 0) -> NewIntent:
    """Tell compliance the numbered trace. `tries`: how often it was not heard."""
    return NewIntent(
        kind=TELL_TRACE,
        key=f"{trace['record_id']}:{tries}",
        party_id=party_id,
        due_at=due_at,
        payload={**trace, "tries": tries},
    )


def close_day(source: str, day: date) -> NewIntent:
    """Fix the source's total of that date (UTC, business time) when it is over."""
    midnight = datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)
    return NewIntent(
        kind=CLOSE_TRACE_DAY,
        key=f"{source}:{day}",
        due_at=midnight + _CLOSED_AFTER,
        clock="business",
        payload={"source": source, "day": day.isoformat()},
    )


def day_after(day: date, *, now: datetime) -> date:
    """The day to close when `day` is told: the following one, or, after a standstill, the last one that is over."""
    return max(day, (now - _CLOSED_AFTER).date() - timedelta(days=2)) + timedelta(days=1)


def tell_day(total: Mapping[str, Any], *, due_at: datetime, tries: int = 0) -> NewIntent:
    """Tell compliance the total (`source`, `day`, `last_number`, `records`)."""
    return NewIntent(
        kind=TELL_TRACE_DAY,
        key=f"{total['source']}:{total['day']}:{tries}",
        due_at=due_at,
        payload={**total, "tries": tries},
    )


def statement_of(total: Mapping[str, Any]) -> bytes:
    """The bytes that are signed of a total: five lines, as compliance reads them."""
    lines = ("doorstep feed day", total["source"], total["day"], total["last_number"], total["records"])
    return "".join(f"{line}\n" for line in lines).encode()


def _trace(source: TraceSource, visit: Visit, record_id: str, *, seen_at: datetime, real_now: datetime) -> NewIntent:
    return NewIntent(
        kind=NUMBER_TRACE,
        key=record_id,
        party_id=visit.party_id,
        due_at=real_now,
        payload={
            "source": source,
            "record_id": record_id,
            "party_id": str(visit.party_id),
            "channel": "visit",
            "seen_at": seen_at.isoformat(),
        },
    )
