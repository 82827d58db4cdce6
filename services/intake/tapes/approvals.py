"""Four eyes: files are loaded under a contract only when two people signed exactly this file, each with a key."""

from __future__ import annotations

import base64
import json
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from services.intake.approvers import Registration, RegistrationError, Registry
from services.intake.tapes.contract import Contract, ContractError, contract_hash, read_contract
from shared.security.note_keys import person_key_name

APPROVERS: Final = "approvers.toml"
APPROVALS: Final = "approvals.toml"
_NEEDED: Final = 2
ModelT = TypeVar("ModelT", bound=BaseModel)
_STATEMENT: Final = b"doorstep-feed-approval/v1\n"


class FeedError(ValueError):
    """A folder of contracts that cannot be read, or a feed that nobody has released."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Approval(_Strict):
    """One person's signature under one version of a contract, by the SHA-256 of its file."""

    feed: str
    version: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    approver: str
    approved_on: date
    signature: str = Field(description="Base64, by the person's key over `statement`.")

    def statement(self) -> bytes:
        """What is signed: domain, line feed, the members in sorted order as JSON."""
        members = self.model_dump(mode="json", exclude={"signature"})
        return _STATEMENT + json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class _Registrations(_Strict):
    approver: tuple[Registration, ...] = ()


class _Approvals(_Strict):
    approval: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True)
class Released:
    """A contract with the hash of its file and the people who approved it, sorted. Fewer than two: not released."""

    contract: Contract
    sha256: str
    approvers: tuple[str, ...]

    @property
    def is_released(self) -> bool:
        """Whether files may be loaded under it."""
        return len(self.approvers) >= _NEEDED


def approve(content: bytes, *, person: str, on: date, sign: Callable[[bytes], bytes]) -> Approval:
    """A person's approval of a contract's file. Raises ContractError."""
    contract = read_contract(content)
    unsigned = Approval(
        feed=contract.feed,
        version=contract.version,
        sha256=contract_hash(content),
        approver=person,
        approved_on=on,
        signature="",
    )
    return unsigned.model_copy(update={"signature": base64.b64encode(sign(unsigned.statement())).decode()})


def contract_for(folder: Path, feed: str, business_date: date | None) -> Released:
    """The version of a feed's contract that reads a business date (None: the newest). Raises FeedError, ContractError.

    The people count whose registered key signed exactly this file.
    """
    try:
        registry = Registry.of(_parsed(folder / APPROVERS, _Registrations).approver)
    except RegistrationError as error:
        raise FeedError(str(error)) from error
    approvals = _parsed(folder / APPROVALS, _Approvals).approval
    versions: dict[int, Released] = {}
    for path in sorted(folder.glob("*.toml")):
        if path.name in (APPROVERS, APPROVALS):
            continue
        content = path.read_bytes()
        try:
            contract = read_contract(content)
        except ContractError as error:
            raise ContractError(f"{path.name}: {error}") from error
        if contract.feed != feed or (business_date is not None and contract.effective_from > business_date):
            continue
        if contract.version in versions:
            raise FeedError(f"version {contract.version} of feed {feed} is there twice")
        versions[contract.version] = Released(
            contract, contract_hash(content), _signers(content, contract, approvals, registry)
        )
    if not versions:
        raise FeedError(f"no contract of feed {feed} reads {business_date or 'any date'}; looked in {folder}")
    return versions[max(versions)]


def feeds_in(folder: Path) -> list[str]:
    """The feeds that have a contract in the folder, in order. Raises ContractError."""
    paths = (path for path in sorted(folder.glob("*.toml")) if path.name not in (APPROVERS, APPROVALS))
    return sorted({read_contract(path.read_bytes()).feed for path in paths})


def _signers(content: bytes, contract: Contract, approvals: Sequence[Approval], registry: Registry) -> tuple[str, ...]:
    wanted = (contract.feed, contract.version, contract_hash(content))
    signed = (one for one in approvals if (one.feed, one.version, one.sha256) == wanted)
    found = {
        person_key_name(one.approver)
        for one in signed
        if registry.fault(one.approver, on=one.approved_on, statement=one.statement(), signature=one.signature) is None
    }
    return tuple(sorted(found))


def _parsed(path: Path, model: type[ModelT]) -> ModelT:
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {})
    except ValueError as error:
        raise FeedError(f"{path.name}: {error}") from error
