"""Exact money: integers of the currency's minor unit (ISO 4217), never a float, never two currencies added."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# ISO 4217 minor-unit exponents of the currencies that packs and feeds use; an unlisted one is refused, not guessed.
EXPONENTS: Final[dict[str, int]] = {
    "AUD": 2, "BHD": 3, "CAD": 2, "CHF": 2, "CNY": 2, "EUR": 2, "GBP": 2, "HKD": 2, "INR": 2, "JPY": 0,
    "KRW": 0, "KWD": 3, "NZD": 2, "SGD": 2, "TWD": 2, "USD": 2, "VND": 0,
}  # fmt: skip
MAX_AMOUNT_MINOR: Final = 10**15


def known_currency(code: str) -> str:
    """The code itself. Raises ValueError when it is not a listed ISO 4217 code."""
    if code not in EXPONENTS:
        raise ValueError(f"unknown currency {code!r}")
    return code


Currency = Annotated[
    str, AfterValidator(known_currency), Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code.", examples=["CNY"])
]


class Money(BaseModel):
    """An amount in minor units of one currency (125000 CNY = 1,250.00 yuan)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount_minor: int = Field(
        ge=-MAX_AMOUNT_MINOR, le=MAX_AMOUNT_MINOR, strict=True,
        description="Whole minor units (ISO 4217 exponent).", examples=[125000],
    )  # fmt: skip
    currency: Currency

    def __add__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(amount_minor=self.amount_minor + other.amount_minor, currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(amount_minor=self.amount_minor - other.amount_minor, currency=self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same_currency(other)
        return self.amount_minor < other.amount_minor

    def __le__(self, other: Money) -> bool:
        self._same_currency(other)
        return self.amount_minor <= other.amount_minor

    def __str__(self) -> str:
        exponent = EXPONENTS[self.currency]
        return f"{self.currency} {Decimal(self.amount_minor).scaleb(-exponent):,.{exponent}f}"

    def _same_currency(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"cannot combine {self.currency} with {other.currency}")


def parse_money(text: str, currency: str) -> Money:
    """Decimal text of major units to money. Raises ValueError when inexact in minor units: refused, not rounded."""
    exponent = EXPONENTS[known_currency(currency)]
    try:
        scaled = Decimal(text).scaleb(exponent)
    except InvalidOperation as error:
        raise ValueError(f"not a decimal amount: {text!r}") from error
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError(f"{text!r} is not exact in minor units of {currency}")
    return Money(amount_minor=int(scaled), currency=currency)
