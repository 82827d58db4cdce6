"""What the API says of the whole portfolio."""

from __future__ import annotations

from pydantic import BaseModel, Field

from shared.moments import Moment


class BucketSum(BaseModel):
    """The loans in one state."""

    state: str = Field(
        description="`B1` to `B5`, `current` (past due before), `reaged`, or how they left: `closed`, `sold`, "
        "`written_off`, `erased`, `merged` (it goes on in another person's case).",
        examples=["B2"],
    )
    loans: int = Field(description="How many loans stand there.")
    overdue_minor: int = Field(description="What is overdue on them, minor units; past exits: 0.")


class CurrencyBuckets(BaseModel):
    """The buckets of one currency. Currencies are never added."""

    currency: str = Field(description="ISO 4217 code.", examples=["CNY"])
    buckets: list[BucketSum] = Field(description="In order of state.")


class Portfolio(BaseModel):
    """Loans by bucket, as far as the core has been heard."""

    currencies: list[CurrencyBuckets] = Field(description="One entry per currency.")
    read_at: Moment = Field(description="Real time of this answer: every committed fact is in it.")
    heard_up_to: Moment | None = Field(
        description="Real time up to which the core's topics have been read; null while a part of them never was."
    )
    age_seconds: float | None = Field(
        description="How old the figures are: seconds from `heard_up_to` to `read_at`; null while that is not known."
    )


class RollRow(BaseModel):
    """The loans that began the month in one state."""

    opening: str = Field(description="State at the beginning; `new`: past due for the first time in this month.")
    loans: int = Field(description="How many: the denominator of the rates.")
    ended_in: dict[str, int] = Field(description="Where they stand now, or left; the numerators.")
    rates: dict[str, float] = Field(description="Numerators by denominator; they sum to 1.")
    forward: float = Field(description="Share now in a later bucket.")
    stabilised: float = Field(description="Share in the same bucket.")
    back: float = Field(description="Share in an earlier bucket, still past due.")
    cured: float = Field(description="Share no longer past due, re-ages left out.")
    reaged: float = Field(description="Share whose days were counted anew.")
    exited: float = Field(description="Share that left: closed, sold, written off, erased, merged.")


class CurrencyRolls(BaseModel):
    """The roll matrix of one currency."""

    currency: str = Field(description="ISO 4217 code.", examples=["CNY"])
    rows: list[RollRow] = Field(description="One row per opening state.")
    redefaults: int = Field(description="Loans past due again in this month after an earlier cure.")


class RollMatrix(BaseModel):
    """How loans rolled in one month."""

    month: str = Field(description="Month of the business dates.", examples=["2026-03"])
    currencies: list[CurrencyRolls] = Field(description="One entry per currency.")
    read_at: Moment = Field(description="Real time of this answer: every committed fact is in it.")
    heard_up_to: Moment | None = Field(
        description="Real time up to which the core's topics have been read; null while a part of them never was."
    )
    age_seconds: float | None = Field(
        description="How old the figures are: seconds from `heard_up_to` to `read_at`; null while that is not known."
    )
