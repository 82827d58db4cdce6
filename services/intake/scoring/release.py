"""Whether a model may be used: back-tested on the bank's own history, and signed by two different people.

A folder holds `model.json`, `backtest.json`, `approvers.toml` and `approvals.toml` (`services/intake/approvers.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.intake import approvers
from services.intake.approvers import APPROVALS_FILE, APPROVALS_NEEDED, APPROVERS_FILE, ApprovalError, Approvals
from services.intake.scoring.artefact import ArtefactError, Gate, Model, decode, model_hash
from services.intake.scoring.features import SEGMENTS, Segment
from services.intake.scoring.scorecard import TARGETS, Target
from services.intake.scoring.shipped import MODEL_FILE

NotUsed = Literal["demonstration_only", "not_backtested", "not_approved"]
BACKTEST_FILE: Final = "backtest.json"


class Approval(approvers.Approval):
    """One person's signature under a model and its back-test."""

    domain = "doorstep-score-approval/v1"

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the model (`./doorstep score show`).")
    backtest_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the file of the back-test.")


class Backtest(BaseModel):
    """What a model showed on a bank's own history: gates by question and segment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_sha256: str
    data_sha256: str
    cases: int
    gates: dict[Target, dict[Segment, Gate]]

    def encode(self) -> bytes:
        """The file; the same back-test is the same bytes."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True).encode() + b"\n"


@dataclass(frozen=True)
class Release:
    """A model with its standing. `not_used` None: it may be used. `faults` say which approvals count for nothing."""

    model: Model
    sha256: str
    not_used: NotUsed | None
    approved_by: tuple[str, ...]
    shown: Mapping[Target, tuple[bool, ...]]
    """Per question and place of `SEGMENTS`: open in the model's gates, and in those of a back-test."""
    faults: tuple[str, ...] = ()


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a release that are there."""
    names = (MODEL_FILE, BACKTEST_FILE, APPROVERS_FILE, APPROVALS_FILE)
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def release(files: Mapping[str, bytes], *, production: bool) -> Release:
    """The model of a folder and whether it may be used; development uses what is not approved. Raises ArtefactError."""
    if MODEL_FILE not in files:
        raise ArtefactError(f"no {MODEL_FILE}")
    model, sha256 = decode(files[MODEL_FILE]), model_hash(files[MODEL_FILE])
    backtest = read_backtest(files[BACKTEST_FILE]) if BACKTEST_FILE in files else None
    if backtest is not None and backtest.model_sha256 != sha256:
        raise ArtefactError(f"{BACKTEST_FILE} is of the model {backtest.model_sha256}, not of {sha256}")
    people, faults = _approved_by(files, sha256)
    not_used: NotUsed | None = None
    if production and model.purpose == "demonstration":
        not_used = "demonstration_only"
    elif production and backtest is None:
        not_used = "not_backtested"
    elif production and len(people) < APPROVALS_NEEDED:
        not_used = "not_approved"
    return Release(model, sha256, not_used, people, _shown(model, backtest), faults)


def read_backtest(content: bytes) -> Backtest:
    """A back-test's file. Raises ArtefactError."""
    try:
        return Backtest.model_validate_json(content)
    except ValidationError as error:
        raise ArtefactError(f"{BACKTEST_FILE}: {error}") from error


def approve(
    files: Mapping[str, bytes], *, approver: str, on: date, sign: Callable[[bytes], bytes]
) -> Approval:  # fmt: skip
    """A person's signed approval of a folder's model and back-test. Raises ArtefactError."""
    if BACKTEST_FILE not in files:
        raise ArtefactError(f"no {BACKTEST_FILE}: a model is approved with what it showed on the bank's own history")
    found = release(files, production=False)
    return Approval(
        sha256=found.sha256, backtest_sha256=_sha256(files[BACKTEST_FILE]), approver=approver, approved_on=on
    ).signed(sign)


def _approved_by(files: Mapping[str, bytes], sha256: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who approved exactly these files, and why other approvals count for nothing."""
    wanted = (sha256, _sha256(files.get(BACKTEST_FILE, b"")))
    try:
        approvals = Approvals.read(files, Approval)
    except ApprovalError as error:
        raise ArtefactError(str(error)) from error
    return approvals.people(lambda one: (one.sha256, one.backtest_sha256) == wanted)


def _shown(model: Model, backtest: Backtest | None) -> dict[Target, tuple[bool, ...]]:
    found: dict[Target, tuple[bool, ...]] = {}
    for target in TARGETS:
        own = model.shown(target)
        if backtest is not None:
            gates = backtest.gates.get(target, {})
            own = tuple(
                open_ and name in gates and gates[name].is_open for open_, name in zip(own, SEGMENTS, strict=True)
            )
        found[target] = own
    return found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
