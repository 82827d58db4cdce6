"""From which day on somebody is of age."""

from datetime import date

import pytest

from services.intake.domain.majority import is_minor, of_age_on


@pytest.mark.parametrize(
    ("born_on", "jurisdiction", "day"),
    [
        (date(2008, 3, 10), "CN", date(2026, 3, 10)),
        (date(2008, 2, 29), "HK", date(2026, 3, 1)),
        (date(2006, 3, 10), "US-NE", date(2025, 3, 10)),
        (date(2006, 3, 10), "US-MS", date(2027, 3, 10)),
        (date(2006, 3, 10), "US-CA", date(2024, 3, 10)),
        (date(9990, 1, 1), "CN", date.max),
    ],
)
def test_the_day_of_majority(born_on, jurisdiction, day):
    assert of_age_on(born_on, jurisdiction) == day


def test_the_birthday_itself_is_the_first_day_of_age():
    assert is_minor(date(2008, 3, 10), "CN", date(2026, 3, 9))
    assert not is_minor(date(2008, 3, 10), "CN", date(2026, 3, 10))
