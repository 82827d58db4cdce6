"""What a tenant decides for itself about delinquency."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from types import MappingProxyType
from typing import Final, get_args

from services.intake.domain.calendar import USUAL_WEEK, BusinessCalendar
from shared.events.case import Bucket

BUCKETS: Final[tuple[Bucket, ...]] = get_args(Bucket)
"""From `current` to the worst that a tenant can have."""
DatedLimits = tuple[tuple[date, int], ...]
DatedBuckets = tuple[tuple[date, tuple[int, ...]], ...]
USUAL_BUCKETS: Final = (30, 60, 90, 180)


@dataclass(frozen=True, kw_only=True)
class DelinquencyPolicy:
    """Buckets, grace, materiality and business days of one tenant.

    `bucket_limits` are, from their first day on, the last days past due of B1, B2 and so on; more is one bucket
    further, which has no last one. The first limits hold for all days before them, too. `grace_days` are free days
    after a due date (effective counting only). `materiality_minor` is, per currency, the unpaid rest up to which a due
    item is not past due, each limit with its first day; 0 before the first one, and for a currency that is left out.
    `moved_products` are the product classes whose contracts move a due date on a non-business day of `calendar` to
    the next business day; no other due date moves. Raises ValueError.
    """

    bucket_limits: DatedBuckets = ((date.min, USUAL_BUCKETS),)
    grace_days: int = 0
    materiality_minor: Mapping[str, DatedLimits] = field(default_factory=lambda: MappingProxyType({}))
    calendar: BusinessCalendar = USUAL_WEEK
    moved_products: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for _, days in self.bucket_limits:
            if not 1 <= len(days) <= len(BUCKETS) - 2:
                raise ValueError(f"there are 2 to {len(BUCKETS) - 1} past-due buckets, each but the last with a limit")
            if days[0] < 1 or any(later <= earlier for earlier, later in pairwise(days)):
                raise ValueError("bucket limits must be positive and ascending")
        first_days = [first_day for first_day, _ in self.bucket_limits]
        if not first_days or any(later <= earlier for earlier, later in pairwise(first_days)):
            raise ValueError("limits of buckets must ascend by their first day")
        if self.grace_days < 0:
            raise ValueError("grace cannot be negative")
        for limits in self.materiality_minor.values():
            if any(amount < 0 for _, amount in limits):
                raise ValueError("materiality cannot be negative")
            if any(later <= earlier for (earlier, _), (later, _) in pairwise(limits)):
                raise ValueError("limits of materiality must ascend by their first day")

    def bucket(self, days_past_due: int, on: date) -> Bucket:
        """The bucket of a number of days past due on a business date; 0 is `current`."""
        if days_past_due <= 0:
            return "current"
        return BUCKETS[1 + bisect_left(self.last_days(on), days_past_due)]

    def last_days(self, on: date) -> tuple[int, ...]:
        """The last days past due of the buckets on a business date; the bucket behind them is open."""
        limits = self.bucket_limits[0][1]
        for first_day, days in self.bucket_limits[1:]:
            if first_day > on:
                break
            limits = days
        return limits

    def buckets_between(self, first_days: int, last_days: int | None) -> tuple[Bucket, ...]:
        """The buckets in which so many days past due can be, by any of the limits; `last_days` None: no end."""
        ends = [limits for _, limits in self.bucket_limits]
        first = min(0 if first_days <= 0 else 1 + bisect_left(days, first_days) for days in ends)
        if last_days is None:
            last = max(1 + len(days) for days in ends)
        else:
            last = max(0 if last_days <= 0 else 1 + bisect_left(days, last_days) for days in ends)
        return BUCKETS[first : last + 1]

    def threshold_minor(self, currency: str, on: date) -> int:
        """The unpaid rest, minor units, up to which a due item in `currency` does not count on a day."""
        threshold = 0
        for first_day, amount in self.materiality_minor.get(currency, ()):
            if first_day > on:
                break
            threshold = amount
        return threshold

    def moving(self, product_class: str) -> Callable[[date], date] | None:
        """Where a due date of the product moves to; None: its contract lets it stand."""
        return self.calendar.following if product_class in self.moved_products else None
