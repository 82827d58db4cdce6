"""What the score looks at. Nothing about the person: only how late the case is and was, and what was paid.

A bank's own history and intake's tables both become these columns, so a model is trained on what it will be asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
CharacteristicName = Literal[
    "late_now", "late_month_ago", "late_two_months_ago", "paid_last_month", "paid_month_before"
]
CHARACTERISTICS: Final[tuple[CharacteristicName, ...]] = get_args(CharacteristicName)
Segment = Literal[
    "1-60 days, known", "61-90 days, known", "91+ days, known", "1-60 days, new", "61-90 days, new", "91+ days, new"
]
SEGMENTS: Final[tuple[Segment, ...]] = get_args(Segment)
NOT_OVERDUE: Final = -1
MONTH_DAYS: Final = 30
UNKNOWN: Final = -1
_PERMILLE: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class FeatureRow:
    """One case on one day. None: not known. Months are 30 days.

    `days_…` are contractual days past due now, 30 and 60 days ago (0: not late then). `paid_…_permille` is the money
    that cleared in the last 30 days, or in the 30 before, as a share of the balance before it; in the currency in which
    the share is least, for currencies are never added.
    """

    days_now: int
    days_month_ago: int | None = None
    days_two_months_ago: int | None = None
    paid_last_permille: int | None = None
    paid_before_permille: int | None = None


@dataclass(frozen=True)
class Features:
    """The columns of many cases, `UNKNOWN` where a value is not known: months late, and shares paid in per mille."""

    late_now: Ints
    late_month_ago: Ints
    late_two_months_ago: Ints
    paid_last_month: Ints
    paid_month_before: Ints

    @classmethod
    def of_columns(cls, days: Sequence[Ints], paid: Sequence[Ints]) -> Self:
        """From days past due (now, a month ago, two) and per mille paid (last month, the one before)."""
        late = [months_late(column) for column in days]
        shares = [np.minimum(column, _PERMILLE).astype(np.int32) for column in paid]
        return cls(*late, *shares)

    @classmethod
    def of_rows(cls, rows: Sequence[FeatureRow]) -> Self:
        """From single cases."""
        days = [[row.days_now, _or(row.days_month_ago), _or(row.days_two_months_ago)] for row in rows]
        paid = [[_or(row.paid_last_permille), _or(row.paid_before_permille)] for row in rows]
        return cls.of_columns(_columns(days, 3), _columns(paid, 2))

    def __len__(self) -> int:
        return len(self.late_now)

    def column(self, name: CharacteristicName) -> Ints:
        """The values of one characteristic."""
        values: Ints = getattr(self, name)
        return values

    def segments(self) -> NDArray[np.int8]:
        """The place of each case in `SEGMENTS`, or `NOT_OVERDUE`. `known`: it is known how late the case was before."""
        band = np.digitize(self.late_now, [3, 4])
        place = np.where(self.late_month_ago == UNKNOWN, band + 3, band)
        return np.where(self.late_now < 1, NOT_OVERDUE, place).astype(np.int8)

    def take(self, where: NDArray[np.bool_]) -> Features:
        """The cases where it is true."""
        return Features(*(self.column(name)[where] for name in CHARACTERISTICS))

    def table(self) -> NDArray[np.float64]:
        """All characteristics side by side, in the order of `CHARACTERISTICS`: what the challenger is asked with."""
        return np.column_stack([self.column(name) for name in CHARACTERISTICS]).astype(float)

    def forgotten(self) -> Features:
        """The same cases as if nothing but today's lateness were known of them."""
        nothing = np.full(len(self), UNKNOWN, dtype=np.int32)
        return Features(self.late_now, nothing, nothing, nothing, nothing)


def months_late(days: Ints) -> Ints:
    """Days past due as begun months: 1 to 30 days are 1, 31 to 60 are 2; `UNKNOWN` stays."""
    return np.where(days < 0, UNKNOWN, -(-days // MONTH_DAYS)).astype(np.int32)


def _or(value: int | None) -> int:
    return UNKNOWN if value is None else value


def _columns(rows: Sequence[Sequence[int]], width: int) -> list[Ints]:
    table = np.array(rows, dtype=np.int32).reshape(len(rows), width)
    return [table[:, place] for place in range(width)]
