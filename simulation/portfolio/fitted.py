"""What was fitted to the credit data: the committed parameters, as a closed model."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

FITTED_FILE: Final = Path(__file__).with_name("fitted.json")
STATUSES: Final = tuple(range(-2, 9))
STATUS_CLASSES: Final = ("unused", "full", "revolving", "late_1_2", "late_3_more")
VARIABLES: Final = (
    "limit",
    *(f"bill_{month}" for month in ("april", "may", "june", "july", "august")),
    *(f"paid_{month}" for month in ("may", "june", "july", "august")),
)
"""The copula's variables, all TWD: limit, bill per month, payment made in each month."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Repayment(_Closed):
    """What an account that is `late` months late did in the following month, April to August pooled."""

    accounts: int = Field(ge=1, description="Account-months behind the figures.")
    cure: float = Field(ge=0, le=1, description="Share not late any more.")
    roll_back: float = Field(ge=0, le=1, description="Share late by fewer months.")
    stay: float = Field(ge=0, le=1, description="Share as late as before.")
    roll_forward: float = Field(ge=0, le=1, description="Share later than before.")
    paid_share: dict[str, list[float]] = Field(
        description="Per outcome: 21 quantiles of payment / bill in the month of the move."
    )


class Targets(_Closed):
    """Statistics of the overdue accounts that the generator does not use: goodness-of-fit tests compare with them."""

    status: list[list[float]] = Field(description="Share of each status (-2..8) per month April..August.")
    spearman: list[list[float]] = Field(
        description="Rank correlation of limit, August bill, overdue sum, July bill, August payment."
    )
    august_bill: list[float] = Field(description="21 quantiles of August's bill, TWD.")
    overdue: list[float] = Field(description="21 quantiles of the sum of unpaid minimums, TWD minor units.")
    paid_nothing: list[float] = Field(description="Share without a payment, months May..August.")


class Fitted(_Closed):
    """Parameters of the generator; written by tools/fit_portfolio.py only."""

    source: str = Field(description="File name of the source.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Digest of the source.")
    accounts: int = Field(description="Accounts in the source.")
    overdue_accounts: int = Field(description="Late in August with a positive bill: the fitted population.")
    months: list[str]
    method: str
    paths: dict[str, int] = Field(description="Overdue accounts per status path April..August, as `0 0 2 2 2`.")
    transitions: list[list[list[int]]] = Field(
        description="Counts over all accounts [month][from][to], statuses -2..8, April->May .. July->August."
    )
    limits: dict[str, list[float]] = Field(description="Quantiles of the limit per August status class.")
    marginals: dict[str, dict[str, list[float]]] = Field(description="Quantiles per variable and status class.")
    correlation: list[list[float]] = Field(description="Gaussian copula over the variables, given the status path.")
    repayment: dict[str, Repayment] = Field(description="Behaviour per months late: 2, 3, 4 (4 and more).")
    targets: Targets


def load_fitted(path: Path = FITTED_FILE) -> Fitted:
    """The committed parameters. Raises pydantic.ValidationError when the file is damaged."""
    return Fitted.model_validate_json(path.read_bytes())


def status_class(status: int) -> str:
    """The class of a status that the marginals are conditional on."""
    if status >= 1:
        return STATUS_CLASSES[3] if status <= 2 else STATUS_CLASSES[4]
    return STATUS_CLASSES[status + 2]


def repayment_class(status: int) -> str:
    """Key of `Fitted.repayment` for a late status (status 1 is too rare before September to stand alone)."""
    return str(min(max(status, 2), 4))
