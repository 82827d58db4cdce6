"""Four eyes: files are loaded under a contract only when two people signed exactly this file, each with a key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from pydantic import Field

from services.intake import approvers
from services.intake.approvers import APPROVALS_FILE, APPROVALS_NEEDED, APPROVERS_FILE, ApprovalError, Approvals
from services.intake.tapes.agreement import Agreement, ContractError
from services.intake.tapes.contract import AnyContract, contract_hash, read_contract
from shared.security.note_keys import person_key_name

_BESIDE: Final = (APPROVERS_FILE, APPROVALS_FILE)


class FeedError(ValueError):
    """A folder of contracts that cannot be read, or a feed that nobody has released."""


class Approval(approvers.Approval):
    """One person's signature under one version of a contract, by the SHA-256 of its file."""

    domain = "doorstep-feed-approval/v1"

    feed: str
    version: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Released:
    """A contract with the hash of its file and the people who approved it, sorted. Fewer than two: not released."""

    contract: AnyContract
    sha256: str
    approvers: tuple[str, ...]

    @property
    def is_released(self) -> bool:
        """Whether files may be loaded under it."""
        return len(self.approvers) >= APPROVALS_NEEDED


def approve(content: bytes, *, approver: str, on: date, sign: Callable[[bytes], bytes]) -> Approval:
    """A person's approval of a contract's file. Raises ContractError."""
    contract = read_contract(content)
    return Approval(
        feed=contract.feed,
        version=contract.version,
        sha256=contract_hash(content),
        approver=approver,
        approved_on=on,
    ).signed(sign)


def contract_for(folder: Path, feed: str, business_date: date | None) -> Released:
    """The version of a feed's contract that reads a business date (None: the newest). Raises FeedError, ContractError.

    The people count whose registered key signed exactly this file.
    """
    beside = {name: (folder / name).read_bytes() for name in _BESIDE if (folder / name).is_file()}
    try:
        approvals = Approvals.read(beside, Approval)
    except ApprovalError as error:
        raise FeedError(str(error)) from error
    versions: dict[int, Released] = {}
    for path in sorted(folder.glob("*.toml")):
        if path.name in _BESIDE:
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
        versions[contract.version] = Released(contract, contract_hash(content), _signers(content, contract, approvals))
    if not versions:
        raise FeedError(f"no contract of feed {feed} reads {business_date or 'any date'}; looked in {folder}")
    return versions[max(versions)]


def feeds_in(folder: Path) -> list[str]:
    """The feeds that have a contract in the folder, in order. Raises ContractError."""
    paths = (path for path in sorted(folder.glob("*.toml")) if path.name not in _BESIDE)
    return sorted({read_contract(path.read_bytes()).feed for path in paths})


def _signers(content: bytes, contract: Agreement, approvals: Approvals[Approval]) -> tuple[str, ...]:
    wanted = (contract.feed, contract.version, contract_hash(content))
    people, _ = approvals.people(lambda one: (one.feed, one.version, one.sha256) == wanted)
    return tuple(sorted(person_key_name(person) for person in people))
