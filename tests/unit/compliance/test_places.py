"""Where a person was at a moment, as far as was known by another."""

from datetime import timedelta

import pytest

from services.compliance.domain.places import Place, place_at

from .conftest import NOW, PARTY, REAL

DAY = timedelta(days=1)


def lived(jurisdiction: str, since_days: int, told_days: int) -> Place:
    return Place(
        party_id=PARTY, since=NOW + DAY * since_days, recorded_real=REAL + DAY * told_days, jurisdiction=jurisdiction,
        zones=("Asia/Shanghai",),
    )  # fmt: skip


MOVED = [lived("CN", -9, -9), lived("HK", 0, 2)]


@pytest.mark.parametrize(
    ("days", "known_days", "expected"),
    [
        (-1, None, "CN"),
        (0, None, "HK"),
        (5, None, "HK"),
        (-30, None, "CN"),
        (1, 1, "CN"),
        (1, 2, "HK"),
        (-1, 9, "CN"),
        (1, -30, "CN"),
    ],
)
def test_last_word_on_the_moment_that_was_known(days: int, known_days: int | None, expected: str) -> None:
    known_by = None if known_days is None else REAL + DAY * known_days
    found = place_at(MOVED, NOW + DAY * days, known_by=known_by)
    assert found is not None
    assert found.jurisdiction == expected


def test_correction_of_the_same_moment_stands() -> None:
    found = place_at([lived("CN", 0, 0), lived("SG", 0, 1)], NOW)
    assert found is not None
    assert found.jurisdiction == "SG"
