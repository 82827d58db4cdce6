"""Days of a feed: each begins where the one before ended; what does not add up is found."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compliance.domain.feeds import (
    Feed,
    FeedDay,
    FeedDayOutOfOrder,
    close_day,
    closed_until,
    gap_found,
    opened_by,
)

FIRST = date(2026, 3, 2)
NOW = datetime(2026, 3, 3, 1, tzinfo=UTC)
REAL = datetime(2026, 11, 23, 12, tzinfo=UTC)


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


@pytest.mark.parametrize(
    ("day", "behind"), [(FIRST, 1), (FIRST + timedelta(days=1), 0), (FIRST - timedelta(days=9), 217)]
)
def test_a_close_reaches_no_further_than_its_day(day: date, behind: int) -> None:
    assert closed_until(day, now=NOW, real_now=REAL) == REAL - timedelta(hours=behind)


def feed(**changes: Any) -> Feed:
    values: dict[str, Any] = {
        "source": "f", "kind": "contacts", "client_id": "core", "channels": ("call", "sms"), "silent_after_hours": 2,
        "heard_real": REAL, "closed_real": REAL, "total_key": "key",
    }  # fmt: skip
    return Feed(**(values | changes))


@pytest.mark.parametrize(
    ("known", "terms", "opened"),
    [
        ({}, {"channels": ("call",)}, []),
        ({"heard_real": REAL - timedelta(hours=3)}, {"channels": ("call",)}, ["sms"]),
        ({"heard_real": REAL - timedelta(hours=3)}, {"silent_after_hours": 9}, ["call", "sms"]),
        ({"heard_real": REAL - timedelta(hours=3)}, {"channels": ("call", "email", "sms"), "total_key": "new"}, []),
        ({"closed_real": REAL - timedelta(hours=49)}, {"silent_after_hours": 9}, []),
        ({"closed_real": REAL - timedelta(hours=47)}, {"channels": ("call",)}, []),
        ({"closed_real": REAL - timedelta(hours=49), "ended_real": REAL}, {"channels": ("call",)}, []),
    ],
)  # fmt: skip
def test_new_terms_open_nothing_that_is_closed(known: dict[str, Any], terms: dict[str, Any], opened: list[str]) -> None:
    assert opened_by(feed(**known), feed(**terms), real_now=REAL) == opened
