"""The law as the checker reads it, by the examples of permits.md."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from worlds import law


@pytest.mark.parametrize(
    ("day", "free"),
    [
        (date(2026, 1, 15), date(2026, 2, 15)),
        (date(2026, 1, 31), date(2026, 3, 1)),
        (date(2026, 2, 28), date(2026, 3, 28)),
        (date(2026, 12, 31), date(2027, 1, 31)),
    ],
)
def test_month_runs_from_date_to_date(day: date, free: date) -> None:
    assert law.month_after(day) == free


def test_conversation_of_monday_leaves_the_next_monday_free() -> None:
    monday = frozenset({date(2026, 3, 2)})
    assert law.busiest(frozenset({date(2026, 3, 8)}), [monday], 7) == 1
    assert law.busiest(frozenset({date(2026, 3, 9)}), [monday], 7) == 0


def test_event_on_two_dates_is_on_both() -> None:
    both = law.dates_of(datetime(2026, 3, 2, 17, tzinfo=UTC), datetime(2026, 3, 2, 17, tzinfo=UTC), law_zones())
    assert both == {date(2026, 3, 2), date(2026, 3, 3)}
    assert law.busiest(frozenset({date(2026, 3, 9)}), [both], 7) == 1


def law_zones() -> tuple[str, str]:
    return "Asia/Shanghai", "Asia/Urumqi"


@pytest.mark.parametrize(
    ("start", "minutes", "lawful"),
    [
        (datetime(2026, 3, 7, 13, 0, tzinfo=UTC), 30, True),  # 08:00 in New York's winter
        (datetime(2026, 3, 7, 12, 59, tzinfo=UTC), 30, False),
        (datetime(2026, 3, 8, 12, 0, tzinfo=UTC), 30, True),  # 08:00 on the day of the change
        (datetime(2026, 3, 9, 0, 30, tzinfo=UTC), 30, True),  # ends at 21:00 sharp
        (datetime(2026, 3, 9, 0, 31, tzinfo=UTC), 30, False),
    ],
)
def test_hours_follow_the_wall_clock(start: datetime, minutes: int, lawful: bool) -> None:
    day = law.local(start, "America/New_York").date()
    end = start + timedelta(minutes=minutes)
    assert law.inside(day, 8 * 60, 21 * 60, start, end, "America/New_York") is lawful


@dataclass(frozen=True)
class On:
    """A stop of some kind on something."""

    kind: str
    scope: str
    debt: UUID | None = None
    number: str | None = None


def stopped(stop: On, channel: str, purpose: str, *, debts: Any = None, number: str | None = None) -> bool:
    return law.stopped("CN", stop, channel, purpose, debts=debts, number=number)


def test_stop_of_one_channel_leaves_the_others() -> None:
    assert stopped(On("dispute", "visit_channel"), "visit", "collection")
    assert not stopped(On("dispute", "visit_channel"), "call", "collection")
    assert not stopped(On("deceased", "collection"), "visit", "reply")
    assert not stopped(On("deceased", "party"), "visit", "safety")


def test_stop_of_one_loan_or_number_leaves_the_others_and_covers_what_nobody_said() -> None:
    held, other = UUID(int=1), UUID(int=2)
    for debts, expected in ((None, True), ({held}, True), ({held, other}, True), ({other}, False)):
        assert stopped(On("dispute", "loan", debt=held), "visit", "collection", debts=debts) is expected
    for number, expected in ((None, True), ("a", True), ("b", False)):
        assert stopped(On("dispute", "contact_point", number="a"), "call", "collection", number=number) is expected
    assert not stopped(On("dispute", "contact_point", number="a"), "visit", "collection")
