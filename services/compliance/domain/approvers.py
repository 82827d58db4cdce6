"""The people who approve rule packs, by their own keys: who is registered with which key, and since when.

A person is registered once; a later key of the same person is named by the one before it, which signs it, or, when that
one is lost, by other registered people, who vouch for it. Each registration is a leaf of the log before the first
release that it signs.

Who alone vouched for a key might hold it: until a second person vouches, the two count as one approver. `answers_for`
says as whom a key counts.
"""

from __future__ import annotations

import base64
import binascii
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.domain.canonical import Json
from services.compliance.domain.packs import PackError
from shared.ids import derived_id
from shared.security.note_keys import ED25519, NoteError, NoteKey, person_key_name

_ROTATION: Final = "doorstep-approver-key/v1"
_VOUCH: Final = "doorstep-approver-vouch/v1"


class Voucher(BaseModel):
    """Another registered person's word that a key is somebody's: their signature (base64) over `vouch_statement`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: str = Field(min_length=3)
    key: str
    signature: str


class Registration(BaseModel):
    """One key of one person, from one day on.

    `previous` is of a person's later keys. It signs the new one (`signature`, base64, over `rotation_statement`); where
    it is lost, others vouch (`vouched_by`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: str = Field(min_length=3, description="As the bank's directory names them.")
    key: str = Field(description="Text form of the Ed25519 key: name+id+key.")
    registered_on: date
    previous: str | None = None
    signature: str | None = None
    vouched_by: tuple[Voucher, ...] = ()

    @property
    def leaf_id(self) -> UUID:
        """The leaf of this registration."""
        return derived_id("approver-key", self.key)

    def document(self) -> dict[str, Json]:
        """What its leaf says. Approvers act in their office: their names are part of it."""
        said: dict[str, Json] = {
            "approver": self.person,
            "key": self.key,
            "registered_on": self.registered_on.isoformat(),
            "previous": self.previous,
            "signature": self.signature,
        }
        vouched: list[Json] = [one.model_dump() for one in self.vouched_by]
        return said | {"vouched_by": vouched} if vouched else said


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    approver: tuple[Registration, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A registered key and when it was the person's: from the first to the last day, both included.

    `answers_for`: the name as which it counts, the person's own or that of who alone vouched for it.
    """

    key: NoteKey
    since: date
    answers_for: str
    until: date = date.max


@dataclass(frozen=True, slots=True)
class Approvers:
    """Everybody who may approve, with all their keys."""

    registrations: tuple[Registration, ...] = ()
    held: Mapping[str, tuple[Held, ...]] | None = None
    """By the name that a person's keys carry."""

    def held_by(self, person: str, vkey: str, day: date) -> Held | None:
        """That key, if it was the person's on that day."""
        return _held(self.held or {}, person, vkey, day)


def rotation_statement(old: str, new: str) -> bytes:
    """What a person's old key signs when a new one (text forms) takes its place."""
    return f"{_ROTATION}\n{old}\n{new}\n".encode()


def vouch_statement(person: str, lost: str, new: str, on: date) -> bytes:
    """What others sign who vouch for a person's new key (text forms) in the place of a lost one, from that day on."""
    return f"{_VOUCH}\n{person_key_name(person)}\n{lost}\n{new}\n{on.isoformat()}\n".encode()


def successor(
    old: Registration, new: NoteKey, *, on: date, sign: Callable[[bytes], bytes]
) -> Registration:  # fmt: skip
    """The registration of a person's next key; `sign` makes signatures with the old one."""
    signature = base64.b64encode(sign(rotation_statement(old.key, new.vkey))).decode()
    return Registration(person=old.person, key=new.vkey, registered_on=on, previous=old.key, signature=signature)


def read_approvers(content: bytes) -> Approvers:
    """The registrations of a TOML file of `[[approver]]` tables, each person's oldest first. Raises PackError."""
    try:
        return approvers(_File.model_validate(tomllib.loads(content.decode())).approver)
    except ValueError as error:
        raise PackError(f"approvers: {error}") from error


def approvers(registrations: Sequence[Registration]) -> Approvers:
    """The registry that these registrations make. Raises PackError.

    A key belongs to one person, carries that person's name, and a later one is signed by the one before it: nobody
    approves twice under two names, or in the name of somebody else.
    """
    held: dict[str, tuple[Held, ...]] = {}
    used: set[bytes] = set()
    for one in registrations:
        key, person = _key(one), person_key_name(one.person)
        before = held.get(person, ())
        if key.public_key in used:
            raise PackError(f"approvers: the key of {one.person} is registered twice")
        if bool(before) != (one.previous is not None):
            raise PackError(f"approvers: {one.person} has a key already, or none that could name the next")
        if before:
            last = before[-1]
            if last.key.vkey != one.previous or one.registered_on < last.since:
                raise PackError(f"approvers: the new key of {one.person} does not follow the one before it")
            answers_for = _vouched(one, held) if one.vouched_by else _signed(one, last)
            before = (*before[:-1], replace(last, until=one.registered_on))
        else:
            answers_for = person
        used.add(key.public_key)
        held[person] = (*before, Held(key, one.registered_on, answers_for))
    return Approvers(tuple(registrations), held)


def _signed(one: Registration, last: Held) -> str:
    if not last.key.verifies(rotation_statement(last.key.vkey, one.key), decoded(one.signature or "")):
        raise PackError(f"approvers: the new key of {one.person} is not signed by the one before it")
    return last.answers_for


def _vouched(one: Registration, held: Mapping[str, tuple[Held, ...]]) -> str:
    """As whom a key counts for which others vouched: as the person's own only when two did who count as two."""
    person, others = person_key_name(one.person), set[str]()
    statement = vouch_statement(one.person, one.previous or "", one.key, one.registered_on)
    for voucher in one.vouched_by:
        own = _held(held, voucher.person, voucher.key, one.registered_on)
        if person_key_name(voucher.person) == person or own is None:
            raise PackError(f"approvers: {voucher.person} cannot vouch for {one.person}")
        if not own.key.verifies(statement, decoded(voucher.signature)):
            raise PackError(f"approvers: {voucher.person} did not sign the new key of {one.person}")
        others.add(own.answers_for)
    others.discard(person)
    if not others:
        raise PackError(f"approvers: nobody but {one.person} vouches for the new key of {one.person}")
    return person if len(others) > 1 else others.pop()


def _held(held: Mapping[str, tuple[Held, ...]], person: str, vkey: str, day: date) -> Held | None:
    for one in held.get(person_key_name(person), ()):
        if one.key.vkey == vkey and one.since <= day <= one.until:
            return one
    return None


def decoded(signature: str) -> bytes:
    """The bytes of a signature in base64; none where it is not base64, so that it verifies nowhere."""
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _key(one: Registration) -> NoteKey:
    try:
        key = NoteKey.parse(one.key)
    except NoteError as error:
        raise PackError(f"approvers: the key of {one.person}: {error}") from error
    if key.algorithm != ED25519 or key.name != person_key_name(one.person):
        raise PackError(f"approvers: the key of {one.person} does not carry the name {person_key_name(one.person)}")
    return key
