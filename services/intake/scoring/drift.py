"""Whether today's cases still look like those a model was trained on: population stability index per characteristic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.intake.scoring.artefact import Model
from services.intake.scoring.features import CharacteristicName, Features
from services.intake.scoring.scorecard import Characteristic

Counts = dict[str, list[int]]
MATERIAL_DRIFT: Final = 0.25
"""The usual reading: below 0.1 stable, above 0.25 another population."""
FEWEST_CASES: Final = 500
# A bin that one of the two never saw would make the index infinite.
_SMALLEST_SHARE: Final = 1e-4


def counts(model: Model, features: Features) -> Counts:
    """How many cases fall into each bin, by characteristic; those not known last."""
    return {
        name: np.bincount(one.places(features.column(name)), minlength=len(one.bins) + 1).tolist()
        for name, one in _characteristics(model).items()
    }


def added(first: Mapping[str, list[int]], second: Mapping[str, list[int]]) -> Counts:
    """Counts of two batches together; the first may be empty."""
    return {
        name: [before + more for before, more in zip(first.get(name, [0] * len(each)), each, strict=True)]
        for name, each in second.items()
    }


def drift(model: Model, counted: Mapping[str, list[int]]) -> dict[str, float]:
    """The population stability index of each characteristic against the training, over the cases where it is known.

    Too few cases say nothing: a characteristic known of fewer than `FEWEST_CASES` is left out.
    """
    found: dict[str, float] = {}
    for name, one in _characteristics(model).items():
        seen = np.array(counted.get(name, [0])[:-1], dtype=float)
        if seen.sum() >= FEWEST_CASES:
            expected = np.array([each.share for each in one.bins])
            found[name] = round(stability_index(expected / expected.sum(), seen / seen.sum()), 4)
    return found


def stability_index(expected: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
    """Σ (actual − expected) · ln(actual / expected) over the bins; 0 for the same shares, never below."""
    before, now = np.maximum(expected, _SMALLEST_SHARE), np.maximum(actual, _SMALLEST_SHARE)
    return float(((now - before) * np.log(now / before)).sum())


def _characteristics(model: Model) -> dict[CharacteristicName, Characteristic]:
    """Each characteristic once, with the bins of the first question that looks at it."""
    found: dict[CharacteristicName, Characteristic] = {}
    for card in model.cards:
        for one in card.characteristics:
            found.setdefault(one.name, one)
    return found
