"""The normal distribution where numpy has none: scores of a sample, and the distribution function."""

from __future__ import annotations

from math import erf, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_STANDARD = NormalDist()


def normal_scores(values: Floats, random: np.random.Generator) -> Floats:
    """Standard-normal scores of the ranks (rank - 1/2) / n; ties broken at random, so that atoms keep their mass."""
    order = np.lexsort((random.random(len(values)), values))
    scores = np.empty(len(values))
    scores[order] = [_STANDARD.inv_cdf((rank + 0.5) / len(values)) for rank in range(len(values))]
    return scores


def probabilities(scores: Floats) -> Floats:
    """Standard-normal distribution function of each score."""
    return np.array([0.5 * (1.0 + erf(score / sqrt(2.0))) for score in scores.ravel()]).reshape(scores.shape)
