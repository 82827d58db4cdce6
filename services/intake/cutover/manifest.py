"""The manifest of a cut-over: which files, what they hold and add up to, as of which business date.

A TOML file. Every kind of file is named, an empty one too: what nobody said is not the same as nothing.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.events.base import Reference
from shared.money import Currency

FileKind = Literal["people", "steps", "holds", "complaints", "plans", "contacts", "third_persons"]
KINDS: Final[tuple[FileKind, ...]] = get_args(FileKind)
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_FILE_NAME: Final = r"^[^/\\\x00-\x1f]+$"
# The columns of each kind of file, in any order.
COLUMNS: Final[Mapping[FileKind, tuple[str, ...]]] = {
    "people": ("party_ref", "history"),
    "steps": ("record_ref", "party_ref", "step", "done_at"),
    "holds": (
        "record_ref", "party_ref", "kind", "scope", "loan_ref", "valid_from", "valid_to", "need", "review_by",
    ),
    "complaints": ("record_ref", "party_ref", "channel", "received_at", "words"),
    "plans": (
        "record_ref", "party_ref", "basis", "kind", "currency", "debt", "schedule", "agreed_at", "review_on",
        "document_ref", "document_sha256",
    ),
    "contacts": (
        "record_ref", "party_ref", "channel", "purpose", "started_at", "ended_at", "contact_point", "reached",
        "conversation", "outcome",
    ),
    "third_persons": ("record_ref", "contact_point", "asked_on", "asked", "refused"),
}  # fmt: skip


class CutoverError(ValueError):
    """A manifest that cannot be read, or files that are not those it names; the text says which."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlanTotal(_Strict):
    """What is still to be paid on all plans of one currency, as decimal text in major units."""

    currency: Currency
    rest: str = Field(pattern=r"^[0-9]{1,18}(\.[0-9]{1,6})?$")


class CutoverFile(_Strict):
    """One file."""

    kind: FileKind
    file: str = Field(min_length=1, max_length=200, pattern=_FILE_NAME)
    sha256: Sha256
    rows: int = Field(ge=0)
    totals: tuple[PlanTotal, ...] = ()


class Tape(_Strict):
    """The loans: a tape of a feed; its own manifest lies beside it, with its control totals."""

    feed: Reference
    file: str = Field(min_length=1, max_length=200, pattern=_FILE_NAME)
    sha256: Sha256
    rows: int = Field(ge=0)


class CutoverManifest(_Strict):
    """A whole cut-over."""

    cutover_id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{2,63}$")
    system: Reference | None = Field(None, description="The other system; records are known across its cut-overs.")
    core: Reference
    business_date: date
    places: tuple[str, ...] = Field(min_length=1)
    history_from: date = Field(description="Past contacts are complete from here on.")
    loans: Tape
    file: tuple[CutoverFile, ...]

    @model_validator(mode="after")
    def _each_kind_once(self) -> Self:
        if sorted(one.kind for one in self.file) != sorted(KINDS):
            raise ValueError(f"name a file of each kind, once, an empty one too: {', '.join(KINDS)}")
        return self

    @model_validator(mode="after")
    def _totals_of_plans(self) -> Self:
        for one in self.file:
            if bool(one.totals) != (one.kind == "plans" and one.rows > 0):
                raise ValueError("plans have totals per currency, and no other kind has any")
        return self

    @property
    def source(self) -> str:
        """Under which name its references are known."""
        return self.system or self.cutover_id

    def of_kind(self, kind: FileKind) -> CutoverFile:
        """The file of that kind."""
        return next(one for one in self.file if one.kind == kind)


def read_manifest(path: Path) -> tuple[CutoverManifest, str]:
    """The manifest with the SHA-256 of its file. Raises CutoverError."""
    try:
        content = path.read_bytes()
        return CutoverManifest.model_validate(tomllib.loads(content.decode())), hashlib.sha256(content).hexdigest()
    except (OSError, ValueError) as error:
        raise CutoverError(f"{path}: {error}") from error
