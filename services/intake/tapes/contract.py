"""What a bank agrees for a feed: how its files are written, what they claim, and what may be concluded from them.

A contract is a TOML file, one version each, approved by two people before a file is loaded under it (`approvals`).
"""

from __future__ import annotations

import hashlib
import tomllib
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shared.events.base import Reference

Part = Literal["principal", "interest", "fee", "penalty", "paid"]
PARTS: Final[tuple[Part, ...]] = ("principal", "interest", "fee", "penalty", "paid")
# What names the state of a loan. The others may change every night without anything having happened.
VOLATILE: Final = frozenset({"core_sequence", "business_date", "core_dpd"})
_LONGEST_RECORD = 64_000
_FRIDAY = 5


class ContractError(ValueError):
    """A contract that cannot be read, or that contradicts itself; the text says where."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Strict):
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


class CsvForm(_Strict):
    """Comma-separated: one line is one row; a quoted value may hold the delimiter, never a line break."""

    kind: Literal["csv"]
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    delimiter: str = Field(",", pattern=r"^[,;|\t]$")
    columns: tuple[str, ...] = Field((), description="Names of the columns where the file has no header line.")


class FixedForm(_Strict):
    """Fixed width: one line is one row of `record_length` bytes (line break not counted); positions count bytes."""

    kind: Literal["fixed"]
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    record_length: int = Field(ge=1, le=_LONGEST_RECORD)


class ParquetForm(_Strict):
    """Parquet. Amounts are decimals or whole minor units; a floating-point column is refused as inexact."""

    kind: Literal["parquet"]

    @property
    def encoding(self) -> Literal["utf-8"]:
        """Parquet's texts are UTF-8."""
        return "utf-8"


class Amounts(_Strict):
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


class Dates(_Strict):
    """How a date is written, and which texts mean that there is none."""

    form: Literal["YYYY-MM-DD", "YYYYMMDD", "YYYY/MM/DD", "DD/MM/YYYY", "DD.MM.YYYY", "MM/DD/YYYY"] = "YYYY-MM-DD"
    none: tuple[str, ...] = ("", "0000-00-00", "00000000")


class Content(_Strict):
    """What a file claims, and what may be concluded from what it does not say."""

    change: Literal["full", "delta"] = Field(description="full: every loan of the population; delta: only changes.")
    population: Literal["all", "delinquent"] = Field(description="Which loans a full file holds.")
    vanished: Literal["cured", "kept"] = Field(
        description="A loan that was overdue and is no longer in a full file: cured, or left as it was."
    )
    removed: Literal["cured", "kept"] = Field("kept", description="What the operation `remove` of a delta means.")
    order: Literal["row", "manifest", "watermark"] = Field(
        description="Where a row stands among the core's numbered facts: by its own number (field `core_sequence`), by "
        "the number in the manifest, or by the extraction's moment in microseconds (only where the core numbers its "
        "live facts the same way, or sends none)."
    )


class Checks(_Strict):
    """What must hold before the first row has an effect."""

    totals: Literal["required", "none"] = Field("required", description="Whether the manifest must carry totals.")
    most_drop_percent: int = Field(
        20, ge=0, le=100, description="By how much rows, overdue loans and sums may fall since the file before."
    )
    most_refused_per_mille: int = Field(
        5, ge=0, le=1_000, description="Refused rows per 1,000 up to which it is loaded."
    )


class Fields(_Strict):
    """Where the fields of a loan stand."""

    loan_ref: At
    party_ref: At
    currency: At
    balance: At
    product_class: At
    creditor: At
    servicer: At
    originated_on: At
    jurisdiction: At
    flag: At | None = None
    core_sequence: At | None = None
    business_date: At | None = None
    core_dpd: At | None = None
    operation: At | None = Field(None, description="Deltas: `put` or `remove`, by code list.")


class DueItemFields(_Strict):
    """Where one due item stands; an empty due date with nothing unpaid means that there is none."""

    kind: At
    due_date: At
    principal: At
    interest: At | None = None
    fee: At | None = None
    penalty: At | None = None
    paid: At | None = None


class ObligorFields(_Strict):
    """Where somebody else who is bound by the loan stands; an empty reference means nobody."""

    party_ref: At
    role: At
    liability: At


class Promised(_Strict):
    """When the tape of a business date is there at the latest. One that is not suspends its core's feed."""

    by: time = Field(description="Time of the tenant's day after the business date.")
    days: Literal["every", "weekdays"] = Field("every", description="Which business dates have a tape.")

    def due_date(self, local_now: datetime) -> date:
        """The newest business date whose tape must be there at that moment of the tenant's clock."""
        day = local_now.date() - timedelta(days=1 if local_now.time() >= self.by else 2)
        while self.days == "weekdays" and day.isoweekday() > _FRIDAY:
            day -= timedelta(days=1)
        return day


class Contract(_Strict):
    """One version of what a bank and we agree for one feed."""

    feed: Reference
    version: int = Field(ge=1, le=10_000)
    core: Reference
    effective_from: date = Field(description="First business date that is read under this version.")
    form: Annotated[CsvForm | FixedForm | ParquetForm, Field(discriminator="kind")]
    content: Content
    promised: Promised | None = None
    checks: Checks = Checks()
    amounts: Amounts = Amounts()
    dates: Dates = Dates()
    fields: Fields
    due_item: tuple[DueItemFields, ...] = Field(min_length=1, max_length=24)
    obligor: tuple[ObligorFields, ...] = Field((), max_length=8)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        for name, source in self.slots().items():
            fits = source.value is not None or (source.at is not None) == (self.form.kind == "fixed")
            if not fits:
                raise ValueError(f"{name}: a {self.form.kind} file has no such place")
            if (
                isinstance(self.form, FixedForm)
                and (source.at or 1) + (source.length or 1) - 1 > self.form.record_length
            ):
                raise ValueError(f"{name}: lies beyond the record")
        if (self.content.order == "row") != (self.fields.core_sequence is not None):
            raise ValueError('`order = "row"` and the field `core_sequence` belong together')
        if (self.content.change == "delta") != (self.fields.operation is not None):
            raise ValueError("a delta, and nothing else, has the field `operation`")
        if self.content.change == "delta" and self.content.vanished != "kept":
            raise ValueError("from what a delta does not say nothing can be concluded")
        return self

    def slots(self) -> dict[str, Source]:
        """Every place by its name (`balance`, `due_item.0.principal`, `obligor.1.role`), in a fixed order."""
        groups: list[tuple[str, BaseModel]] = [("", self.fields)]
        groups += [(f"due_item.{number}.", item) for number, item in enumerate(self.due_item)]
        groups += [(f"obligor.{number}.", one) for number, one in enumerate(self.obligor)]
        return {
            prefix + name: source
            for prefix, group in groups
            for name in type(group).model_fields
            if (source := getattr(group, name)) is not None
        }


def read_contract(content: bytes) -> Contract:
    """The contract in a TOML file. Raises ContractError."""
    try:
        return Contract.model_validate(tomllib.loads(content.decode()))
    except ValueError as error:
        raise ContractError(str(error)) from error


def contract_hash(content: bytes) -> str:
    """SHA-256 of the file: what two people approve."""
    return hashlib.sha256(content).hexdigest()
