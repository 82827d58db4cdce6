"""Logistic regression, the same on every machine."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from training.transitions import Flags, Floats

# In effect none: the bins and the log odds are few.
_WEAKEST_PENALTY = 1e6


def logistic(table: Floats, happened: Flags, *, tolerance: float) -> tuple[Floats, float]:
    """The weights of the columns, and the intercept.

    On one thread: sums come in the same order however many cores there are, and tables of few columns gain nothing from
    more; the threads would only spin.
    """
    from sklearn.linear_model import LogisticRegression  # a second to load, for those who only read training's figures

    with threadpool_limits(limits=1):
        fitted = LogisticRegression(C=_WEAKEST_PENALTY, tol=tolerance, max_iter=1_000).fit(table, happened)
    return np.asarray(fitted.coef_[0], dtype=float), float(fitted.intercept_[0])
