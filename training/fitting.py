"""Fitting a scorecard: monotone bins, weight of evidence, logistic regression, whole points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.intake.scoring.features import CHARACTERISTICS, UNKNOWN, CharacteristicName, Features
from services.intake.scoring.scorecard import FACTOR, TARGETS, Bin, Characteristic, Scorecard, Target
from training.regression import logistic
from training.transitions import Flags, Floats, Transitions

# One and two months late are never told apart: the file of the shipped model cannot.
_MONTH_EDGES: Final = (1, 3, 4, 5, 6)
_SHARE_EDGES: Final = (1, 10, 20, 30, 40, 60, 80, 120, 200, 400)
_SMALLEST_SHARE: Final = 0.01
_FEWEST: Final = 40
_FEWEST_OF_EACH: Final = 3
# Half a case more on each side: a bin without a single bad case is not proof that there are none.
_PRIOR: Final = 0.5
_WOE_DIGITS: Final = 6


class FitError(ValueError):
    """The data do not carry a scorecard."""


@dataclass(frozen=True)
class _Slice:
    """Neighbouring values with their cases."""

    lowest: int | None
    good: int
    bad: int

    @property
    def rate(self) -> float:
        return (self.good + _PRIOR) / (self.good + self.bad + 2 * _PRIOR)

    def with_next(self, other: _Slice) -> _Slice:
        return _Slice(self.lowest, self.good + other.good, self.bad + other.bad)


def fit_cards(rows: Transitions) -> tuple[Scorecard, ...]:
    """A scorecard for each question. Raises FitError."""
    return tuple(fit(rows.of(target), target) for target in TARGETS)


def fit(rows: Transitions, target: Target) -> Scorecard:
    """The scorecard of one question. Raises FitError.

    A characteristic whose weight would turn its bins round is left out, the worst first: points must say what the bins
    say. Being later now never earns points.
    """
    good = ~rows.outcomes[target] if target == "roll" else rows.outcomes[target]
    found = {name: _bins(rows.features, good, name) for name in CHARACTERISTICS}
    left = [name for name, one in found.items() if len(one.bins) > 1]
    while True:
        if not left:
            raise FitError(f"{target}: nothing tells the cases apart")
        evidence = np.column_stack([_evidence(found[name], rows.features) for name in left])
        weights, intercept = _regression(evidence, good)
        worst = int(np.argmin(weights))
        if weights[worst] > 0:
            return Scorecard(
                target=target,
                base_points=round(FACTOR * intercept),
                characteristics=tuple(
                    _weighted(found[name], float(weight)) for name, weight in zip(left, weights, strict=True)
                ),
            )
        del left[worst]


def _bins(features: Features, good: Flags, name: CharacteristicName) -> Characteristic:
    values = features.column(name)
    known = values != UNKNOWN
    edges = _MONTH_EDGES if name.startswith("late") else _SHARE_EDGES
    places = np.searchsorted(edges, values[known], side="right")
    slices = [
        _Slice(None if place == 0 else edges[place - 1], int(good[known][here].sum()), int((~good[known][here]).sum()))
        for place in range(len(edges) + 1)
        for here in (places == place,)
    ]
    merged = _monotone(_large_enough(slices, int(known.sum())), falling=name == "late_now" or _falls(slices))
    all_good, all_bad = (max(sum(getattr(one, side) for one in merged), 1) for side in ("good", "bad"))
    bins = tuple(
        Bin(
            lowest=None if place == 0 else one.lowest,
            points=0,
            woe=round(
                float(np.log((one.good + _PRIOR) / all_good) - np.log((one.bad + _PRIOR) / all_bad)), _WOE_DIGITS
            ),
            share=round((one.good + one.bad) / max(int(known.sum()), 1), _WOE_DIGITS),
        )
        for place, one in enumerate(merged)
    )
    return Characteristic(name, bins)


def _large_enough(slices: Sequence[_Slice], known: int) -> list[_Slice]:
    """Join slices with too few cases to their neighbours, from the low end."""
    fewest = max(_FEWEST, int(known * _SMALLEST_SHARE))
    joined: list[_Slice] = []
    for one in slices:
        if joined and not _carries(joined[-1], fewest):
            joined[-1] = joined[-1].with_next(one)
        else:
            joined.append(one)
    while len(joined) > 1 and not _carries(joined[-1], fewest):
        joined[-2:] = [joined[-2].with_next(joined[-1])]
    return joined


def _carries(one: _Slice, fewest: int) -> bool:
    return one.good + one.bad >= fewest and min(one.good, one.bad) >= _FEWEST_OF_EACH


def _falls(slices: Sequence[_Slice]) -> bool:
    """Whether the good share falls over the values, by the sign of their covariance."""
    cases = np.array([one.good + one.bad for one in slices], dtype=float)
    rates = np.array([one.rate for one in slices])
    places = np.arange(len(slices), dtype=float)
    if not cases.sum():
        return True
    centred = places - np.average(places, weights=cases)
    return float(np.average(centred * rates, weights=cases)) < 0


def _monotone(slices: Sequence[_Slice], *, falling: bool) -> list[_Slice]:
    """Pool adjacent violators: neighbours whose order is wrong, or that do not differ, become one."""
    pooled: list[_Slice] = []
    for one in slices:
        pooled.append(one)
        while len(pooled) > 1 and not _in_order(pooled[-2].rate, pooled[-1].rate, falling=falling):
            pooled[-2:] = [pooled[-2].with_next(pooled[-1])]
    return pooled


def _in_order(before: float, after: float, *, falling: bool) -> bool:
    return before > after if falling else before < after


def _evidence(one: Characteristic, features: Features) -> Floats:
    table = np.array([*(each.woe for each in one.bins), 0.0])
    found: Floats = table[one.places(features.column(one.name))]
    return found


def _regression(evidence: Floats, good: Flags) -> tuple[Floats, float]:
    if good.all() or not good.any():
        raise FitError("all cases ended alike")
    return logistic(evidence, good, tolerance=1e-10)


def _weighted(one: Characteristic, weight: float) -> Characteristic:
    """The characteristic with its points: factor, weight and evidence, rounded to whole points."""
    return Characteristic(
        one.name,
        tuple(Bin(each.lowest, round(FACTOR * weight * each.woe), each.woe, each.share) for each in one.bins),
    )
