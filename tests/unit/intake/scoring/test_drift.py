"""Population stability: nothing moves it but a moved population."""

import numpy as np

from services.intake.scoring.drift import FEWEST_CASES, MATERIAL_DRIFT, added, counts, drift, stability_index
from services.intake.scoring.features import FeatureRow, Features
from tests.unit.intake.scoring.models import MODEL


def test_same_shares_do_not_drift() -> None:
    assert drift(MODEL, {"late_now": [800, 200, 50]}) == {"late_now": 0.0}


def test_other_population_drifts() -> None:
    assert drift(MODEL, {"late_now": [200, 800, 0]})["late_now"] > MATERIAL_DRIFT


def test_what_is_not_known_says_nothing() -> None:
    assert drift(MODEL, {"late_now": [0, 0, 10 * FEWEST_CASES]}) == {}


def test_bin_that_nobody_is_in_keeps_the_index_finite() -> None:
    assert np.isfinite(stability_index(np.array([0.5, 0.5]), np.array([1.0, 0.0])))


def test_counts_of_batches_add_up() -> None:
    first = counts(MODEL, Features.of_rows([FeatureRow(days_now=10), FeatureRow(days_now=80)]))
    second = counts(MODEL, Features.of_rows([FeatureRow(days_now=80, days_month_ago=0)]))

    assert added({}, first) == first
    assert added(first, second)["late_now"] == [1, 2, 0]
    assert added(first, second)["late_month_ago"] == [1, 0, 2]
