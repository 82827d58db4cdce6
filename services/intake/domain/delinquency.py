"""Days past due, in whole days of the tenant's calendar: the due date is day 0, the next day is 1 (CRR article 178)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta

from msgspec import Struct


class DueAmount(Struct, frozen=True, order=True, array_like=True):
    """One amount due on one date, minor units of the loan's currency."""

    due_date: date
    kind: str
    principal: int
    interest: int
    fee: int
    penalty: int
    paid: int

    @property
    def rest(self) -> int:
        """What is unpaid, minor units; an overpaid item owes nothing and helps no other item."""
        unpaid = self.principal + self.interest + self.fee + self.penalty - self.paid
        return unpaid if unpaid > 0 else 0


class Pause(Struct, frozen=True, order=True, array_like=True):
    """Days that do not count: `first` to `last`, both included. `reference` names the arrangement."""

    first: date
    last: date
    reference: str


class Arrears(Struct, frozen=True):
    """What is past due on one loan on one date."""

    overdue_minor: int
    oldest_due_date: date
    days: int


def arrears(
    items: Iterable[DueAmount], as_of: date, *, threshold_minor: int = 0, moving: Callable[[date], date] | None = None
) -> Arrears | None:
    """The arrears on `as_of`, None when no item is past due.

    The oldest item whose unpaid rest exceeds the threshold counts: a part payment never advances the oldest due date.
    `moving` tells where the contract moves a due date to; None: nowhere.
    """
    overdue_minor = 0
    oldest: date | None = None
    for item in items:
        due_date = item.due_date if moving is None else moving(item.due_date)
        if due_date >= as_of:
            continue
        rest = item.rest
        overdue_minor += rest
        if rest > threshold_minor and (oldest is None or due_date < oldest):
            oldest = due_date
    if oldest is None:
        return None
    return Arrears(overdue_minor=overdue_minor, oldest_due_date=oldest, days=(as_of - oldest).days)


def effective_days(oldest_due_date: date, as_of: date, *, grace_days: int, pauses: Sequence[Pause] = ()) -> int:
    """Days past due less the grace days and less the union of the pause days that follow them; never below 0."""
    counted = (as_of - oldest_due_date).days - grace_days
    if counted <= 0:
        return 0
    if not pauses:
        return counted
    free_from = oldest_due_date + timedelta(days=1 + grace_days)
    for pause in sorted(pauses):
        first, last = max(pause.first, free_from), min(pause.last, as_of)
        if first <= last:
            counted -= (last - first).days + 1
            free_from = last + timedelta(days=1)
    return counted
