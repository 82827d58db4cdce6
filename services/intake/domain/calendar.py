"""Which business dates can be true, and which days are business days.

'Future' means after the core's expected date, never 'today' in UTC.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from msgspec import Struct

from shared.messaging.failures import RecordRefusedError

_LONGEST_CLOSURE_DAYS = 60


class FutureBusinessDateError(RecordRefusedError):
    """A fact claims a business date that the core cannot have reached: the record is refused, nothing is folded."""

    def __init__(self, text: str) -> None:
        super().__init__(text, detail="/data/business_date: future_business_date")


def latest_possible_date(closed: date | None, local_today: date, *, days_ahead: int) -> date:
    """The latest business date a core may speak of.

    The expected date is the day after the last closed one, or the tenant's local date where that is later (weekends,
    a late or missing close). `days_ahead` allows for cores that book the evening under the next date.
    """
    expected = local_today if closed is None else max(local_today, closed + timedelta(days=1))
    return expected + timedelta(days=days_ahead)


def check_business_date(business_date: date, latest: date) -> None:
    """Raises FutureBusinessDateError when `business_date` lies after `latest`."""
    if business_date > latest:
        raise FutureBusinessDateError(f"business date {business_date} lies after {latest}")


class BusinessCalendar(Struct, frozen=True):
    """The bank's business days: every day that is neither of the weekend nor a holiday.

    `weekend` are ISO weekdays (6 is Saturday); `working_days` are days of a weekend on which the bank is open all the
    same, as mainland China's State Council orders beside each long holiday.
    """

    weekend: frozenset[int] = frozenset({6, 7})
    holidays: frozenset[date] = frozenset()
    working_days: frozenset[date] = frozenset()

    def is_business_day(self, day: date) -> bool:
        """Whether the bank is open on `day`."""
        if day in self.holidays:
            return False
        return day.isoweekday() not in self.weekend or day in self.working_days

    def following(self, day: date) -> date:
        """`day`, or the first business day after it. Raises ValueError where there is none within 60 days."""
        for ahead in range(_LONGEST_CLOSURE_DAYS + 1):
            if self.is_business_day(found := day + timedelta(days=ahead)):
                return found
        raise ValueError(f"no business day within {_LONGEST_CLOSURE_DAYS} days of {day}")


USUAL_WEEK: Final = BusinessCalendar()
