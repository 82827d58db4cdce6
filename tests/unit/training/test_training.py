"""Training: the same file gives the same bytes; only April to August, by time and on accounts never seen."""

from pathlib import Path

import numpy as np
import pytest

from services.intake.scoring.artefact import decode
from services.intake.scoring.features import UNKNOWN
from training import synthetic
from training.evaluation import backtest_gates, fold, judge_unseen
from training.fitting import FitError, fit, fit_cards
from training.metrics import auc, calibration, figures
from training.model_card import render
from training.train import Trained, train
from training.transitions import TEST_MONTH, DataError, Transitions, read

HEADER = "account,month,days_now,days_month_ago,days_two_months_ago,paid_last_permille,paid_before_permille"
OWN = f"{HEADER},cure,roll,payment\n"


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "sample.csv"
    synthetic.write(path, accounts=700, seed=7)
    return path


@pytest.fixture(scope="session")
def rows(sample: Path) -> Transitions:
    return read(sample)


def quiet(_message: str, _done: int, _total: int) -> None:
    return None


@pytest.fixture(scope="session")
def trained(sample: Path) -> Trained:
    return train(sample, version="sample", purpose="tenant", on_step=quiet)


def test_same_file_gives_the_same_bytes(sample: Path, trained: Trained) -> None:
    again = train(sample, version="sample", purpose="tenant", on_step=quiet)

    assert again.content == trained.content
    assert again.challengers == trained.challengers
    assert render(again) == render(trained)
    assert decode(again.content) == trained.model


def test_transitions_end_in_august(rows: Transitions) -> None:
    assert set(rows.month.tolist()) == {0, 1, 2, TEST_MONTH}


def test_september_changes_nothing(sample: Path, rows: Transitions, tmp_path: Path) -> None:
    lines = [line.split(",") for line in sample.read_text().splitlines()]
    for line in lines[1:]:
        line[6] = line[12] = line[18] = line[24] = "5"
    changed = tmp_path / "changed.csv"
    changed.write_text("\n".join(map(",".join, lines)) + "\n")

    again = read(changed)

    assert np.array_equal(again.features.paid_last_month, rows.features.paid_last_month)
    assert all(np.array_equal(again.outcomes[name], rows.outcomes[name]) for name in rows.outcomes)


def test_person_changes_no_prediction(sample: Path, rows: Transitions, tmp_path: Path) -> None:
    lines = [line.split(",") for line in sample.read_text().splitlines()]
    for line in lines[1:]:
        line[2:6] = ["1", "1", "1", "99"]
    changed = tmp_path / "changed.csv"
    changed.write_text("\n".join(map(",".join, lines)) + "\n")

    assert fit_cards(read(changed)) == fit_cards(rows)


def test_history_before_april_is_not_known(rows: Transitions) -> None:
    first = rows.take(rows.month == 0)

    assert (first.features.late_month_ago == UNKNOWN).all()
    assert (first.features.paid_last_month == UNKNOWN).all()


def test_share_paid_counts_only_of_cases_that_were_open(rows: Transitions) -> None:
    current_before = rows.features.late_month_ago == 0

    assert current_before.any()
    assert (rows.features.paid_last_month[current_before] == UNKNOWN).all()


def test_account_is_never_judged_by_a_scorecard_that_saw_it(rows: Transitions, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []

    def watched(part: Transitions, target: str) -> object:
        seen.append({fold(int(account)) for account in part.account})
        assert (part.month < TEST_MONTH).all()
        return fit(part, target)  # type: ignore[arg-type]

    monkeypatch.setattr("training.evaluation.fit", watched)
    judge_unseen(rows, "cure")

    assert seen == [{0, 1, 2, 3, 4} - {number} for number in range(5)]


def test_points_of_each_characteristic_go_one_way(rows: Transitions) -> None:
    for card in fit_cards(rows):
        for one in card.characteristics:
            points = [each.points for each in one.bins]
            assert points in (sorted(points), sorted(points, reverse=True))


def test_data_in_which_everything_ends_alike_are_refused(rows: Transitions) -> None:
    with pytest.raises(FitError):
        fit(rows.take(rows.outcomes["cure"]), "cure")


def test_own_history_of_a_bank_is_read(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(OWN + "1,0,45,15,,20,,1,0,1\n2,0,10,,,,,0,,0\n3,0,0,,,,,1,0,0\n")

    found = read(path)

    assert found.account.tolist() == [1, 2]
    assert found.features.late_now.tolist() == [2, 1]
    assert found.features.late_two_months_ago.tolist() == [UNKNOWN, UNKNOWN]
    assert found.judged["roll"].tolist() == [True, False]


@pytest.mark.parametrize("text", ["a,b\n1,2\n", OWN + "1,0,x,,,,,1,0,1\n", OWN + "1,0,5\n"])
def test_other_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)

    with pytest.raises(DataError):
        read(path)


def test_back_test_judges_every_question(trained: Trained, rows: Transitions) -> None:
    gates = backtest_gates(trained.model, rows)

    assert set(gates) == {"cure", "roll", "payment"}
    assert all(gate.auc_low <= gate.auc <= gate.auc_high for each in gates.values() for gate in each.values())


def test_auc_counts_a_tie_half() -> None:
    assert auc(np.array([0.2, 0.5, 0.5, 0.9]), np.array([False, True, False, True])) == 0.875


def test_perfect_probabilities_are_calibrated() -> None:
    draw = np.random.default_rng(3)
    probability = draw.uniform(0.05, 0.95, 20_000)

    slope, intercept = calibration(probability, draw.random(20_000) < probability)

    assert slope == pytest.approx(1, abs=0.06)
    assert intercept == pytest.approx(0, abs=0.06)


def test_few_cases_have_no_figures() -> None:
    assert figures(np.full(10, 0.5), np.array([True, False] * 5), np.arange(10)) is None
