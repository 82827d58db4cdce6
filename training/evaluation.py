"""How good scorecards are where they will be asked: later months, accounts never seen, segment by segment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from services.intake.scoring.artefact import Gate, Model
from services.intake.scoring.features import SEGMENTS, Segment
from services.intake.scoring.scorecard import TARGETS, Scorecard, Target
from training.fitting import fit
from training.metrics import Figures, figures
from training.transitions import TEST_MONTH, Flags, Floats, Transitions

FOLDS: Final = 5
EVERYBODY: Final = "all overdue"
BUDGET: Final = 0.2
"""The share of cases that the fairness report looks at: those with the worst outlook."""
_DIGITS: Final = 6


@dataclass(frozen=True)
class Judged:
    """Predictions for the rows of one question, and what came of them."""

    rows: Transitions
    probability: Floats
    happened: Flags

    def figures_by_segment(self) -> dict[str, Figures | None]:
        """All overdue, then segment by segment; None where there are too few."""
        segments = self.rows.features.segments()
        found = {EVERYBODY: self._figures(segments >= 0)}
        return found | {name: self._figures(segments == place) for place, name in enumerate(SEGMENTS)}

    def _figures(self, where: Flags) -> Figures | None:
        return figures(self.probability[where], self.happened[where], self.rows.account[where])


@dataclass(frozen=True)
class Share:
    """How one group fares when the cases with the worst outlook for cure are looked at first."""

    group: str
    cases: int
    selected: float
    selected_not_cured: float
    selected_cured: float
    predicted: float
    happened: float


def judge(card: Scorecard, rows: Transitions) -> Judged:
    """A scorecard on rows of its own question."""
    own = rows.of(card.target)
    return Judged(own, card.apply(own.features).probability, own.outcomes[card.target])


def judge_unseen(rows: Transitions, target: Target, *, forget: bool = False) -> Judged:
    """Predictions for the last month of accounts that the scorecard has never seen, by scorecards of months before.

    The accounts are cut into five parts; those of each are predicted by a scorecard fitted on the other four. `forget`:
    as if only today's lateness were known, which is what the score is worth for a case that was just told.
    """
    own = rows.of(target)
    part = np.array([fold(int(account)) for account in own.account])
    later = own.month == TEST_MONTH
    asked = replace(own, features=own.features.forgotten()) if forget else own
    probability = np.zeros(len(own))
    for number in range(FOLDS):
        card = fit(own.take(~later & (part != number)), target)
        here = later & (part == number)
        probability[here] = card.apply(asked.take(here).features).probability
    return Judged(asked.take(later), probability[later], own.outcomes[target][later])


def backtest_gates(model: Model, rows: Transitions) -> dict[Target, dict[Segment, Gate]]:
    """The gates of a model on history that it was not fitted on: every segment, as it stands there."""
    return {
        card.target: {name: _gate(found) for name, found in _segments(judge(card, rows)) if found is not None}
        for card in model.cards
    }


def fold(account: int) -> int:
    """The part that an account belongs to, the same in every run."""
    return hashlib.sha256(str(account).encode()).digest()[0] % FOLDS


def gates(known: Mapping[Target, Judged], new: Mapping[Target, Judged]) -> dict[Target, dict[Segment, Gate]]:
    """The gates of a model: of segments with known history from `known`, of new cases from `new`."""
    return {
        target: {
            name: _gate(found)
            for judged, ending in ((known[target], ", known"), (new[target], ", new"))
            for name, found in _segments(judged)
            if name.endswith(ending) and found is not None
        }
        for target in TARGETS
    }


def _segments(judged: Judged) -> list[tuple[Segment, Figures | None]]:
    by_name = judged.figures_by_segment()
    return [(name, by_name[name]) for name in SEGMENTS]


def _gate(found: Figures) -> Gate:
    return Gate(
        cases=found.cases,
        auc=round(found.auc, _DIGITS),
        auc_low=round(found.auc_low, _DIGITS),
        auc_high=round(found.auc_high, _DIGITS),
        brier=round(found.brier, _DIGITS),
        brier_base=round(found.brier_base, _DIGITS),
    )


def fairness(cure: Judged) -> dict[str, list[Share]]:
    """By protected label: who is among the fifth with the worst outlook, and how right that is. Labels are no input."""
    cut = np.quantile(cure.probability, BUDGET)
    chosen = cure.probability <= cut
    found: dict[str, list[Share]] = {}
    for name, labels in sorted(cure.rows.groups.items()):
        found[name] = [
            _share(cure, chosen, labels == label, str(label)) for label in np.unique(labels) if label != "other"
        ]
    return found


def _share(cure: Judged, chosen: Flags, where: Flags, group: str) -> Share:
    cured = cure.happened
    return Share(
        group=group,
        cases=int(where.sum()),
        selected=_mean(chosen[where]),
        selected_not_cured=_mean(chosen[where & ~cured]),
        selected_cured=_mean(chosen[where & cured]),
        predicted=_mean(cure.probability[where]),
        happened=_mean(cured[where]),
    )


def _mean(values: Flags | Floats) -> float:
    return float(values.mean()) if len(values) else 0.0
