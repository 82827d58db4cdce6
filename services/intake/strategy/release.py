"""Whether a strategy may be used: shown on the bank's own past, and signed by two different people.

A folder holds `policy.toml`, `challenger.toml` where one is tried, `simulation.json` (what both would have done),
`approvers.toml` and `approvals.toml`. A signature is over the hashes of strategy and simulation, so nobody approves
what was not replayed before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.intake import approvers
from services.intake.approvers import APPROVALS_FILE, APPROVALS_NEEDED, APPROVERS_FILE, ApprovalError, Approvals
from services.intake.strategy.decision import CaseState
from services.intake.strategy.policy import Policy, PolicyError, policy_hash, read_policy
from shared.events.case import StrategyArm

NotUsed = Literal["demonstration_only", "not_simulated", "not_approved"]
NO_STRATEGY: Final = "no-strategy"
"""The rule of a choice where the strategy may not be used: everything waits."""
SHIPPED: Final = Path(__file__).parents[1] / "data" / "strategy"
POLICY_FILE: Final = "policy.toml"
CHALLENGER_FILE: Final = "challenger.toml"
SIMULATION_FILE: Final = "simulation.json"


class Approval(approvers.Approval):
    """One person's signature under a strategy and what it would have done."""

    domain = "doorstep-strategy-approval/v1"

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the strategy (`./doorstep strategy show`).")
    simulation_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the simulation's file.")


class _Simulated(BaseModel):
    strategy_sha256: str


@dataclass(frozen=True)
class Version:
    """A strategy with the hash of its file."""

    policy: Policy
    sha256: str

    @classmethod
    def read(cls, content: bytes) -> Version:
        """Raises PolicyError."""
        return cls(read_policy(content), policy_hash(content))


@dataclass(frozen=True)
class Strategy:
    """The strategy in force, with its challenger. `not_used` None: it may be used. `faults`: void approvals."""

    champion: Version
    challenger: Version | None
    not_used: NotUsed | None
    approved_by: tuple[str, ...]
    faults: tuple[str, ...] = ()

    def arm_of(self, party_id: UUID, case: CaseState) -> StrategyArm:
        """By a stable lot, salted with the strategy's id. Nobody on hold or in difficulty is tried anything on."""
        trial = self.champion.policy.challenger
        if trial is None or self.challenger is None or is_spared(self.champion.policy, case):
            return "champion"
        return "challenger" if lot(self.champion.policy.id, party_id) < trial.share_permille else "champion"

    def of_arm(self, arm: StrategyArm) -> Version:
        """The strategy that an arm goes by."""
        return self.challenger if arm == "challenger" and self.challenger is not None else self.champion


def lot(salt: str, party_id: UUID) -> int:
    """0 to 999, the same for ever."""
    digest = blake2b(party_id.bytes, digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest) % 1_000


def is_spared(policy: Policy, case: CaseState) -> bool:
    """Whether somebody is left out of trials: suspended, on hold, or known to be in difficulty."""
    told = {code for fact in case.history for code in fact.codes}
    return bool(case.held or case.suspended or case.holds or case.was_under or told.intersection(policy.help.told))


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a release that are there."""
    names = (POLICY_FILE, CHALLENGER_FILE, SIMULATION_FILE, APPROVERS_FILE, APPROVALS_FILE)
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def release(files: Mapping[str, bytes], *, production: bool) -> Strategy:
    """The strategy of a folder, and whether it may be used: development needs no approval. Raises PolicyError."""
    if POLICY_FILE not in files:
        raise PolicyError(f"no {POLICY_FILE}")
    champion = Version.read(files[POLICY_FILE])
    people, faults = _approved_by(files, champion.sha256)
    not_used: NotUsed | None = None
    if production and champion.policy.purpose == "demonstration":
        not_used = "demonstration_only"
    elif production and not _is_simulated(files, champion.sha256):
        not_used = "not_simulated"
    elif production and len(people) < APPROVALS_NEEDED:
        not_used = "not_approved"
    return Strategy(champion, _challenger(files, champion.policy), not_used, people, faults)


def approve(
    files: Mapping[str, bytes], *, approver: str, on: date, sign: Callable[[bytes], bytes]
) -> Approval:  # fmt: skip
    """A person's signed approval of a folder's strategy and simulation. Raises PolicyError."""
    found = release(files, production=False)
    if not _is_simulated(files, found.champion.sha256):
        raise PolicyError(
            f"{SIMULATION_FILE} is not of this strategy: it is approved with what it would have done in the past"
        )
    return Approval(
        sha256=found.champion.sha256,
        simulation_sha256=_sha256(files[SIMULATION_FILE]),
        approver=approver,
        approved_on=on,
    ).signed(sign)


def _challenger(files: Mapping[str, bytes], policy: Policy) -> Version | None:
    if policy.challenger is None:
        return None
    if CHALLENGER_FILE not in files:
        raise PolicyError(f"the strategy tries another one, and there is no {CHALLENGER_FILE}")
    found = Version.read(files[CHALLENGER_FILE])
    if found.sha256 != policy.challenger.sha256:
        raise PolicyError(
            f"{CHALLENGER_FILE} is {found.sha256}, not {policy.challenger.sha256} that the strategy names"
        )
    if found.policy.challenger is not None:
        raise PolicyError(f"{CHALLENGER_FILE}: a challenger has no challenger")
    return found


def _is_simulated(files: Mapping[str, bytes], sha256: str) -> bool:
    try:
        return _Simulated.model_validate_json(files.get(SIMULATION_FILE, b"{}")).strategy_sha256 == sha256
    except ValueError:
        return False


def _approved_by(files: Mapping[str, bytes], sha256: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    wanted = (sha256, _sha256(files.get(SIMULATION_FILE, b"")))
    try:
        approvals = Approvals.read(files, Approval)
    except ApprovalError as error:
        raise PolicyError(str(error)) from error
    return approvals.people(lambda one: (one.sha256, one.simulation_sha256) == wanted)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
