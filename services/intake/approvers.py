"""The people who may approve what intake works by (feed contracts, score models), each with the key that is theirs."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.security.note_keys import ED25519, NoteError, NoteKey, person_key_name


class RegistrationError(ValueError):
    """The list of approvers cannot be what it says it is."""


class Signed(Protocol):
    """A person's signature under something."""

    @property
    def approver(self) -> str: ...
    @property
    def approved_on(self) -> date: ...
    @property
    def signature(self) -> str: ...
    def statement(self) -> bytes: ...


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
        """Raises RegistrationError for a key that is none, is named otherwise, or stands there twice."""
        found: dict[str, tuple[NoteKey, date]] = {}
        for one in registrations:
            name = person_key_name(one.person)
            try:
                key = NoteKey.parse(one.key)
            except NoteError as error:
                raise RegistrationError(f"the key of {one.person}: {error}") from error
            if key.algorithm != ED25519 or key.name != name:
                raise RegistrationError(f"the key of {one.person} does not carry the name {name}")
            if name in found or any(key.public_key == known.public_key for known, _ in found.values()):
                raise RegistrationError(f"{one.person} or their key is registered twice")
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

    def approved_by(self, approvals: Iterable[tuple[bool, Signed]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Who approved, each once, and why other approvals count for nothing. Each comes with whether it is of the
        files at hand.
        """
        people: dict[str, str] = {}
        faults: list[str] = []
        for is_of_these, one in approvals:
            fault: str | None = "approved other files"
            if is_of_these:
                fault = self.fault(one.approver, on=one.approved_on, statement=one.statement(), signature=one.signature)
            if fault is None:
                people.setdefault(person_key_name(one.approver), one.approver)
            else:
                faults.append(f"{one.approver}: {fault}")
        return tuple(people.values()), tuple(faults)
