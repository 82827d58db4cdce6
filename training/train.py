"""Training: a file of history in, a model, its challengers and its card out; the same file gives the same bytes."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.intake.scoring.artefact import Model, Purpose, encode
from services.intake.scoring.scorecard import TARGETS, Target
from services.intake.scoring.shipped import challenger_file
from training.challenger import Challenge, train_apart
from training.evaluation import Judged, Share, fairness, gates, judge, judge_unseen
from training.fitting import fit_cards
from training.metrics import Figures
from training.transitions import TEST_MONTH, DataError, Transitions, read

OnStep = Callable[[str, int, int], None]
_STEPS = 4


@dataclass(frozen=True)
class Trained:
    """A model, and everything that was found out about it."""

    model: Model
    content: bytes
    challengers: Mapping[Target, bytes]
    rows: Transitions
    unseen: Mapping[Target, dict[str, Figures | None]]
    new: Mapping[Target, dict[str, Figures | None]]
    seen: Mapping[Target, dict[str, Figures | None]]
    challenge: Mapping[Target, Challenge]
    fairness: Mapping[str, list[Share]]


def train(data: Path, *, version: str, purpose: Purpose, on_step: OnStep) -> Trained:
    """Fit on the months before the last, judge on the last. Raises DataError, fitting.FitError."""
    rows = read(data)
    if not (rows.month == TEST_MONTH).any() or not (rows.month < TEST_MONTH).any():
        raise DataError(f"{data}: months 0 to {TEST_MONTH} are needed: the last is what the model is judged on")
    on_step("Training: scorecards", 1, _STEPS)
    cards = fit_cards(rows.take(rows.month < TEST_MONTH))
    on_step("Training: judging on accounts never seen", 2, _STEPS)
    unseen = {target: judge_unseen(rows, target) for target in TARGETS}
    new = {target: judge_unseen(rows, target, forget=True) for target in TARGETS}
    on_step("Training: challenger, in a process of its own", 3, _STEPS)
    with tempfile.TemporaryDirectory() as folder:
        challenge = train_apart(data, Path(folder))
        challengers = {target: (Path(folder) / challenger_file(target)).read_bytes() for target in TARGETS}
    model = Model(
        version=version,
        purpose=purpose,
        data_sha256=rows.sha256,
        cards=cards,
        gates=gates(unseen, new),
        challengers={target: hashlib.sha256(content).hexdigest() for target, content in challengers.items()},
    )
    on_step("Training: done", _STEPS, _STEPS)
    return Trained(
        model=model,
        content=encode(model),
        challengers=challengers,
        rows=rows,
        unseen=_figures(unseen),
        new=_figures(new),
        seen=_figures({card.target: judge(card, rows.take(rows.month == TEST_MONTH)) for card in cards}),
        challenge=challenge,
        fairness=fairness(unseen["cure"]),
    )


def _figures(judged: Mapping[Target, Judged]) -> dict[Target, dict[str, Figures | None]]:
    return {target: one.figures_by_segment() for target, one in judged.items()}
