"""The file of a model: bins, weights and points as JSON that a person can read, and its hash. Nothing in it runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from services.intake.scoring.features import SEGMENTS, Segment
from services.intake.scoring.scorecard import TARGETS, Scorecard, Target, check

Purpose = Literal["demonstration", "tenant"]
LOWEST_USEFUL_AUC: Final = 0.55
"""A segment whose interval of the AUC reaches down to this shows no score."""


class ArtefactError(ValueError):
    """The file is not a model, or not the one that its hash names."""


@dataclass(frozen=True)
class Gate:
    """What a scorecard showed in one segment on data it had not seen: AUC with a 95 % interval, and the Brier score.

    `brier_base` is the Brier score of the base rate alone: a score that is worse knows less than one number.
    """

    cases: int
    auc: float
    auc_low: float
    auc_high: float
    brier: float
    brier_base: float

    @property
    def is_open(self) -> bool:
        """Whether the segment may show a score."""
        return self.auc_low > LOWEST_USEFUL_AUC and self.brier < self.brier_base


@dataclass(frozen=True)
class Model:
    """A version of the score: one scorecard per question, with the segments in which each may be shown.

    `purpose` `demonstration` is never used in production. A segment without a gate was too small to be tested: closed.
    """

    version: str
    purpose: Purpose
    data_sha256: str
    cards: tuple[Scorecard, ...]
    gates: Mapping[Target, Mapping[Segment, Gate]]
    challengers: Mapping[Target, str] = field(default_factory=dict)
    """SHA-256 of the file of each question's challenger: a changed one does not shadow."""

    def card(self, target: Target) -> Scorecard:
        """The scorecard of one question."""
        return next(one for one in self.cards if one.target == target)

    def shown(self, target: Target) -> tuple[bool, ...]:
        """Per place of `SEGMENTS`, whether the score may be shown."""
        gates = self.gates[target]
        return tuple(name in gates and gates[name].is_open for name in SEGMENTS)


_MODEL: Final = TypeAdapter(Model)


def encode(model: Model) -> bytes:
    """The file of a model; the same model is the same bytes."""
    document = _MODEL.dump_python(model, mode="json")
    return _text({"model": document, "sha256": _hash(document)})


def model_hash(content: bytes) -> str:
    """The SHA-256 that names a model. Raises ArtefactError."""
    return _opened(content)[1]


def decode(content: bytes) -> Model:
    """The model of a file. One changed byte is refused: raises ArtefactError."""
    document, _ = _opened(content)
    try:
        model = _MODEL.validate_python(document)
        for card in model.cards:
            check(card)
    except (ValidationError, ValueError) as error:
        raise ArtefactError(f"not a model: {error}") from error
    if [card.target for card in model.cards] != list(TARGETS) or set(model.gates) != set(TARGETS):
        raise ArtefactError(f"a model answers {', '.join(TARGETS)}, in this order")
    return model


def _opened(content: bytes) -> tuple[dict[str, Any], str]:
    try:
        outer = json.loads(content)
        document, sha256 = outer["model"], outer["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError("not a model's file") from error
    if _hash(document) != sha256 or _text({"model": document, "sha256": sha256}) != content:
        raise ArtefactError(f"the file is not the model {sha256}: it was changed")
    return document, str(sha256)


def _hash(document: object) -> str:
    return hashlib.sha256(_text(document)).hexdigest()


def _text(document: object) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"
