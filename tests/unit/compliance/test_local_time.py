"""Local dates are kept by hour, and are yet those of the zone."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.compliance.domain.local_time import local_date, zone

from .drawn_cases import ALL_ZONES


@given(moment=st.datetimes(timezones=st.just(UTC)), name=st.sampled_from(ALL_ZONES))
def test_local_date_is_that_of_the_zone(moment: datetime, name: str) -> None:
    try:
        expected = moment.astimezone(zone(name)).date()
    except OverflowError:  # the calendar ends
        return
    assert local_date(moment, name) == expected
