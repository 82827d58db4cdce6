"""A person's contacts with what the rules count of them: worked out once, however often the rules ask."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from services.compliance.domain.local_time import dates_in, only_date, window_start

if TYPE_CHECKING:
    from services.compliance.domain.facts import Counted
else:
    Counted = object

_DAY = timedelta(days=1)
# No clock on earth is a whole day ahead of UTC.
_FARTHEST: Final = timedelta(days=2)
_EARLY: Final = date.min + _FARTHEST


class Counter:
    """The contacts that one rule counts, each on one local date, ready to be asked for the fullest window."""

    __slots__ = ("_days", "_window")

    def __init__(self, days: Iterable[date], window: str) -> None:
        self._days = sorted(days)
        self._window = window

    @classmethod
    def of(cls, counted: Iterable[frozenset[date]], window: str) -> Self | None:
        """None when a contact falls on two dates: then only counting one by one is right."""
        days: list[date] = []
        for dates in counted:
            if len(dates) != 1:
                return None
            days.extend(dates)
        return cls(days, window)

    @classmethod
    def of_contacts(cls, counted: Iterable[Counted], window: str) -> Self | None:
        """The same of these contacts."""
        days: list[date] = []
        for one in counted:
            zones = one.zones
            day = only_date(one.span, zones[0]) if len(zones) == 1 else None
            if day is None:
                dates = one.dates()
                if len(dates) != 1:
                    return None
                (day,) = dates
            days.append(day)
        return cls(days, window)

    def busiest(self, dates: Iterable[date]) -> int:
        """The highest count in any window that contains one of `dates`."""
        days, window, most = self._days, self._window, 0
        if not days:
            return 0
        for day in dates:
            upto = bisect_right(days, day)
            most = max(most, upto - bisect_left(days, window_start(window, day)))
            for place in range(upto, len(days)):  # windows that end with a later contact, reserved ahead
                first = window_start(window, days[place])
                if first > day:
                    break
                most = max(most, bisect_right(days, days[place]) - bisect_left(days, first))
        return most

    def next_free(self, limit: int, after: date) -> date | None:
        """The first later date on which one more fits; None when there is none."""
        last = self._days[-1] if self._days else after
        day = after + _DAY
        dates = dates_in(self._window)
        if dates is not None and last <= after:  # nothing is reserved ahead: one more fits when the oldest has left
            return max(day, self._days[-limit] + dates * _DAY) if limit <= len(self._days) else day
        while self.busiest((day,)) >= limit:
            first = window_start(self._window, day)
            if first > last or first == date.min:
                return None
            day += _DAY
        return day


class History(tuple[Counted, ...]):
    """A person's contacts and reservations. It is never changed, so what was counted stays true of it."""

    def __init__(self, _counted: Iterable[Counted] = ()) -> None:
        self.counters: dict[object, Kept] = {}
        """By rule, other people's contacts and keys asked for."""
        self._lately: tuple[date, Sequence[Counted]] | None = None

    def recent(self, since: date) -> Sequence[Counted]:
        """All that may fall on a local date from `since` on, wherever the person is, and perhaps some from before."""
        if self._lately is None or since < self._lately[0]:
            first = first_moment(since)
            self._lately = (since, [one for one in self if one.span[1] >= first])
        return self._lately[1]


@lru_cache(maxsize=4_096)
def first_moment(day: date) -> datetime:
    """The earliest moment (UTC) that may lie on that local date or a later one, wherever on earth."""
    if day <= _EARLY:
        return datetime.min.replace(tzinfo=UTC)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - _FARTHEST


class Kept(NamedTuple):
    """A counter of the contacts from `since` on, with its rule and other people's contacts: kept, so that the identity
    of both stays their own."""

    rule: object
    shared: object
    since: date
    counter: Counter | None
