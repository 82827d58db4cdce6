"""Four-eyes release: a pack binds in production only when two different people approved exactly this file.

The release is a leaf of the log before the pack takes effect, so that nobody can approve a rule afterwards by which
contacts were judged already.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.domain.audit import Finding
from services.compliance.domain.canonical import Json
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.local_time import EARLIEST_DATE
from services.compliance.domain.packs import PackError, RuleBook
from shared.ids import derived_id

RELEASE_RULES: Final[dict[str, str]] = {
    "PACK-RELEASE-LATE": "Doorstep: a pack and its two approvals are leaves of the log before the pack takes effect",
}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A version of a pack with the approvals of exactly this file by two or more people, the first of each person."""

    pack: str
    version: int
    sha256: str
    effective_from: date
    approvals: tuple[Approval, ...]

    @property
    def label(self) -> str:
        """`id/version`."""
        return f"{self.pack}/{self.version}"

    @property
    def leaf_id(self) -> UUID:
        """The leaf of this release; other approvals of the same file make another one."""
        people = sorted(f"{one.approver}:{one.approved_on}" for one in self.approvals)
        return derived_id("pack-release", self.label, self.sha256, *people)

    def document(self) -> dict[str, Json]:
        """What its leaf says. Approvers act in their office: their names are part of the release."""
        approvals: list[Json] = [
            {"approver": one.approver, "approved_on": one.approved_on.isoformat()} for one in self.approvals
        ]
        return {
            "pack": self.pack,
            "version": self.version,
            "sha256": self.sha256,
            "effective_from": self.effective_from.isoformat(),
            "approvals": approvals,
        }

    def found_late(self, now: datetime) -> FindingVersion | None:
        """The finding when its leaf comes only at `now` (business time), with the pack in effect somewhere already."""
        effective = datetime.combine(self.effective_from, time(), tzinfo=UTC) - EARLIEST_DATE
        if now < effective:
            return None
        detail = f"{self.label}: in effect from {self.effective_from}, its leaf came on {now.date()}"
        return FindingVersion(
            finding_id=derived_id("finding", "pack-release-late", str(self.leaf_id)),
            version=1,
            finding=Finding("PACK-RELEASE-LATE", RELEASE_RULES["PACK-RELEASE-LATE"], "high", detail),
            subject=f"pack:{self.label}",
        )


def releases(book: RuleBook, approvals: Sequence[Approval]) -> tuple[Release, ...]:
    """The releases of the packs that two or more different people approved."""
    found = []
    for pack in book.packs:
        label = f"{pack.id}/{pack.version}"
        people: dict[str, Approval] = {}
        for one in approvals:
            if (one.pack, one.version, one.sha256) == (pack.id, pack.version, book.hashes[label]):
                people.setdefault(one.approver.strip().casefold(), one)
        if len(people) >= 2:
            found.append(
                Release(
                    pack=pack.id,
                    version=pack.version,
                    sha256=book.hashes[label],
                    effective_from=pack.effective_from,
                    approvals=tuple(people.values()),
                )
            )
    return tuple(found)


def unreleased(book: RuleBook, approvals: Sequence[Approval]) -> list[str]:
    """The packs (`id/version`) that fewer than two different people approved."""
    released = {one.label for one in releases(book, approvals)}
    return [label for pack in book.packs if (label := f"{pack.id}/{pack.version}") not in released]
