"""Fitting: counts of status paths, quantiles given the status, and a Gaussian copula for what remains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulation.portfolio.accounts import MONTHS, Account, unpaid_minimums
from simulation.portfolio.fitted import (
    STATUSES,
    VARIABLES,
    Fitted,
    Repayment,
    Targets,
    repayment_class,
    status_class,
)
from simulation.portfolio.normal import normal_scores
from simulation.portfolio.uci import read_accounts, sha256_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
QUANTILES: Final = np.linspace(0, 1, 101)
COARSE_QUANTILES: Final = np.linspace(0, 1, 21)
_AS_OF: Final = date(2026, 3, 2)
_SEED: Final = 20_090_301
METHOD: Final = (
    "Status paths April to August of the accounts late in August with a positive bill: relative frequency of each path "
    "(237 in the UCI file; a first-order Markov chain missed April's statuses by 0.16 in total variation). "
    "Limit, bills and payments: quantiles given the month's status class. Gaussian copula over their normal scores, "
    "ties broken at random. Moves out of each late status: pooled over April to August, all accounts. "
    "September is not used."
)


def fit_file(path: Path) -> Fitted:
    """Fit a file of the documented form. Raises PortfolioError, OSError."""
    return fit(read_accounts(path), source=path.name, sha256=sha256_of(path))


def fit(accounts: Sequence[Account], *, source: str, sha256: str) -> Fitted:
    """Fit accounts read from `source`."""
    everyone = np.array([account.statuses for account in accounts], dtype=np.int64)
    overdue = [account for account in accounts if account.is_overdue]
    statuses = np.array([account.statuses for account in overdue], dtype=np.int64)
    values = variables_of(overdue)
    return Fitted(
        source=source, sha256=sha256, accounts=len(accounts), overdue_accounts=len(overdue), months=list(MONTHS),
        method=METHOD, paths=_paths(statuses), transitions=_transitions(everyone).tolist(),
        limits=_limits(statuses, values), marginals=_marginals(statuses, values),
        correlation=_correlation(statuses, values), repayment=_repayment(accounts), targets=targets_of(overdue),
    )  # fmt: skip


def variables_of(accounts: Sequence[Account]) -> Floats:
    """One row per account: the copula's variables, TWD."""
    return np.array([(account.limit, *account.bills, *account.payments[1:]) for account in accounts], dtype=np.float64)


def targets_of(overdue: Sequence[Account]) -> Targets:
    """Statistics for the goodness-of-fit comparison; the same function measures source and generated accounts."""
    statuses = np.array([account.statuses for account in overdue], dtype=np.int64)
    bills = np.array([account.bills for account in overdue], dtype=np.float64)
    payments = np.array([account.payments for account in overdue], dtype=np.float64)
    owed = np.array(
        [sum(item.amount_minor for item in unpaid_minimums(account, as_of=_AS_OF)) for account in overdue],
        dtype=np.float64,
    )
    limits = np.array([account.limit for account in overdue], dtype=np.float64)
    columns = np.column_stack([limits, bills[:, 4], owed, bills[:, 3], payments[:, 4]])
    return Targets(
        status=[_rounded(_counts(statuses[:, month]) / len(overdue)) for month in range(len(MONTHS))],
        spearman=[_rounded(row) for row in _spearman(columns)],
        august_bill=_rounded(np.quantile(bills[:, 4], COARSE_QUANTILES)),
        overdue=_rounded(np.quantile(owed, COARSE_QUANTILES)),
        paid_nothing=_rounded((payments[:, 1:] == 0).mean(axis=0)),
    )


def _counts(statuses: Integers) -> Integers:
    return np.bincount(statuses + 2, minlength=len(STATUSES))


def _paths(statuses: Integers) -> dict[str, int]:
    return dict(sorted(Counter(" ".join(str(status) for status in path) for path in statuses.tolist()).items()))


def _transitions(statuses: Integers) -> Integers:
    counts = np.zeros((len(MONTHS) - 1, len(STATUSES), len(STATUSES)), dtype=np.int64)
    for month in range(len(MONTHS) - 1):
        np.add.at(counts[month], (statuses[:, month] + 2, statuses[:, month + 1] + 2), 1)
    return counts


def _classes(statuses: Integers) -> list[list[str]]:
    """Status class that each variable's marginal is conditional on, per account."""
    names = [[status_class(int(status)) for status in row] for row in statuses]
    return [[row[-1], *row, *row[1:]] for row in names]


def _limits(statuses: Integers, values: Floats) -> dict[str, list[float]]:
    classes = np.array([status_class(int(status)) for status in statuses[:, -1]])
    return {
        str(name): _rounded(np.quantile(values[classes == name, 0], QUANTILES, method="nearest"))
        for name in np.unique(classes)
    }


def _marginals(statuses: Integers, values: Floats) -> dict[str, dict[str, list[float]]]:
    classes = np.array(_classes(statuses))
    return {
        variable: {
            str(name): _rounded(np.quantile(values[classes[:, column] == name, column], QUANTILES))
            for name in np.unique(classes[:, column])
        }
        for column, variable in enumerate(VARIABLES)
        if column
    }


def _correlation(statuses: Integers, values: Floats) -> list[list[float]]:
    """Copula of the class-conditional normal scores.

    An unused or fully paid month has no bill to rank, and its ties would wash out the dependence between the months'
    bills and payments; those come from accounts that used the card throughout. The limit's needs no such care.
    """
    used = (statuses >= 0).sum(axis=1) == statuses.shape[1]
    matrix = _score_correlation(statuses[used], values[used])
    everyone = _score_correlation(statuses, values)
    matrix[0], matrix[:, 0] = everyone[0], everyone[:, 0]
    return [_rounded(row) for row in _nearest_correlation(matrix)]


def _score_correlation(statuses: Integers, values: Floats) -> Floats:
    classes = np.array(_classes(statuses))
    random = np.random.default_rng(_SEED)
    scores = np.empty_like(values)
    for column in range(values.shape[1]):
        for name in np.unique(classes[:, column]):
            of_class = classes[:, column] == name
            scores[of_class, column] = normal_scores(values[of_class, column], random)
    return np.asarray(np.corrcoef(scores, rowvar=False), dtype=np.float64)


def _nearest_correlation(matrix: Floats) -> Floats:
    """Two sources make one matrix: negative eigenvalues are cut off and the diagonal restored."""
    eigenvalues, vectors = np.linalg.eigh(matrix)
    repaired = vectors @ np.diag(np.maximum(eigenvalues, 1e-6)) @ vectors.T
    scale = np.sqrt(np.diag(repaired))
    return np.asarray(repaired / np.outer(scale, scale), dtype=np.float64)


def _repayment(accounts: Sequence[Account]) -> dict[str, Repayment]:
    """Moves out of each late status, April to August pooled, with what was paid in the month of the move."""
    shares: dict[str, dict[str, list[float]]] = {}
    for account in accounts:
        for month in range(len(MONTHS) - 1):
            now, after = account.statuses[month], account.statuses[month + 1]
            bill = account.bills[month]
            if now >= 1 and bill > 0:
                share = min(account.payments[month + 1] / bill, 5.0)
                shares.setdefault(repayment_class(now), {}).setdefault(_outcome(now, after), []).append(share)
    return {name: _behaviour(outcomes) for name, outcomes in sorted(shares.items())}


def _outcome(now: int, after: int) -> str:
    if after < 1:
        return "cure"
    return "stay" if after == now else "roll_back" if after < now else "roll_forward"


def _behaviour(outcomes: dict[str, list[float]]) -> Repayment:
    total = sum(len(shares) for shares in outcomes.values())
    rate = {name: len(shares) / total for name, shares in outcomes.items()}
    return Repayment(
        accounts=total,
        cure=rate.get("cure", 0.0),
        roll_back=rate.get("roll_back", 0.0),
        stay=rate.get("stay", 0.0),
        roll_forward=rate.get("roll_forward", 0.0),
        paid_share={name: _rounded(np.quantile(shares, COARSE_QUANTILES)) for name, shares in sorted(outcomes.items())},
    )


def _spearman(columns: Floats) -> Floats:
    ranks = np.argsort(np.argsort(columns, axis=0, kind="stable"), axis=0, kind="stable")
    return np.asarray(np.corrcoef(ranks, rowvar=False), dtype=np.float64)


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.5g}") for value in values]
