"""The person's local time: dates and hours in every zone the person may be in.

Zone data comes from the pinned `tzdata` package, never from the machine, so that the rule-set hash says which was used.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

_TICK: Final = timedelta(microseconds=1)
_REMEMBERED: Final = 65_536
_FIRST_YEAR: Final = 1
_LAST_YEAR: Final = 9_999


# Somewhere on earth a date begins 14 hours before UTC's.
EARLIEST_DATE: Final = timedelta(hours=14)


class Span(NamedTuple):
    """A half-open span [start, end) of time."""

    start: datetime
    end: datetime

    def holds(self, other: Span) -> bool:
        """Whether `other` lies wholly inside."""
        return self.start <= other.start and other.end <= self.end

    @property
    def length(self) -> timedelta:
        """Its duration; negative when it is empty."""
        return self.end - self.start


class UnknownZoneError(ValueError):
    """The name is not one of the IANA time-zone database."""


@cache
def zone_names() -> frozenset[str]:
    """All names of the packaged database."""
    return frozenset((resources.files("tzdata") / "zones").read_text().split())


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of that IANA name. Raises UnknownZoneError."""
    if name not in zone_names():
        raise UnknownZoneError(name)
    with (resources.files("tzdata") / "zoneinfo").joinpath(*name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def known_zones(names: Iterable[str]) -> tuple[str, ...]:
    """The names, sorted and without repetition; empty when one of them is unknown.

    A guess would be worse than nothing.
    """
    return _known(tuple(names))


@lru_cache(maxsize=4_096)
def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    unique = sorted(set(names))
    return tuple(unique) if zone_names().issuperset(unique) else ()


def local_date(moment: datetime, zone_name: str) -> date:
    """The date there."""
    if moment.tzinfo is UTC:
        steady = _steady_offset(moment.date(), zone_name)
        if steady is not None:
            return (moment + steady).date()
    return moment.astimezone(zone(zone_name)).date()


@lru_cache(maxsize=_REMEMBERED)
def _steady_offset(day: date, zone_name: str) -> timedelta | None:
    """The zone's distance from UTC on that UTC date; None when clocks change on it, or the calendar ends there."""
    if not _FIRST_YEAR < day.year < _LAST_YEAR:
        return None
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    offsets = {(midnight + timedelta(hours=hour)).astimezone(zone(zone_name)).utcoffset() for hour in range(25)}
    return offsets.pop() if len(offsets) == 1 else None


def local_dates(moment: datetime, zone_names: Iterable[str]) -> frozenset[date]:
    """The date in each zone: with two possible zones an event falls on both."""
    return frozenset(local_date(moment, name) for name in zone_names)


def dates_of(span: Span, zone_names: Iterable[str]) -> frozenset[date]:
    """The dates in each zone on which it begins and on which its last moment lies."""
    start, end = span
    last = end - _TICK if end > start else start
    return frozenset([local_date(moment, name) for name in zone_names for moment in (start, last)])


def only_date(span: Span, zone_name: str) -> date | None:
    """The one date there that it lies on; None where it touches two, or that takes a longer look."""
    start, end = span
    if start.tzinfo is UTC and end.tzinfo is UTC:
        first = start.date()
        if first == end.date() and (steady := _steady_offset(first, zone_name)) is not None:
            day = (start + steady).date()
            return day if start <= end and day == (end + steady).date() else None
    return None


def hours_on(day: date, *, opens: time, closes: time, zone_name: str, widest: bool = False) -> Span:
    """[opens, closes) of the local date, in UTC. A clock change inside the span only ever narrows it.

    `widest`: it only ever widens it, for hours that are to be avoided.
    """
    starts, ends = _instants(day, opens, zone_name), _instants(day, closes, zone_name)
    return Span(min(starts), max(ends)) if widest else Span(max(starts), min(ends))


@lru_cache(maxsize=_REMEMBERED)
def window_start(window: str, last: date) -> date:
    """The first local date of the law's window that ends with `last`.

    `local_dates_7` and `cooloff_7` are D-6…D; `month_date_to_date` begins on the day after the same date of the month
    before (met on 15 January, again on 15 February); where that month is too short, after its last day.
    """
    count, months = _length(window)
    if months:
        return _months_before(last, count) + timedelta(days=1)
    return last - timedelta(days=count - 1) if count else date.min


def dates_in(window: str) -> int | None:
    """How many dates the window always has; None where months decide, or it never ends."""
    count, months = _length(window)
    return None if months or not count else count


@cache
def _length(window: str) -> tuple[int, bool]:
    """(how many, whether months); 0 dates: for ever."""
    match window.split("_"):
        case ["ever"]:
            return 0, False
        case ["local", "day"]:
            return 1, False
        case ["local", "dates", count] | ["cooloff", count]:
            return int(count), False
        case ["month", "date", "to", "date"]:
            return 1, True
        case [count, "months"]:
            return int(count), True
    raise ValueError(f"{window!r} is no window")


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def midnight_after(day: date, zone_names: Sequence[str]) -> datetime:
    """The first moment at which it is `day` or later in all zones."""
    return max(max(_instants(day, time(0), name)) for name in zone_names)


def intersection(spans: Iterable[Span]) -> Span:
    """What all spans share; its length is not positive when they share nothing. Needs at least one span."""
    listed = list(spans)
    return Span(max(span.start for span in listed), min(span.end for span in listed))


@lru_cache(maxsize=_REMEMBERED)
def _instants(day: date, clock: time, zone_name: str) -> tuple[datetime, datetime]:
    """Both readings of a local time: they differ where the clock is set back (twice) or forward (never)."""
    local = datetime.combine(day, clock, tzinfo=zone(zone_name))
    return local.replace(fold=0).astimezone(UTC), local.replace(fold=1).astimezone(UTC)
