"""The people who may approve what intake works by (feed contracts, score models, strategies), and their signatures.

A folder holds `approvers.toml` (who may sign, by which key) and `approvals.toml` beside what is approved. The idea is
that of rule packs (ADR 0109), without rotation: a person's next key takes the place of the one before, and signs anew.
"""

from __future__ import annotations

import base64
import binascii
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Final, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from shared.security.note_keys import ED25519, NoteError, NoteKey, person_key_name

APPROVERS_FILE: Final = "approvers.toml"
APPROVALS_FILE: Final = "approvals.toml"
APPROVALS_NEEDED: Final = 2
FormT = TypeVar("FormT", bound=BaseModel)


class ApprovalError(ValueError):
    """The lists of approvers and approvals cannot be what they say they are."""


class Approval(BaseModel):
    """A person's signature under what a subclass names, in the subclass's own `domain`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    domain: ClassVar[str]

    approver: str = Field(min_length=3)
    approved_on: date
    signature: str = Field("", description="Base64, by the approver's key over `statement`.")

    def statement(self) -> bytes:
        """What the approver signs: domain, line feed, the approval as sorted JSON without spaces."""
        said = self.model_dump(mode="json", exclude={"signature"})
        return (
            f"{self.domain}\n".encode()
            + json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        )

    def signed(self, sign: Callable[[bytes], bytes]) -> Self:
        """The same with its signature; `sign` makes it over bytes."""
        signature = base64.b64encode(sign(self.statement())).decode()
        return self.model_copy(update={"signature": signature})


ApprovalT = TypeVar("ApprovalT", bound=Approval)


class Registration(BaseModel):
    """A person who may approve, with the key that is theirs (`./doorstep rules approver-key` makes it)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: str = Field(min_length=3, description="As the bank's directory names them.")
    key: str = Field(description="Text form of the Ed25519 key: name+id+key.")
    registered_on: date


@dataclass(frozen=True)
class Registry:
    """Each person's key and its day. Nobody has two, and no key is two people's: nobody approves twice by two names."""

    keys: Mapping[str, tuple[NoteKey, date]]

    @classmethod
    def of(cls, registrations: Iterable[Registration]) -> Self:
        """Raises ApprovalError for a key that is none, is named otherwise, or stands there twice."""
        found: dict[str, tuple[NoteKey, date]] = {}
        for one in registrations:
            name = person_key_name(one.person)
            try:
                key = NoteKey.parse(one.key)
            except NoteError as error:
                raise ApprovalError(f"the key of {one.person}: {error}") from error
            if key.algorithm != ED25519 or key.name != name:
                raise ApprovalError(f"the key of {one.person} does not carry the name {name}")
            if name in found or any(key.public_key == known.public_key for known, _ in found.values()):
                raise ApprovalError(f"{one.person} or their key is registered twice")
            found[name] = (key, one.registered_on)
        return cls(found)

    def fault(self, person: str, *, on: date, statement: bytes, signature: str) -> str | None:
        """Why a signature (base64) of `person`, made `on` a day, counts for nothing; None: it holds."""
        known = self.keys.get(person_key_name(person))
        if known is None or known[1] > on:
            return f"no key was registered on {on}"
        try:
            holds = known[0].verifies(statement, base64.b64decode(signature, validate=True))
        except (binascii.Error, ValueError):
            holds = False
        return None if holds else "the signature does not hold"


class _Approvers(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    approver: tuple[Registration, ...] = ()


@dataclass(frozen=True)
class Approvals(Generic[ApprovalT]):
    """Who may sign, and what was signed, in one folder."""

    registry: Registry
    given: tuple[ApprovalT, ...]

    @classmethod
    def read(cls, files: Mapping[str, bytes], form: type[ApprovalT]) -> Self:
        """From the folder's two files; one that is not there is empty. Raises ApprovalError."""
        approvers = _parsed(_Approvers, _toml(files, APPROVERS_FILE), APPROVERS_FILE).approver
        try:
            registry = Registry.of(approvers)
        except ApprovalError as error:
            raise ApprovalError(f"{APPROVERS_FILE}: {error}") from error
        found = _toml(files, APPROVALS_FILE)
        if unknown := found.keys() - {"approval"}:
            raise ApprovalError(f"{APPROVALS_FILE}: {', '.join(sorted(unknown))} is unknown")
        return cls(registry, tuple(_parsed(form, one, APPROVALS_FILE) for one in found.get("approval", ())))

    def people(self, of_these: Callable[[ApprovalT], bool]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Who approved the files at hand, each once, and why other approvals count for nothing."""
        people: dict[str, str] = {}
        faults: list[str] = []
        for one in self.given:
            fault: str | None = "approved other files"
            if of_these(one):
                fault = self.registry.fault(
                    one.approver, on=one.approved_on, statement=one.statement(), signature=one.signature
                )
            if fault is None:
                people.setdefault(person_key_name(one.approver), one.approver)
            else:
                faults.append(f"{one.approver}: {fault}")
        return tuple(people.values()), tuple(faults)


def _toml(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(files.get(name, b"").decode())
    except ValueError as error:
        raise ApprovalError(f"{name}: {error}") from error


def _parsed(form: type[FormT], content: Any, name: str) -> FormT:
    try:
        return form.model_validate(content)
    except ValueError as error:
        raise ApprovalError(f"{name}: {error}") from error
