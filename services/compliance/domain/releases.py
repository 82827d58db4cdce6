"""Four-eyes release: a pack binds in production only when two different people signed exactly this file.

Each signs with a key of their own, registered before. The release is a leaf of the log before the pack takes effect,
so that nobody can approve a rule afterwards by which contacts were judged already.
"""

from __future__ import annotations

import base64
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.domain.approvers import Approvers, Held, decoded
from services.compliance.domain.audit import Finding
from services.compliance.domain.canonical import Json, canonical
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.local_time import EARLIEST_DATE
from services.compliance.domain.packs import PackError, RuleBook
from shared.ids import derived_id
from shared.security.note_keys import NoteKey, person_key_name

_STATEMENT: Final = b"doorstep-pack-approval/v1\n"
RELEASE_RULES: Final[dict[str, str]] = {
    "PACK-RELEASE-LATE": "Doorstep: a pack and its two approvals are leaves of the log before the pack takes effect",
}


class Approval(BaseModel):
    """One person's signed approval of one version of a pack, by the SHA-256 of its file (`./doorstep rules approve`).

    A changed file has another hash and needs new approvals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pack: str
    version: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    approver: str = Field(min_length=3, description="The person, as the bank's directory names them.")
    approved_on: date
    key: str = Field("", description="Text form of the approver's key: name+id+key.")
    signature: str = Field("", description="Base64, by that key over `statement`.")

    def statement(self, effective_from: date) -> bytes:
        """What the approver signs: domain, line feed, canonical JSON of the release and of who approves it when."""
        return _STATEMENT + canonical(
            {
                "pack": self.pack,
                "version": self.version,
                "sha256": self.sha256,
                "effective_from": effective_from.isoformat(),
                "approver": self.approver,
                "approved_on": self.approved_on.isoformat(),
            }
        )

    def document(self) -> dict[str, Json]:
        """What the release's leaf says of it. Approvers act in their office: their names are part of the release."""
        return {
            "approver": self.approver,
            "approved_on": self.approved_on.isoformat(),
            "key": self.key,
            "signature": self.signature,
        }


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
    """A version of a pack with the signed approvals of exactly this file by two or more people, one of each."""

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
        people = sorted(f"{one.approver}:{one.approved_on}:{one.key}:{one.signature}" for one in self.approvals)
        return derived_id("pack-release", self.label, self.sha256, *people)

    def document(self) -> dict[str, Json]:
        """What its leaf says."""
        return {
            "pack": self.pack,
            "version": self.version,
            "sha256": self.sha256,
            "effective_from": self.effective_from.isoformat(),
            "approvals": [one.document() for one in self.approvals],
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


def approve(book: RuleBook, label: str, *, approver: str, on: date, sign: Callable[[bytes], bytes],
            key: NoteKey) -> Approval:  # fmt: skip
    """The person's signed approval of the pack `label` (`id/version`) of the book. Raises LookupError.

    `sign` makes signatures with the private half of `key`.
    """
    pack = next((one for one in book.packs if f"{one.id}/{one.version}" == label), None)
    if pack is None:
        raise LookupError(f"no pack {label} is loaded")
    unsigned = Approval(
        pack=pack.id, version=pack.version, sha256=book.hashes[label], approver=approver, approved_on=on, key=key.vkey
    )
    signature = sign(unsigned.statement(pack.effective_from))
    return unsigned.model_copy(update={"signature": base64.b64encode(signature).decode()})


@dataclass(frozen=True, slots=True)
class Released:
    """The releases of a book's packs, and why the other packs (`id/version`) have none."""

    releases: tuple[Release, ...]
    missing: tuple[str, ...]


def releases(book: RuleBook, approvals: Sequence[Approval], approvers: Approvers) -> Released:
    """The releases of the packs that two or more people signed, each with a key registered for that person."""
    found: list[Release] = []
    missing: list[str] = []
    for pack in book.packs:
        label = f"{pack.id}/{pack.version}"
        own = [
            one
            for one in approvals
            if (one.pack, one.version, one.sha256) == (pack.id, pack.version, book.hashes[label])
        ]
        people: dict[str, Approval] = {}
        answering: set[str] = set()
        faults: list[str] = []
        for one in own:
            held = approvers.held_by(one.approver, one.key, one.approved_on)
            fault = _fault(one, pack.effective_from, held)
            if fault:
                faults.append(f"{one.approver}: {fault}")
            elif held is not None:
                people.setdefault(person_key_name(one.approver), one)
                answering.add(held.answers_for)
        if len(people) > len(answering) == 1:
            faults.append("who alone vouched for the other's key counts as one with them")
        if len(answering) < 2:
            missing.append(f"{label} ({'; '.join(faults)})" if faults else label)
            continue
        release = Release(
            pack=pack.id, version=pack.version, sha256=book.hashes[label], effective_from=pack.effective_from,
            approvals=tuple(people.values()),
        )  # fmt: skip
        found.append(release)
    return Released(tuple(found), tuple(missing))


def _fault(one: Approval, effective_from: date, held: Held | None) -> str:
    """Why the approval counts for nothing; empty when it counts."""
    if not one.signature:
        return "not signed"
    if held is None:
        return f"the key was not registered for this person on {one.approved_on}"
    return (
        ""
        if held.key.verifies(one.statement(effective_from), decoded(one.signature))
        else "the signature does not hold"
    )
