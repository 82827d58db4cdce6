"""Which business dates can be true. 'Future' means after the core's expected date, never 'today' in UTC."""

from __future__ import annotations

from datetime import date, timedelta


class FutureBusinessDateError(ValueError):
    """A fact claims a business date that the core cannot have reached: the record is refused, nothing is folded."""


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
