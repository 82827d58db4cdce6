"""What a tenant decides for itself about delinquency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from types import MappingProxyType

from services.intake.domain.calendar import USUAL_WEEK, BusinessCalendar
from shared.events.case import Bucket

_PAST_DUE_BUCKETS: tuple[Bucket, ...] = ("B1", "B2", "B3", "B4", "B5")
DatedLimits = tuple[tuple[date, int], ...]


@dataclass(frozen=True, kw_only=True)
class DelinquencyPolicy:
    """Buckets, grace, materiality and business days of one tenant.

    `bucket_last_days` are the last days past due of B1 to B4; more is B5, which has no last one. `grace_days` are free
    days after a due date (effective counting only). `materiality_minor` is, per currency, the unpaid rest up to which a
    due item is not past due, each limit with its first day; 0 before the first one, and for a currency that is left
    out. `moved_products` are the product classes whose contracts move a due date on a non-business day of `calendar` to
    the next business day; no other due date moves. Raises ValueError.
    """

    bucket_last_days: tuple[int, int, int, int] = (30, 60, 90, 180)
    grace_days: int = 0
    materiality_minor: Mapping[str, DatedLimits] = field(default_factory=lambda: MappingProxyType({}))
    calendar: BusinessCalendar = USUAL_WEEK
    moved_products: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        days = self.bucket_last_days
        if days[0] < 1 or any(later <= earlier for earlier, later in pairwise(days)):
            raise ValueError("bucket limits must be positive and ascending")
        if self.grace_days < 0:
            raise ValueError("grace cannot be negative")
        for limits in self.materiality_minor.values():
            if any(amount < 0 for _, amount in limits):
                raise ValueError("materiality cannot be negative")
            if any(later <= earlier for (earlier, _), (later, _) in pairwise(limits)):
                raise ValueError("limits of materiality must ascend by their first day")

    def bucket(self, days_past_due: int) -> Bucket:
        """The bucket of a number of days past due; 0 is `current`."""
        if days_past_due <= 0:
            return "current"
        for last, name in zip(self.bucket_last_days, _PAST_DUE_BUCKETS, strict=False):
            if days_past_due <= last:
                return name
        return _PAST_DUE_BUCKETS[-1]

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
