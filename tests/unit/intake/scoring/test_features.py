"""Feature columns: months late, what is not known, segments."""

import dataclasses

import numpy as np
import pytest

from services.intake.scoring.features import CHARACTERISTICS, NOT_OVERDUE, SEGMENTS, UNKNOWN, FeatureRow, Features

PROTECTED = {"sex", "age", "marriage", "education", "gender", "ethnicity", "religion", "disability"}


@pytest.mark.parametrize(
    ("days", "months"), [(0, 0), (1, 1), (30, 1), (31, 2), (60, 2), (61, 3), (90, 3), (91, 4), (365, 13)]
)
def test_begun_months_are_counted(days: int, months: int) -> None:
    assert Features.of_rows([FeatureRow(days_now=days)]).late_now.tolist() == [months]


def test_what_is_not_known_stays_unknown() -> None:
    features = Features.of_rows([FeatureRow(days_now=5)])

    assert [features.column(name).tolist() for name in CHARACTERISTICS[1:]] == [[UNKNOWN]] * 4


@pytest.mark.parametrize(
    ("row", "segment"),
    [
        (FeatureRow(days_now=1), "1-60 days, new"),
        (FeatureRow(days_now=60, days_month_ago=30), "1-60 days, known"),
        (FeatureRow(days_now=61, days_month_ago=31), "61-90 days, known"),
        (FeatureRow(days_now=91), "91+ days, new"),
        (FeatureRow(days_now=60, days_month_ago=0), "1-60 days, known"),
    ],
)
def test_segment_is_lateness_and_whether_history_is_known(row: FeatureRow, segment: str) -> None:
    assert SEGMENTS[Features.of_rows([row]).segments()[0]] == segment


def test_current_case_is_in_no_segment() -> None:
    assert Features.of_rows([FeatureRow(days_now=0, days_month_ago=9)]).segments().tolist() == [NOT_OVERDUE]


def test_forgotten_features_know_only_today() -> None:
    features = Features.of_rows([FeatureRow(days_now=40, days_month_ago=10, paid_last_permille=20)]).forgotten()

    assert features.late_now.tolist() == [2]
    assert all((features.column(name) == UNKNOWN).all() for name in CHARACTERISTICS[1:])


def test_no_rows_are_no_columns() -> None:
    assert len(Features.of_rows([])) == 0
    assert Features.of_rows([]).segments().dtype == np.int8


def test_nothing_protected_is_looked_at() -> None:
    words = {word for field in dataclasses.fields(FeatureRow) for word in field.name.split("_")}

    assert not words & PROTECTED
