"""What became of overdue cases a month later: a bank's own history, as models are trained and judged on it.

A case's past is folded again from its facts (ADR 0129) on days that lie 30 days apart; each of those days on which the
case was late is a row: what the score would have looked at, and what had happened 30 days later under whatever
treatment there was. The features mean what `store/score_features` reads from the present tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Final, NamedTuple
from uuid import UUID

from services.intake.domain.assessment import assess, balance_minor, effective_statement, movements_of
from services.intake.domain.book import Book, Movement
from services.intake.domain.hindsight import refold
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.scoring.features import MONTH_DAYS, FeatureRow
from services.intake.scoring.scorecard import TARGETS, Target
from shared.events.base import EventData

COLUMNS: Final = (
    "account", "month", "days_now", "days_month_ago", "days_two_months_ago", "paid_last_permille",
    "paid_before_permille", *TARGETS,
)  # fmt: skip
_MONTH: Final = timedelta(days=MONTH_DAYS)
_NOBODY_KNOWS: Final = frozenset({"sold", "servicing", "written_off", "moved"})
"""Ends of a loan after which nobody can tell what would have become of it."""


class DatedFact(NamedTuple):
    """A fact and the day from which it holds."""

    holds_from: date
    fact: EventData


@dataclass(frozen=True)
class Transition:
    """A late case on one day (`month` counts from the first), and what was true 30 days later; None: nobody knows."""

    month: int
    features: FeatureRow
    outcomes: dict[Target, bool | None]


def days_of(heard_since: date, last_day: date) -> list[date]:
    """Days 30 days apart, the last one `last_day`; none before the core was heard."""
    count = (last_day - heard_since).days // MONTH_DAYS
    return [last_day - _MONTH * back for back in range(count, -1, -1)] if last_day >= heard_since else []


def transitions(
    party_id: UUID, core: str, facts: Sequence[DatedFact], days: Sequence[date], policy: DelinquencyPolicy
) -> Iterator[Transition]:
    """The transitions of one case between `days`, which lie 30 days apart."""
    pasts = [_past(party_id, core, facts, day, policy) for day in days]
    for month, (now, later) in enumerate(pairwise(pasts)):
        if now.days == 0:
            continue
        before = pasts[month - 1] if month > 0 else None
        yield Transition(
            month,
            FeatureRow(
                days_now=now.days,
                days_month_ago=None if before is None else before.days,
                days_two_months_ago=pasts[month - 2].days if month > 1 else None,
                paid_last_permille=None if before is None or not before.days else now.share_paid(0),
                paid_before_permille=now.share_paid(1) if month > 1 and pasts[month - 2].days else None,
            ),
            _outcomes(now, later),
        )


class _Past(NamedTuple):
    """A case on one day: days late, balances by currency (None where one is not stated), money by 30 days back."""

    days: int
    balances: dict[str, int | None]
    paid: tuple[dict[str, int], dict[str, int]]
    has_left: bool

    def share_paid(self, back: int) -> int | None:
        """Per mille of the balance that was paid in a month, in the currency in which it is least."""
        shares = []
        for currency, balance in self.balances.items():
            if balance is None:
                return None
            paid = [month.get(currency, 0) for month in self.paid]
            before = balance + sum(paid[: back + 1])
            if before <= 0:
                return None
            shares.append(min(1_000 * paid[back] // before, 1_000))
        return min(shares, default=None)


def _past(party_id: UUID, core: str, facts: Sequence[DatedFact], day: date, policy: DelinquencyPolicy) -> _Past:
    book = refold(party_id, core, [fact for holds_from, fact in facts if holds_from <= day])
    balances: dict[str, int | None] = {}
    for loan in book.loans.values():
        if loan.terms is None:
            continue
        movements = movements_of(book, loan.loan_ref)
        statement = effective_statement(loan, movements)
        is_stated = statement is not None and statement.balance_minor is not None
        known = balances.get(loan.terms.currency, 0)
        stated = balance_minor(loan, movements) if is_stated else None
        balances[loan.terms.currency] = None if known is None or stated is None else known + stated
    return _Past(
        days=assess(book, day, policy).days_contractual,
        balances=balances,
        paid=(_paid(book, day), _paid(book, day - _MONTH)),
        has_left=any(loan.leaving is not None and loan.leaving[1] in _NOBODY_KNOWS for loan in book.loans.values()),
    )


def _paid(book: Book, day: date) -> dict[str, int]:
    """What was paid, cleared and not taken back in the 30 days that end with `day`, by currency."""
    sums: dict[str, int] = defaultdict(int)
    for movement in book.movements.values():
        receipt = movement.receipt
        if receipt is not None and _counts(movement) and timedelta(0) <= day - receipt.value_date < _MONTH:
            sums[receipt.currency] += receipt.amount_minor
    return dict(sums)


def _counts(movement: Movement) -> bool:
    receipt = movement.receipt
    return receipt is not None and receipt.kind == "payment" and receipt.cleared and not movement.is_reversed


def _outcomes(now: _Past, later: _Past) -> dict[Target, bool | None]:
    left = later.has_left and not now.has_left
    return {
        "cure": None if left else later.days == 0,
        "roll": None if left else _months(later.days) > _months(now.days),
        "payment": any(later.paid[0].values()),
    }


def _months(days: int) -> int:
    return -(-days // MONTH_DAYS)
