"""Overdue accounts and what became of each a month later: what scorecards are fitted and judged on."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.intake.scoring.features import MONTH_DAYS, UNKNOWN, Features, Ints
from services.intake.scoring.scorecard import TARGETS, Target

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
# April to August: from August to September the file's coding of one month late changes (docs/model-card.md).
_MONTHS: Final = 5
MONTH_NAMES: Final = ("April", "May", "June", "July", "August")
TEST_MONTH: Final = 3
"""July: the last month from which a transition may be looked at. Models are fitted on the months before."""
_HEADER: Final = "ID," + ",".join(f"X{number}" for number in range(1, 24)) + ",Y"
_WORST_STATUS: Final = 8
_FEATURE_COLUMNS: Final = (
    "days_now", "days_month_ago", "days_two_months_ago", "paid_last_permille", "paid_before_permille"
)  # fmt: skip
_OWN_HEADER: Final = ("account", "month", *_FEATURE_COLUMNS, *TARGETS)
GROUPS: Final[Mapping[str, tuple[int, Mapping[int, str]]]] = {
    "sex": (2, {1: "men", 2: "women"}),
    "education": (3, {1: "graduate school", 2: "university", 3: "high school"}),
    "marriage": (4, {1: "married", 2: "single"}),
}
_AGES: Final = ((0, "under 30"), (30, "30-39"), (40, "40-49"), (50, "50 and older"))


class DataError(ValueError):
    """The file is not of a form that is understood."""


@dataclass(frozen=True)
class Transitions:
    """One row per overdue account and month. `month` counts from the first; `outcomes` are true where it happened.

    `judged` says where an outcome can be told at all: the worst status cannot roll. `groups` are labels of protected
    groups for evaluation only; `everything` are the file's own columns for the question what ours leave out.
    """

    account: NDArray[np.int64]
    month: NDArray[np.int64]
    features: Features
    outcomes: Mapping[Target, Flags]
    judged: Mapping[Target, Flags]
    groups: Mapping[str, NDArray[np.str_]]
    everything: Floats
    sha256: str

    def __len__(self) -> int:
        return len(self.account)

    def take(self, where: Flags) -> Transitions:
        """The rows where it is true."""
        return Transitions(
            account=self.account[where],
            month=self.month[where],
            features=self.features.take(where),
            outcomes={name: each[where] for name, each in self.outcomes.items()},
            judged={name: each[where] for name, each in self.judged.items()},
            groups={name: each[where] for name, each in self.groups.items()},
            everything=self.everything[where],
            sha256=self.sha256,
        )

    def of(self, target: Target) -> Transitions:
        """The rows in which the target can be told."""
        return self.take(self.judged[target])


def read(path: Path) -> Transitions:
    """Transitions of UCI's file, or of a bank's own history (`account,month,days_now,…,cure,roll,payment`).

    Raises DataError.
    """
    content = path.read_bytes()
    header = content.partition(b"\n")[0].decode(errors="replace").strip().replace('"', "")
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        table = np.genfromtxt(io.BytesIO(content), delimiter=",", skip_header=1, dtype=float, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    if header == _HEADER:
        return _from_uci(_whole(table, path), sha256)
    if tuple(header.split(",")) == _OWN_HEADER:
        return _from_own(table, path, sha256)
    raise DataError(f"{path}: the first line is neither {_HEADER} nor {','.join(_OWN_HEADER)}")


def _whole(table: Floats, path: Path) -> Floats:
    empty = np.argwhere(np.isnan(table))
    if len(empty):
        raise DataError(f"{path}: line {empty[0][0] + 2}, column {empty[0][1] + 1} is no number")
    return table


def _from_uci(table: Floats, sha256: str) -> Transitions:
    """Columns run backwards from September; here they run forwards from April."""
    status, bill, paid = (table[:, first : first + 6][:, ::-1] for first in (6, 12, 18))
    parts = [_month(table, status, bill, paid, month, sha256) for month in range(_MONTHS - 1)]
    return _joined(parts)


def _month(table: Floats, status: Floats, bill: Floats, paid: Floats, month: int, sha256: str) -> Transitions:
    overdue = status[:, month] >= 1
    rows, later = table[overdue], status[overdue, month + 1]
    present = status[overdue, month]
    features = Features.of_columns(
        [_days(status[overdue], month - back) for back in range(3)],
        [_share(status[overdue], bill[overdue], paid[overdue], month - back) for back in range(2)],
    )
    known = [*range(month + 1)]
    everything = np.full((len(rows), 1 + 3 * (_MONTHS - 1)), np.nan)
    everything[:, 0] = rows[:, 1]
    for place, columns in enumerate((status, bill, paid)):
        first = 1 + place * (_MONTHS - 1)
        everything[:, first : first + len(known)] = columns[overdue][:, known[::-1]]
    return Transitions(
        account=rows[:, 0].astype(np.int64),
        month=np.full(len(rows), month),
        features=features,
        outcomes={"cure": later <= 0, "roll": later > present, "payment": paid[overdue, month + 1] > 0},
        judged={
            "cure": np.full(len(rows), True),
            "roll": present < _WORST_STATUS,
            "payment": np.full(len(rows), True),
        },
        groups=_groups(rows),
        everything=everything,
        sha256=sha256,
    )


def _days(status: Floats, month: int) -> Ints:
    """Days past due that stand for a status: the last day of its month; not known before April."""
    if month < 0:
        return np.full(len(status), UNKNOWN, dtype=np.int32)
    return (np.maximum(status[:, month], 0) * MONTH_DAYS).astype(np.int32)


def _share(status: Floats, bill: Floats, paid: Floats, month: int) -> Ints:
    """Per mille of the balance paid in a month; known, as in intake, only if the case was there when it began."""
    if month < 1:
        return np.full(len(status), UNKNOWN, dtype=np.int32)
    before = np.maximum(bill[:, month], 0) + paid[:, month]
    share = np.floor(1_000 * paid[:, month] / np.maximum(before, 1))
    return np.where((status[:, month - 1] >= 1) & (before > 0), share, UNKNOWN).astype(np.int32)


def _groups(rows: Floats) -> dict[str, NDArray[np.str_]]:
    found = {
        name: np.array([labels.get(int(value), "other") for value in rows[:, column]])
        for name, (column, labels) in GROUPS.items()
    }
    starts = [start for start, _ in _AGES]
    found["age"] = np.array([name for _, name in _AGES])[np.searchsorted(starts, rows[:, 5], side="right") - 1]
    return found


def _from_own(table: Floats, path: Path, sha256: str) -> Transitions:
    """A bank's own history: an empty field is not known, but account, month and days now must be there.

    The months are numbered as in the file of the shipped model: the last one fitted on is `TEST_MONTH` less one.
    """
    if table.shape[1] != len(_OWN_HEADER):
        raise DataError(f"{path}: {len(_OWN_HEADER)} columns are needed")
    _whole(table[:, :3], path)
    columns = [np.where(np.isnan(table[:, place]), UNKNOWN, table[:, place]).astype(np.int32) for place in range(2, 7)]
    outcomes = {target: table[:, 7 + place] for place, target in enumerate(TARGETS)}
    overdue = table[:, 2] >= 1
    return Transitions(
        account=table[:, 0].astype(np.int64),
        month=table[:, 1].astype(np.int64),
        features=Features.of_columns(columns[:3], columns[3:]),
        outcomes={target: each == 1 for target, each in outcomes.items()},
        judged={target: ~np.isnan(each) for target, each in outcomes.items()},
        groups={},
        everything=np.zeros((len(table), 0)),
        sha256=sha256,
    ).take(overdue)


def _joined(parts: list[Transitions]) -> Transitions:
    columns = {
        name: np.concatenate([part.features.column(name) for part in parts])
        for name in ("late_now", "late_month_ago", "late_two_months_ago", "paid_last_month", "paid_month_before")
    }
    return Transitions(
        account=np.concatenate([part.account for part in parts]),
        month=np.concatenate([part.month for part in parts]),
        features=Features(**columns),
        outcomes={target: np.concatenate([part.outcomes[target] for part in parts]) for target in TARGETS},
        judged={target: np.concatenate([part.judged[target] for part in parts]) for target in TARGETS},
        groups={name: np.concatenate([part.groups[name] for part in parts]) for name in parts[0].groups},
        everything=np.concatenate([part.everything for part in parts]),
        sha256=parts[0].sha256,
    )
