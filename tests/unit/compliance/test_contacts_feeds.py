"""Days of a feed: each begins where the one before ended; what does not add up is found."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compliance.domain.feeds import FeedDay, FeedDayOutOfOrder, close_day, gap_found

FIRST = date(2026, 3, 2)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=10))
def test_days_cover_all_numbers_once(totals: list[int]) -> None:
    day: FeedDay | None = None
    seen: list[int] = []
    for at, records in enumerate(totals):
        last = len(seen) + records
        day = close_day(day, source="f", day=FIRST + timedelta(days=at), last_number=last, records=records)
        seen += range(day.first_number, day.last_number + 1)
        assert gap_found(day, known=records, missing=()) is None
    assert seen == list(range(1, sum(totals) + 1))


@given(st.integers(1, 50), st.integers(0, 60), st.integers(0, 60))
def test_found_exactly_when_records_total_and_numbers_differ(last: int, known: int, records: int) -> None:
    day = close_day(None, source="f", day=FIRST, last_number=last, records=records)
    assert (gap_found(day, known=known, missing=()) is None) == (known == last == records)


@pytest.mark.parametrize(("day", "last_number"), [(FIRST, 9), (FIRST - timedelta(days=1), 9), (FIRST, 10)])
def test_closed_day_stays_closed(day: date, last_number: int) -> None:
    closed = close_day(None, source="f", day=FIRST, last_number=9, records=9)
    with pytest.raises(FeedDayOutOfOrder):
        close_day(closed, source="f", day=day, last_number=last_number, records=1)
