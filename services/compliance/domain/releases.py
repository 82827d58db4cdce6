"""Four-eyes release: a pack binds in production only when two different people approved exactly this file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.domain.packs import PackError, RuleBook


class Approval(BaseModel):
    """One person's approval of one version of a pack, by the SHA-256 of its file (`./doorstep rules check` prints it).

    A changed file has another hash and needs new approvals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pack: str
    version: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    approver: str = Field(min_length=3, description="The person, as the bank's directory names them.")
    approved_on: date


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    approval: tuple[Approval, ...] = ()


def read_approvals(content: bytes) -> tuple[Approval, ...]:
    """The approvals of a TOML file of `[[approval]]` tables. Raises PackError."""
    try:
        return _File.model_validate(tomllib.loads(content.decode())).approval
    except ValueError as error:
        raise PackError(f"approvals: {error}") from error


def unreleased(book: RuleBook, approvals: Sequence[Approval]) -> list[str]:
    """The packs (`id/version`) that fewer than two different people approved."""
    lacking = []
    for pack in book.packs:
        label = f"{pack.id}/{pack.version}"
        people = {
            one.approver.strip().casefold()
            for one in approvals
            if (one.pack, one.version, one.sha256) == (pack.id, pack.version, book.hashes[label])
        }
        if len(people) < 2:
            lacking.append(label)
    return lacking
