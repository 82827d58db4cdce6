"""Seeded generator: accounts that are all late in August, from the fitted joint statistics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulation.portfolio.accounts import MONTHS, Account
from simulation.portfolio.fit import QUANTILES
from simulation.portfolio.fitted import VARIABLES, Fitted, status_class
from simulation.portfolio.normal import probabilities

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_LIMIT_STEP = 10_000


def generate_accounts(fitted: Fitted, *, count: int, seed: int) -> list[Account]:
    """`count` accounts late in August with a positive bill: the fitted population *conditional on being overdue*.

    (The source has 4,354 such accounts among 30,000; the other six sevenths would have nothing to say to Doorstep.)
    """
    random = np.random.default_rng(seed)
    paths = _paths(fitted, count, random)
    levels = probabilities(
        random.multivariate_normal(np.zeros(len(VARIABLES)), np.array(fitted.correlation), size=count)
    )
    classes = np.array([[status_class(int(status)) for status in path] for path in paths])
    limits = _values(fitted.limits, classes[:, -1], levels[:, 0])
    limits = np.maximum(np.round(limits / _LIMIT_STEP), 1) * _LIMIT_STEP
    months = len(MONTHS)
    bills, payments = np.zeros((count, months)), np.zeros((count, months))
    for month in range(months):
        amounts = _values(fitted.marginals[VARIABLES[1 + month]], classes[:, month], levels[:, 1 + month])
        bills[:, month] = np.round(amounts)
    bills[:, -1] = np.maximum(bills[:, -1], 1)
    for month in range(1, months):
        column = months + month
        amounts = _values(fitted.marginals[VARIABLES[column]], classes[:, month], levels[:, column])
        payments[:, month] = np.round(amounts)
    return [
        Account(
            number=row + 1, limit=int(limits[row]), statuses=tuple(int(status) for status in paths[row]),
            bills=tuple(int(bill) for bill in bills[row]), payments=tuple(int(payment) for payment in payments[row]),
        )
        for row in range(count)
    ]  # fmt: skip


def _paths(fitted: Fitted, count: int, random: np.random.Generator) -> Integers:
    paths = np.array([[int(status) for status in path.split()] for path in fitted.paths], dtype=np.int64)
    weights = np.array(list(fitted.paths.values()), dtype=np.float64)
    return np.asarray(paths[random.choice(len(paths), size=count, p=weights / weights.sum())])


def _values(quantiles: dict[str, list[float]], classes: NDArray[np.str_], levels: Floats) -> Floats:
    """Each level through its class's quantile function; a class too rare to have one takes the nearest."""
    values = np.empty(len(levels))
    known = list(quantiles)
    for name in np.unique(classes):
        curve = quantiles.get(str(name)) or quantiles[known[-1]]
        rows = classes == name
        values[rows] = np.interp(levels[rows], QUANTILES, curve)
    return values
