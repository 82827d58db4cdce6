"""The protected minimum: what a household keeps, whatever is owed. Dated tables with an id that every plan names."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.money import MAX_AMOUNT_MINOR, Currency, Money

DEFAULT_TABLE = Path(__file__).parent.parent / "data" / "demonstration-cn-2026.toml"
Minor = Annotated[int, Field(ge=0, le=MAX_AMOUNT_MINOR)]


class NoProtectedMinimumError(ValueError):
    """The table says nothing for this currency or day: no plan can be judged, so none is made."""


class Household(BaseModel):
    """Who lives from the income."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    adults: int = Field(ge=1, le=20, description="Adults, the customer included.")
    children: int = Field(ge=0, le=20, description="Children.")


class MinimumRates(BaseModel):
    """Amounts per person and month, minor units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_adult: Minor
    further_adult: Minor
    child: Minor


class ProtectedMinimumTable(BaseModel):
    """One dated table. `label` 'demonstration' must be shown wherever the figure is shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")
    label: Literal["demonstration", "official", "bank"]
    jurisdiction: str
    valid_from: date
    valid_to: date | None = None
    source: str
    monthly_minor: dict[Currency, MinimumRates]

    @classmethod
    def load(cls, path: Path = DEFAULT_TABLE) -> Self:
        """Read a table file. Raises pydantic.ValidationError naming the field, OSError, tomllib.TOMLDecodeError."""
        return cls.model_validate(tomllib.loads(path.read_text()))

    def minimum(self, household: Household, currency: str, day: date) -> Money:
        """What the household keeps per month. Raises NoProtectedMinimumError."""
        rates = self.monthly_minor.get(currency)
        if rates is None:
            raise NoProtectedMinimumError(f"table {self.id} has no amounts in {currency}")
        if day < self.valid_from or (self.valid_to is not None and day > self.valid_to):
            raise NoProtectedMinimumError(f"table {self.id} is not valid on {day}")
        amount = rates.first_adult + rates.further_adult * (household.adults - 1) + rates.child * household.children
        return Money(amount_minor=amount, currency=currency)
