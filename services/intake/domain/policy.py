"""What a tenant decides for itself about delinquency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

from shared.events.case import Bucket

_PAST_DUE_BUCKETS: tuple[Bucket, ...] = ("B1", "B2", "B3", "B4", "B5")


@dataclass(frozen=True, kw_only=True)
class DelinquencyPolicy:
    """Buckets, grace and materiality of one tenant.

    `bucket_last_days` are the last days past due of B1 to B4 (30, 60, 90, 120: the usual monthly roll); more is B5.
    `grace_days` are free days after a due date (effective counting only). `materiality_minor` is, per currency, the
    unpaid rest up to which a due item is not past due; 0 for a currency that is left out. Raises ValueError.
    """

    bucket_last_days: tuple[int, int, int, int] = (30, 60, 90, 120)
    grace_days: int = 0
    materiality_minor: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        days = self.bucket_last_days
        if days[0] < 1 or any(later <= earlier for earlier, later in pairwise(days)):
            raise ValueError("bucket limits must be positive and ascending")
        if self.grace_days < 0 or any(amount < 0 for amount in self.materiality_minor.values()):
            raise ValueError("grace and materiality cannot be negative")

    def bucket(self, days_past_due: int) -> Bucket:
        """The bucket of a number of days past due; 0 is `current`."""
        if days_past_due <= 0:
            return "current"
        for last, name in zip(self.bucket_last_days, _PAST_DUE_BUCKETS, strict=False):
            if days_past_due <= last:
                return name
        return _PAST_DUE_BUCKETS[-1]

    def threshold_minor(self, currency: str) -> int:
        """The unpaid rest, minor units, up to which a due item in `currency` does not count."""
        return self.materiality_minor.get(currency, 0)
