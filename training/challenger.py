"""The shadow challenger: LightGBM on the same columns, trained and judged in a process of its own.

`python -m training.challenger FILE FOLDER` writes one text file per question and `figures.json`. Importing LightGBM
costs some 160 MB, so nothing that serves or scores ever does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from services.intake.scoring.scorecard import TARGETS, Target
from services.intake.scoring.shipped import challenger_file
from training.evaluation import EVERYBODY, FOLDS, Judged, fold
from training.metrics import Figures
from training.transitions import TEST_MONTH, Flags, Floats, Transitions, read

_ROUNDS: Final = 60
# One thread and fixed seeds: the same file of data gives the same model, byte for byte.
_PARAMETERS: Final[dict[str, Any]] = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 60, "seed": 1,
    "num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1,
}  # fmt: skip


@dataclass(frozen=True)
class Challenge:
    """What LightGBM reaches on the same unseen accounts: with our columns, and with all unprotected ones."""

    ours: dict[str, Figures | None]
    everything: Figures | None


def train_apart(data: Path, folder: Path) -> dict[Target, Challenge]:
    """Train in another process and read what it found. Raises subprocess.CalledProcessError."""
    subprocess.run([sys.executable, "-m", "training.challenger", str(data), str(folder)], check=True)  # noqa: S603
    document = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    return {
        target: Challenge(
            {name: None if each is None else Figures(**each) for name, each in document[target]["ours"].items()},
            None if document[target]["everything"] is None else Figures(**document[target]["everything"]),
        )
        for target in TARGETS
    }


def _predicted(table: Floats, rows: Transitions, happened: Flags) -> Judged:
    import lightgbm

    part = np.array([fold(int(account)) for account in rows.account])
    later = rows.month == TEST_MONTH
    probability = np.zeros(len(rows))
    for number in range(FOLDS):
        fitted, here = ~later & (part != number), later & (part == number)
        booster = lightgbm.train(_PARAMETERS, lightgbm.Dataset(table[fitted], happened[fitted]), _ROUNDS)
        if here.any():
            probability[here] = booster.predict(table[here])
    return Judged(rows.take(later), probability[later], happened[later])


def _challenge(rows: Transitions, target: Target, folder: Path) -> dict[str, Any]:
    import lightgbm

    own = rows.of(target)
    happened, earlier = own.outcomes[target], own.month < TEST_MONTH
    table = own.features.table()
    booster = lightgbm.train(_PARAMETERS, lightgbm.Dataset(table[earlier], happened[earlier]), _ROUNDS)
    (folder / challenger_file(target)).write_text(booster.model_to_string(), encoding="utf-8")
    ours = _predicted(table, own, happened).figures_by_segment()
    everything = _predicted(own.everything, own, happened).figures_by_segment()[EVERYBODY]
    return {
        "ours": {name: None if each is None else asdict(each) for name, each in ours.items()},
        "everything": None if everything is None else asdict(everything),
    }


def main(arguments: list[str]) -> int:
    """Train the challengers of every question."""
    data, folder = Path(arguments[0]), Path(arguments[1])
    folder.mkdir(parents=True, exist_ok=True)
    rows = read(data)
    document = {target: _challenge(rows, target, folder) for target in TARGETS}
    (folder / "figures.json").write_text(json.dumps(document), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
