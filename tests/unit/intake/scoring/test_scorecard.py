"""Applying scorecards: what the points, probabilities and reasons must always be."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.scoring.artefact import decode
from services.intake.scoring.features import FeatureRow, Features
from services.intake.scoring.scorecard import NO_REASON, REASONS, Bin, Characteristic, Scorecard, Target, check
from services.intake.scoring.shipped import MODEL_FILE, SHIPPED
from tests.unit.intake.scoring.models import BEFORE, CARDS, LATE, PAID, ROWS

CURE = CARDS[0]
SHIPPED_CARDS = decode((SHIPPED / MODEL_FILE).read_bytes()).cards


def card(target: Target, *characteristics: Characteristic) -> Scorecard:
    return Scorecard(target, 10, characteristics or (LATE, BEFORE, PAID))


@pytest.mark.parametrize("scorecard", SHIPPED_CARDS, ids=lambda one: one.target)
@given(row=ROWS, more=st.integers(0, 400))
@settings(max_examples=60)
def test_being_later_never_earns_points(scorecard: Scorecard, row: FeatureRow, more: int) -> None:
    later = dataclasses.replace(row, days_now=row.days_now + more)

    before, after = scorecard.apply(Features.of_rows([row, later])).points

    assert after <= before


@pytest.mark.parametrize("scorecard", SHIPPED_CARDS, ids=lambda one: one.target)
@given(row=ROWS)
@settings(max_examples=60)
def test_points_are_the_base_and_those_of_every_characteristic(scorecard: Scorecard, row: FeatureRow) -> None:
    features = Features.of_rows([row])

    parts = [int(one.points()[one.places(features.column(one.name))][0]) for one in scorecard.characteristics]

    assert scorecard.apply(features).points.tolist() == [scorecard.base_points + sum(parts)]


@given(row=ROWS)
@settings(max_examples=60)
def test_three_reasons_of_three_characteristics_sum_to_the_score(row: FeatureRow) -> None:
    scored = CURE.apply(Features.of_rows([row]))

    points = [CURE.reason(int(number)).points for number in scored.reasons[0]]

    assert CURE.base_points + sum(points) == scored.points[0]
    assert points == sorted(points), "the most points lost come first"


def test_reason_names_the_value_it_is_about() -> None:
    scored = CURE.apply(Features.of_rows([FeatureRow(days_now=70, days_month_ago=40, paid_last_permille=10)]))

    assert [CURE.reason(int(number)) for number in scored.reasons[0]] == [
        ("late_now:3+", -40), ("late_month_ago:1+", -25), ("paid_last_month:0-49", -15),
    ]  # fmt: skip


def test_unknown_value_is_neutral() -> None:
    scored = CURE.apply(Features.of_rows([FeatureRow(days_now=10)]))

    assert scored.points.tolist() == [CURE.base_points + 20]
    assert CURE.reason(int(scored.reasons[0][0])) == ("late_month_ago:unknown", 0)


def test_card_with_fewer_characteristics_gives_fewer_reasons() -> None:
    reasons = card("roll", LATE).apply(Features.of_rows([FeatureRow(days_now=10)])).reasons

    assert reasons.shape == (1, REASONS)
    assert reasons[0].tolist()[1:] == [NO_REASON, NO_REASON]


def test_fifty_points_double_the_odds_of_cure() -> None:
    low, high = CURE.probability(np.array([0, 50], dtype=np.int32))

    assert low == 0.5
    assert high / (1 - high) == pytest.approx(2)


def test_points_speak_against_a_roll() -> None:
    low, high = card("roll").probability(np.array([0, 50], dtype=np.int32))

    assert high < low


def test_unknown_reason_number_is_refused() -> None:
    with pytest.raises(LookupError):
        CURE.reason(99)


@pytest.mark.parametrize(
    "bins", [(), (Bin(3, 0, 0, 1),), (Bin(None, 0, 0, 1), Bin(None, 0, 0, 1)),
             (Bin(None, 0, 0, 1), Bin(5, 0, 0, 1), Bin(4, 0, 0, 1))],
)  # fmt: skip
def test_bins_out_of_order_are_refused(bins: tuple[Bin, ...]) -> None:
    with pytest.raises(ValueError, match="not in order"):
        check(card("cure", Characteristic("late_now", bins)))


def test_same_characteristic_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="different characteristics"):
        check(card("cure", LATE, LATE))
