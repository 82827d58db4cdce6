"""Figures of a probability against what happened, with intervals by drawing accounts again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.regression import logistic
from training.transitions import Flags, Floats

DRAWS: Final = 500
ECE_BINS: Final = 10
_SEED: Final = 20260101
_LEAST: Final = 1e-6


@dataclass(frozen=True)
class Figures:
    """What a segment showed. `brier_base`: of the base rate alone. Slope 1 and intercept 0 are perfect calibration."""

    cases: int
    base_rate: float
    auc: float
    auc_low: float
    auc_high: float
    brier: float
    brier_base: float
    slope: float
    intercept: float
    ece: float


def figures(probability: Floats, happened: Flags, account: NDArray[np.int64]) -> Figures | None:
    """All figures; None where everything ended alike or fewer than 30 cases are there."""
    if len(happened) < 30 or happened.all() or not happened.any():
        return None
    low, high = interval(probability, happened, account)
    slope, intercept = calibration(probability, happened)
    base = float(happened.mean())
    return Figures(
        cases=len(happened),
        base_rate=base,
        auc=auc(probability, happened),
        auc_low=low,
        auc_high=high,
        brier=float(((probability - happened) ** 2).mean()),
        brier_base=base * (1 - base),
        slope=slope,
        intercept=intercept,
        ece=expected_calibration_error(probability, happened),
    )


def auc(probability: Floats, happened: Flags) -> float:
    """How often a case in which it happened has the higher probability; a tie counts half."""
    values, place = np.unique(probability, return_inverse=True)
    return _weighted_auc(place, len(values), happened.astype(float), (~happened).astype(float))


def interval(probability: Floats, happened: Flags, account: NDArray[np.int64]) -> tuple[float, float]:
    """The 95 % interval of the AUC: whole accounts are drawn again, for months of one account are alike."""
    _, owner = np.unique(account, return_inverse=True)
    values, place = np.unique(probability, return_inverse=True)
    accounts = int(owner.max()) + 1
    draw = np.random.default_rng(_SEED)
    found = []
    for _ in range(DRAWS):
        times = np.bincount(draw.integers(0, accounts, accounts), minlength=accounts)[owner].astype(float)
        found.append(_weighted_auc(place, len(values), times * happened, times * ~happened))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _weighted_auc(place: NDArray[np.intp], values: int, happened: Floats, not_happened: Floats) -> float:
    """The AUC of cases with weights; `place` is the rank of each case's probability among `values` different ones."""
    positive = np.bincount(place, weights=happened, minlength=values)
    negative = np.bincount(place, weights=not_happened, minlength=values)
    below = np.cumsum(negative) - negative
    total = positive.sum() * negative.sum()
    return float((positive * (below + negative / 2)).sum() / total) if total else 0.5


def calibration(probability: Floats, happened: Flags) -> tuple[float, float]:
    """Slope and intercept of what happened over the log odds. A probability that never differs has slope 0."""
    safe = np.clip(probability, _LEAST, 1 - _LEAST)
    odds = np.log(safe / (1 - safe))[:, None]
    if np.ptp(odds) < _LEAST:
        return 0.0, float(np.log(happened.mean() / (1 - happened.mean())))
    weights, intercept = logistic(odds, happened, tolerance=1e-8)
    return float(weights[0]), intercept


def expected_calibration_error(probability: Floats, happened: Flags) -> float:
    """The mean distance of probability and share over ten bins of equally many cases."""
    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, ECE_BINS)
    gaps = [abs(probability[part].mean() - happened[part].mean()) * len(part) for part in parts if len(part)]
    return float(sum(gaps) / len(happened))
