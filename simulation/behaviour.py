"""What simulated people do. Repayment follows the fitted data; everything else is an assumption, and says so.

The credit data has no customer's answer, no door and no visit. The shares below are assumptions of the demonstration:
they set how often each path is taken, and prove nothing about people.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from simulation.core.ledger import Loan
from simulation.portfolio.fitted import Fitted, repayment_class

Reply = Literal["agree", "decline", "move", "stop", "silence"]
Door = Literal["no_answer", "other_person", "plan", "plan_declined", "promise_made", "hardship_told", "dispute_raised"]

REPLIES: Final[dict[Reply, float]] = {"agree": 0.66, "decline": 0.13, "move": 0.05, "stop": 0.03, "silence": 0.13}
DOORS: Final[dict[Door, float]] = {
    "plan": 0.56, "no_answer": 0.14, "promise_made": 0.12, "plan_declined": 0.07, "other_person": 0.06,
    "hardship_told": 0.03, "dispute_raised": 0.02,
}  # fmt: skip
# Monthly wages in Taiwan's industry and services averaged about 43,000 TWD in 2005, the data's year.
_MEDIAN_INCOME_MINOR: Final = 3_600_000
_DAYS_PER_MONTH: Final = 30
ChoiceT = TypeVar("ChoiceT", bound=str)


@dataclass(frozen=True, slots=True)
class MonthAhead:
    """What the fitted data says an account does in its next month."""

    outcome: Literal["cure", "roll_back", "stay", "roll_forward"]
    paid_share: float


class Behaviour:
    """Seeded draws, one independent stream per person and question, so that concurrency changes nothing."""

    def __init__(self, fitted: Fitted, *, seed: int) -> None:
        self._fitted = fitted
        self._seed = seed

    def reply(self, loan_ref: str, field_day: str) -> Reply:
        """The answer to an offered visit (assumption)."""
        return _choice(self._stream("reply", loan_ref, field_day), REPLIES)

    def door(self, loan_ref: str) -> Door:
        """What happens at the door (assumption)."""
        return _choice(self._stream("door", loan_ref), DOORS)

    def household(self, loan_ref: str) -> dict[str, Any]:
        """Household, income, rent and commitments that the customer tells (assumption), TWD minor units."""
        draw = self._stream("household", loan_ref)
        income = int(_MEDIAN_INCOME_MINOR * draw.lognormvariate(0, 0.45))
        return {
            "household": {"adults": draw.choice((1, 1, 2, 2, 2)), "children": draw.choice((0, 0, 1, 2))},
            "monthly_income": {"amount_minor": income, "currency": "TWD"},
            "monthly_rent": {"amount_minor": int(income * draw.uniform(0, 0.25)), "currency": "TWD"},
            "other_commitments": {"amount_minor": int(income * draw.uniform(0, 0.1)), "currency": "TWD"},
        }

    def month(self, loan: Loan) -> MonthAhead:
        """The account's next month as the data has it: outcome and what is paid, as share of the bill."""
        draw = self._stream("month", loan.person.loan_ref)
        moves = self._fitted.repayment[repayment_class(loan.account.statuses[-1])]
        weights = {
            "cure": moves.cure, "roll_back": moves.roll_back, "stay": moves.stay, "roll_forward": moves.roll_forward,
        }  # fmt: skip
        outcome = _choice(draw, weights)
        quantiles = moves.paid_share[outcome]
        place = draw.random() * (len(quantiles) - 1)
        below = int(place)
        share = quantiles[below] + (place - below) * (quantiles[min(below + 1, len(quantiles) - 1)] - quantiles[below])
        return MonthAhead(outcome, share)  # type: ignore[arg-type]

    def pays_by_itself_on(self, loan: Loan, day_number: int) -> bool:
        """Whether an account whose month ends in cure pays on this very day (days are equally likely)."""
        day = self._stream("day", loan.person.loan_ref).randrange(_DAYS_PER_MONTH)
        return day == day_number and self.month(loan).outcome == "cure"

    def keeps_plan(self, loan: Loan) -> bool:
        """A signed instalment is paid unless the data's month would have rolled forward."""
        return self.month(loan).outcome != "roll_forward"

    def _stream(self, *question: str) -> random.Random:
        return random.Random(":".join((str(self._seed), *question)))


def _choice(draw: random.Random, weights: Mapping[ChoiceT, float]) -> ChoiceT:
    return draw.choices(list(weights), weights=list(weights.values()))[0]
