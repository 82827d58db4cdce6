"""One card account over five statement months, and the due items that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

MONTHS: Final = ("April", "May", "June", "July", "August")
MINIMUM_PERCENT: Final = 5
"""Statement minimum, percent of the bill."""
DUE_DAY: Final = 5
"""Day of the month on which a statement minimum is due."""
CURRENCY: Final = "TWD"
MINOR_PER_UNIT: Final = 100
"""The file states whole New Taiwan dollars; ISO 4217 gives TWD two decimals."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the file's form. Money in whole TWD; months run April to August.

    `statuses` are the file's codes: -2 no use, -1 paid in full, 0 revolving, k >= 1: k unpaid statement minimums.
    """

    number: int
    limit: int
    statuses: tuple[int, ...]
    bills: tuple[int, ...]
    payments: tuple[int, ...]

    @property
    def is_overdue(self) -> bool:
        """Late in August, with something owed (84 late accounts of the file have no positive bill: nothing is due)."""
        return self.statuses[-1] >= 1 and self.bills[-1] > 0


@dataclass(frozen=True, slots=True)
class UnpaidMinimum:
    """One unpaid statement minimum, minor units of TWD."""

    due_date: date
    amount_minor: int


def unpaid_minimums(account: Account, *, as_of: date) -> list[UnpaidMinimum]:
    """The k unpaid minimums of an account with status k, oldest first, due on the 5th of the months before `as_of`.

    Each is 5 % of its own statement's bill. Statements before April are unknown and take April's; one without a
    positive bill takes August's. Where these would exceed what is owed (the bill fell in between), each is 5 % of
    August's bill.
    """
    if not account.is_overdue:
        return []
    count, latest = account.statuses[-1], account.bills[-1]
    bills = [account.bills[max(len(MONTHS) - 1 - back, 0)] for back in range(count)]
    amounts = [_minimum_minor(bill if bill > 0 else latest) for bill in bills]
    if sum(amounts) > latest * MINOR_PER_UNIT:
        amounts = [_minimum_minor(latest)] * count
    dues = [_fifth(as_of, back) for back in range(count)]
    return [UnpaidMinimum(due, amount) for due, amount in zip(reversed(dues), reversed(amounts), strict=True)]


def _minimum_minor(bill: int) -> int:
    return bill * MINOR_PER_UNIT * MINIMUM_PERCENT // 100


def _fifth(as_of: date, back: int) -> date:
    """The 5th that lies `back` whole months before the last 5th strictly before `as_of`."""
    months = as_of.year * 12 + as_of.month - 1 - back - (as_of.day <= DUE_DAY)
    return date(months // 12, months % 12 + 1, DUE_DAY)
