"""Payments matched to instalments, first in first out.

The allocation is a pure function of the schedule and of the payments that stand, in the order they were learned. So a
reversal is no special arithmetic: the payment is left out and the rest is allocated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.events.plan import Instalment


@dataclass(frozen=True, kw_only=True)
class Payment:
    """A payment from the core; counted once per `transaction_ref`. `position` is the order in which we learned it."""

    transaction_ref: str
    loan_id: UUID
    amount_minor: int
    position: int
    reversed: bool = False


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """What one payment did: the matched part and the instalments it touched. The rest of it is not the plan's."""

    transaction_ref: str
    matched_minor: int
    instalments: tuple[int, ...]


def allocate(instalments: Sequence[Instalment], payments: Sequence[Payment]) -> tuple[Allocation, ...]:
    """Spread the standing payments over the instalments, oldest instalment first."""
    open_minor = [(each.number, each.amount.amount_minor) for each in instalments]
    allocations: list[Allocation] = []
    index = 0
    for payment in sorted(payments, key=lambda each: each.position):
        left = 0 if payment.reversed else payment.amount_minor
        touched: list[int] = []
        matched = 0
        while left > 0 and index < len(open_minor):
            number, due = open_minor[index]
            part = min(left, due)
            touched.append(number)
            matched, left = matched + part, left - part
            open_minor[index] = (number, due - part)
            if part == due:
                index += 1
        allocations.append(
            Allocation(transaction_ref=payment.transaction_ref, matched_minor=matched, instalments=tuple(touched))
        )
    return tuple(allocations)


def open_minor(instalments: Sequence[Instalment], payments: Sequence[Payment]) -> dict[int, int]:
    """What is still to be paid of each instalment, by number."""
    left = paid_minor(instalments, payments)
    rests: dict[int, int] = {}
    for each in instalments:
        part = min(left, each.amount.amount_minor)
        rests[each.number], left = each.amount.amount_minor - part, left - part
    return rests


def paid_minor(instalments: Sequence[Instalment], payments: Sequence[Payment]) -> int:
    """Sum of the matched parts."""
    return sum(allocation.matched_minor for allocation in allocate(instalments, payments))
