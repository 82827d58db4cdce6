"""What comes beside a tape: which file it is, as of when, and what it must add up to."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.intake.tapes.agreement import Agreement
from shared.events.base import Reference
from shared.ids import derived_id
from shared.moments import Moment
from shared.money import EXPONENTS, Currency

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Number = Annotated[int, Field(ge=1, le=2**62)]
MAX_ROWS = 5_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ManifestError(ValueError):
    """A manifest that cannot be read; the text says where."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Total(_Strict):
    """Sums over all rows of one currency, as decimal text in major units. `overdue`: unpaid rests of due items."""

    currency: Currency
    balance: str = Field(pattern=r"^-?[0-9]{1,18}(\.[0-9]{1,6})?$")
    overdue: str | None = Field(None, pattern=r"^-?[0-9]{1,18}(\.[0-9]{1,6})?$")


class Repairs(_Strict):
    """Which rows of which file this one replaces: its first row stands for the first number, and so on."""

    sha256: Sha256
    rows: tuple[Annotated[int, Field(ge=1, le=MAX_ROWS)], ...] = Field(min_length=1, max_length=100_000)


class Manifest(_Strict):
    """One file of a feed. Identity is feed + business date + sequence + content hash."""

    feed: Reference
    file: str = Field(min_length=1, max_length=200, pattern=r"^[^/\\\x00-\x1f]+$", description="Name of the data file.")
    business_date: date
    sequence: int = Field(ge=1, le=2**31 - 1, description="Number of the file in its feed, without gaps.")
    sha256: Sha256
    rows: int = Field(ge=0, le=MAX_ROWS)
    extracted_at: Moment = Field(description="The watermark: later facts of the core stay on top.")
    core_sequence: Number | None = Field(None, description="The core's newest number at extraction.")
    predecessor: Sha256 | None = Field(None, description="Content hash of the file before.")
    totals: tuple[Total, ...] = Field((), max_length=50)
    counts: dict[str, Annotated[int, Field(ge=0, le=MAX_ROWS)]] = Field(
        default_factory=dict, max_length=50, description="People: in how many rows each place holds something."
    )
    repairs: Repairs | None = None

    @property
    def file_id(self) -> UUID:
        """Our id of the file: the same file has the same one however often it comes."""
        return derived_id("tape", self.feed, self.business_date.isoformat(), str(self.sequence), self.sha256)

    def position_number(self, contract: Agreement) -> int | None:
        """Where the file stands among the core's facts of the business date; None: only its rows say so."""
        if contract.order == "watermark":
            return (self.extracted_at - _EPOCH) // timedelta(microseconds=1)
        return self.core_sequence


def read_manifest(content: bytes) -> Manifest:
    """The manifest in a JSON file. Raises ManifestError."""
    try:
        manifest = Manifest.model_validate_json(content)
        for total in manifest.totals:
            minor_units(total.balance, total.currency)
            minor_units(total.overdue or "0", total.currency)
    except ValueError as error:
        raise ManifestError(str(error)) from error
    return manifest


def minor_units(text: str, currency: str) -> int:
    """A sum in minor units: larger than one amount may be. Raises ValueError when it is inexact."""
    scaled = Decimal(text).scaleb(EXPONENTS[currency])
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{text} is not exact in minor units of {currency}")
    return int(scaled)
