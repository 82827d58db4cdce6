"""What every feed agrees on, whatever its rows are about: how files are written, checked and expected."""

from __future__ import annotations

from abc import abstractmethod
from datetime import date, datetime, time, timedelta
from functools import cached_property
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shared.events.base import Reference

Change = Literal["full", "delta"]
Order = Literal["row", "manifest", "watermark"]
_LONGEST_RECORD = 64_000
_FRIDAY = 5


class ContractError(ValueError):
    """A contract that cannot be read, or that contradicts itself; the text says where."""


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Strict):
    """Where a field stands: a column by name, characters of a fixed record by position, or the same value for all.

    `codes` translates the bank's codes; a code that is not listed is refused, never guessed.
    """

    column: str | None = Field(None, min_length=1, description="Name of the column (CSV, Parquet).")
    at: int | None = Field(None, ge=1, le=_LONGEST_RECORD, description="First byte of the field, from 1 (fixed width).")
    length: int | None = Field(None, ge=1, le=1_000, description="Bytes of the field (fixed width).")
    value: str | None = Field(None, description="The same for every row.")
    codes: dict[str, str] = Field(default_factory=dict, description="The bank's code → our word.")

    @model_validator(mode="after")
    def _stands_somewhere(self) -> Self:
        if (self.at is None) != (self.length is None):
            raise ValueError("`at` and `length` belong together")
        if sum(one is not None for one in (self.column, self.at, self.value)) != 1:
            raise ValueError("give one of `column`, `at` with `length`, `value`")
        return self


def _short(given: Any) -> Any:
    return {"column": given} if isinstance(given, str) else given


At = Annotated[Source, BeforeValidator(_short)]


class CsvForm(Strict):
    """Comma-separated: one line is one row; a quoted value may hold the delimiter, never a line break."""

    kind: Literal["csv"]
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    delimiter: str = Field(",", pattern=r"^[,;|\t]$")
    columns: tuple[str, ...] = Field((), description="Names of the columns where the file has no header line.")


class FixedForm(Strict):
    """Fixed width: one line is one row of `record_length` bytes (line break not counted); positions count bytes."""

    kind: Literal["fixed"]
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    record_length: int = Field(ge=1, le=_LONGEST_RECORD)


class ParquetForm(Strict):
    """Parquet. Amounts are decimals or whole minor units; a floating-point column is refused as inexact."""

    kind: Literal["parquet"]

    @property
    def encoding(self) -> Literal["utf-8"]:
        """Parquet's texts are UTF-8."""
        return "utf-8"


class Amounts(Strict):
    """How an amount is written: major units with a decimal sign, whole minor units, or with implied decimals."""

    unit: Literal["major", "minor", "implied"] = "major"
    decimal: Literal[".", ","] = "."
    group: Literal["", ",", ".", " ", "'"] = ""
    implied_decimals: int = Field(2, ge=0, le=6)
    largest: int = Field(
        1_000_000_000, ge=1, le=10**12, description="In major units; anything above is absurd and refused."
    )

    @model_validator(mode="after")
    def _signs_differ(self) -> Self:
        if self.group == self.decimal:
            raise ValueError("`group` and `decimal` must differ")
        return self


class Dates(Strict):
    """How a date is written, and which texts mean that there is none."""

    form: Literal["YYYY-MM-DD", "YYYYMMDD", "YYYY/MM/DD", "DD/MM/YYYY", "DD.MM.YYYY", "MM/DD/YYYY"] = "YYYY-MM-DD"
    none: tuple[str, ...] = ("", "0000-00-00", "00000000")


class Checks(Strict):
    """What must hold before the first row has an effect."""

    totals: Literal["required", "none"] = Field("required", description="Whether the manifest must carry totals.")
    most_drop_percent: int = Field(
        20, ge=0, le=100, description="By how much rows, overdue loans and sums may fall since the file before."
    )
    most_refused_per_mille: int = Field(
        5, ge=0, le=1_000, description="Refused rows per 1,000 up to which it is loaded."
    )


class Promised(Strict):
    """When the tape of a business date is there at the latest. One that is not suspends its core's feed."""

    by: time = Field(description="Time of the tenant's day after the business date.")
    days: Literal["every", "weekdays"] = Field("every", description="Which business dates have a tape.")

    def due_date(self, local_now: datetime) -> date:
        """The newest business date whose tape must be there at that moment of the tenant's clock."""
        day = local_now.date() - timedelta(days=1 if local_now.time() >= self.by else 2)
        while self.days == "weekdays" and day.isoweekday() > _FRIDAY:
            day -= timedelta(days=1)
        return day


class Claimed(Strict):
    """What a file claims to hold."""

    change: Change = Field(description="full: everything of the population; delta: only what has changed.")
    order: Order = Field(
        description="Where a row stands among the core's numbered facts: by its own number (field `core_sequence`), by "
        "the number in the manifest, or by the extraction's moment in microseconds (only where the core numbers its "
        "live facts the same way, or sends none)."
    )


class Agreement(Strict):
    """One version of what a bank and we agree for one feed."""

    subject: ClassVar[str]
    """The place that names what a row is about."""
    personal: ClassVar[frozenset[str]] = frozenset()
    """Names of fields that are shown to nobody who need not see them."""

    feed: Reference
    version: int = Field(ge=1, le=10_000)
    core: Reference
    effective_from: date = Field(description="First business date that is read under this version.")
    form: Annotated[CsvForm | FixedForm | ParquetForm, Field(discriminator="kind")]
    promised: Promised | None = None
    checks: Checks = Checks()
    dates: Dates = Dates()
    content: Claimed

    @cached_property
    def fingerprint(self) -> str:
        """What a fact names as the form in which it was written."""
        return blake2b(self.model_dump_json().encode(), digest_size=8).hexdigest()

    @property
    def order(self) -> Order:
        """What says where a row stands among the core's numbered facts."""
        return self.content.order

    @property
    def change(self) -> Change:
        """Whether a file holds everybody and everything, or only what has changed."""
        return self.content.change

    @property
    @abstractmethod
    def cures_the_vanished(self) -> bool:
        """Whether what a full file does not name any more is cured."""

    @abstractmethod
    def groups(self) -> list[tuple[str, BaseModel]]:
        """The groups of places with the prefix of their names, in a fixed order."""

    @model_validator(mode="after")
    def _places_fit_the_form(self) -> Self:
        slots = self.slots()
        for name, source in slots.items():
            fits = source.value is not None or (source.at is not None) == (self.form.kind == "fixed")
            if not fits:
                raise ValueError(f"{name}: a {self.form.kind} file has no such place")
            if (
                isinstance(self.form, FixedForm)
                and (source.at or 1) + (source.length or 1) - 1 > self.form.record_length
            ):
                raise ValueError(f"{name}: lies beyond the record")
        if (self.order == "row") != ("core_sequence" in slots):
            raise ValueError('`order = "row"` and the field `core_sequence` belong together')
        return self

    def slots(self) -> dict[str, Source]:
        """Every place by its name (`balance`, `due_item.0.principal`, `contact.1.value`), in a fixed order."""
        return {
            prefix + name: source
            for prefix, group in self.groups()
            for name in type(group).model_fields
            if (source := getattr(group, name)) is not None
        }
