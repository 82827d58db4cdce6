"""What a household can pay, and the schedule that follows from it. Exact integers throughout.

Three answers, all of them real:
- `instalments`: the debt is repaid within 60 months (card rule art. 70: at most five years);
- `token`: the household can pay something, but not the whole debt in 60 months; it pays that for a review period;
- `pause`: nothing is left above the protected minimum; nothing is paid until the review.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from services.plans.domain.protected_minimum import Household, ProtectedMinimumTable
from shared.events.plan import Instalment
from shared.money import Money
from shared.web.problems import KnownProblem

MAX_MONTHS: Final = 60
TOKEN_MONTHS: Final = 12
PAUSE_MONTHS: Final = 3
RULE_MINIMUM: Final = "PLAN-PROTECTED-MINIMUM"
RULE_60_MONTHS: Final = "CN-CARD2011-70-60M"
CITATION_60_MONTHS: Final = "商业银行信用卡业务监督管理办法 art. 70 (2011-01-13): personalised plan, at most five years"
CITATION_MINIMUM: Final = "bank policy: no plan below the household's protected minimum"

PlanKind = Literal["instalments", "token", "pause"]


class PlanBelowProtectedMinimum(KnownProblem):
    """The wished instalment would take the household below its protected minimum; `most_affordable` would not."""

    kind, status, title = "plan_below_protected_minimum", 422, "The household must keep its protected minimum"


class PlanLongerThanAllowed(KnownProblem):
    """The wished instalment would need more than 60 months; `least_allowed` would not."""

    kind, status, title = "plan_longer_than_60_months", 422, "A plan lasts at most 60 months"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The household's month, as the customer told it. All amounts in one currency, none negative."""

    household: Household
    income: Money
    rent: Money
    commitments: Money


@dataclass(frozen=True, kw_only=True)
class Affordability:
    """The result of the check: `surplus` may be negative."""

    protected_minimum: Money
    surplus: Money
    table_id: str

    @property
    def most(self) -> Money:
        """Highest affordable instalment, never negative."""
        return Money(amount_minor=max(0, self.surplus.amount_minor), currency=self.surplus.currency)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What is to be paid and when; `total` is exactly the sum of the instalments."""

    kind: PlanKind
    instalments: tuple[Instalment, ...]
    total: Money
    review_on: date


def assess(statement: Statement, table: ProtectedMinimumTable, day: date) -> Affordability:
    """Income less rent, commitments and protected minimum. Raises NoProtectedMinimumError."""
    minimum = table.minimum(statement.household, statement.income.currency, day)
    surplus = statement.income - statement.rent - statement.commitments - minimum
    return Affordability(protected_minimum=minimum, surplus=surplus, table_id=table.id)


def solve(debt: Money, affordability: Affordability, *, wished: Money | None, start: date) -> Schedule:
    """The schedule for `debt` (more than zero) at the wished instalment, or at the highest affordable one.

    Raises PlanBelowProtectedMinimum when the wish is above what is affordable, PlanLongerThanAllowed when it is
    affordable but needs more than 60 months although a higher affordable one would not.
    """
    most = affordability.most
    if wished is not None and most < wished:
        raise _below_minimum(affordability)
    least_minor = -(-debt.amount_minor // MAX_MONTHS)
    monthly_minor = most.amount_minor if wished is None or wished.amount_minor == 0 else wished.amount_minor
    if monthly_minor == 0:
        return Schedule(kind="pause", instalments=(), total=_money(0, debt), review_on=month_later(start, PAUSE_MONTHS))
    if monthly_minor >= least_minor:
        instalments = _instalments(debt.amount_minor, monthly_minor, debt.currency, start)
        return Schedule(kind="instalments", instalments=instalments, total=debt, review_on=instalments[-1].due_date)
    if wished is not None and most.amount_minor >= least_minor:
        raise PlanLongerThanAllowed(
            f"the least instalment that repays within {MAX_MONTHS} months is affordable",
            rule=RULE_60_MONTHS,
            citation=CITATION_60_MONTHS,
            least_allowed=_money(least_minor, debt).model_dump(),
            most_affordable=most.model_dump(),
        )
    total_minor = monthly_minor * TOKEN_MONTHS
    instalments = _instalments(total_minor, monthly_minor, debt.currency, start)
    return Schedule(
        kind="token", instalments=instalments, total=_money(total_minor, debt), review_on=instalments[-1].due_date
    )


def month_later(start: date, months: int) -> date:
    """The same day `months` later, or the last day of a shorter month."""
    index = start.year * 12 + start.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


def _instalments(total_minor: int, monthly_minor: int, currency: str, start: date) -> tuple[Instalment, ...]:
    """Equal instalments, the last one takes the rest: the sum is exact and none is above `monthly_minor`."""
    count = -(-total_minor // monthly_minor)
    amounts = [monthly_minor] * (count - 1) + [total_minor - monthly_minor * (count - 1)]
    return tuple(
        Instalment(
            number=number,
            due_date=month_later(start, number),
            amount=Money(amount_minor=amount, currency=currency),
        )
        for number, amount in enumerate(amounts, start=1)
    )


def _below_minimum(affordability: Affordability) -> PlanBelowProtectedMinimum:
    return PlanBelowProtectedMinimum(
        "the wished instalment is above what the household can pay and keep its protected minimum",
        rule=RULE_MINIMUM,
        citation=CITATION_MINIMUM,
        table_id=affordability.table_id,
        most_affordable=affordability.most.model_dump(),
        protected_minimum=affordability.protected_minimum.model_dump(),
    )


def _money(amount_minor: int, like: Money) -> Money:
    return Money(amount_minor=amount_minor, currency=like.currency)
