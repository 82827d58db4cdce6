"""Moments and times of day that others tell: moments are UTC here, whatever zone they come in; hours are local."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime

# Rules count years back and forth from a day: at the ends of the calendar there would be nothing to count to.
_FIRST_DAY: Final = date(1900, 1, 1)
_LAST_DAY: Final = date(2199, 12, 31)


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError where it has none: the first and last hours of the calendar."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("has no time in UTC") from error


def without_zone(hour: time) -> time:
    """The time of day, as clocks there show it. Raises ValueError with an offset, which a bare number has, too."""
    if hour.tzinfo is not None:
        raise ValueError("is a local time, without a zone")
    return hour


def within_reach(day: date) -> date:
    """The same day. Raises ValueError where no bank's calendar goes."""
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise ValueError(f"lies outside {_FIRST_DAY} to {_LAST_DAY}")
    return day


Day = Annotated[date, AfterValidator(within_reach)]
LocalTime = Annotated[time, AfterValidator(without_zone)]
Moment = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""A field that refuses what no database could keep, before anything depends on it."""
