"""Days past due: calendar days, month ends, leap days, grace, pauses, materiality, exponents."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain.calendar import (
    BusinessCalendar,
    FutureBusinessDateError,
    check_business_date,
    latest_possible_date,
)
from services.intake.domain.delinquency import Arrears, DueAmount, Pause, arrears, effective_days
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.settings import IntakeSettings

DAY = date(2026, 3, 10)


def item(day: date, amount: int = 500, paid: int = 0) -> DueAmount:
    return DueAmount(day, "instalment", amount, 0, 0, 0, paid)


@pytest.mark.parametrize(
    ("due", "as_of", "days"),
    [
        (date(2026, 1, 31), date(2026, 3, 1), 29),
        (date(2024, 2, 28), date(2024, 3, 1), 2),
        (date(2023, 2, 28), date(2023, 3, 1), 1),
        (date(2024, 2, 29), date(2025, 3, 1), 366),
        (date(2025, 12, 31), date(2026, 1, 1), 1),
    ],
)
def test_days_over_month_ends_and_leap_days(due, as_of, days):
    found = arrears([item(due)], as_of)
    assert found is not None
    assert found.days == days


def test_due_date_itself_is_not_past_due():
    assert arrears([item(date(2026, 3, 5))], date(2026, 3, 5)) is None


def test_settled_items_do_not_count():
    found = arrears([item(date(2026, 1, 5), 500, 500), item(date(2026, 2, 5))], date(2026, 3, 5))
    assert found is not None
    assert found.oldest_due_date == date(2026, 2, 5)


def test_overpaid_item_helps_no_other():
    found = arrears([item(date(2026, 1, 5), 500, 900), item(date(2026, 2, 5))], date(2026, 3, 5))
    assert found is not None
    assert found.overdue_minor == 500


def test_rest_within_materiality_does_not_set_the_age():
    items = [item(date(2026, 1, 5), 500, 401), item(date(2026, 2, 5))]
    found = arrears(items, date(2026, 3, 5), threshold_minor=99)
    assert found is not None
    assert (found.oldest_due_date, found.overdue_minor) == (date(2026, 2, 5), 599)


def test_materiality_is_per_currency_in_minor_units():
    policy = IntakeSettings(materiality_minor={"JPY": 1, "KWD": 1000}).policy()
    assert [policy.threshold_minor(currency, DAY) for currency in ("JPY", "KWD", "CNY")] == [1, 1000, 0]


def test_materiality_is_the_one_of_the_day():
    policy = IntakeSettings(materiality_minor={"CNY": {"2026-07-01": 10_000, "2026-01-01": 500}}).policy()
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 6, 30), date(2026, 7, 1)]
    assert [policy.threshold_minor("CNY", day) for day in days] == [0, 500, 500, 10_000]


def test_limits_of_materiality_that_do_not_ascend_are_refused():
    with pytest.raises(ValueError, match="ascend"):
        DelinquencyPolicy(materiality_minor={"CNY": ((DAY, 1), (DAY, 2))})


def test_due_date_on_a_closed_day_moves_only_where_the_contract_says_so():
    calendar = BusinessCalendar(holidays=frozenset({date(2026, 3, 9)}), working_days=frozenset())
    policy = DelinquencyPolicy(calendar=calendar, moved_products=frozenset({"card"}))
    saturday = item(date(2026, 3, 7))
    moved = arrears([saturday], date(2026, 3, 11), moving=policy.moving("card"))
    stands = arrears([saturday], date(2026, 3, 11), moving=policy.moving("mortgage"))
    assert moved == Arrears(500, date(2026, 3, 10), 1)
    assert stands == Arrears(500, date(2026, 3, 7), 4)


def test_item_whose_moved_date_is_today_is_not_past_due():
    moving = BusinessCalendar().following
    assert arrears([item(date(2026, 3, 7))], date(2026, 3, 9), moving=moving) is None


def test_day_of_a_weekend_on_which_the_bank_works_is_a_business_day():
    sunday = date(2026, 2, 15)
    assert BusinessCalendar(working_days=frozenset({sunday})).following(sunday) == sunday


def test_calendar_without_business_days_is_refused():
    with pytest.raises(ValueError, match="no business day"):
        BusinessCalendar(weekend=frozenset(range(1, 8))).following(DAY)


def test_calendar_is_read_from_its_file(tmp_path):
    path = tmp_path / "calendar.toml"
    path.write_text("weekend = [5, 6]\nholidays = [2026-10-01]\n")
    policy = IntakeSettings(calendar=path, moved_products={"card"}).policy()
    assert policy.calendar == BusinessCalendar(frozenset({5, 6}), frozenset({date(2026, 10, 1)}), frozenset())


def test_moved_due_dates_need_a_calendar():
    with pytest.raises(ValueError, match="calendar"):
        IntakeSettings(moved_products={"card"})


@pytest.mark.parametrize(
    ("days", "bucket"), [(0, "current"), (1, "B1"), (30, "B1"), (31, "B2"), (180, "B4"), (181, "B5")]
)
def test_bucket_limits(days, bucket):
    assert DelinquencyPolicy().bucket(days, date(2026, 3, 10)) == bucket


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        (((date.min, (30, 30, 90, 120)),), "ascending"),
        (((date.min, (0, 30)),), "positive"),
        (((date.min, ()),), "2 to 9"),
        (((date.min, tuple(range(1, 10))),), "2 to 9"),
        (((date(2026, 3, 1), (30,)), (date(2026, 3, 1), (60,))), "first day"),
        ((), "first day"),
    ],
)
def test_impossible_buckets_are_refused(limits, fault):
    with pytest.raises(ValueError, match=fault):
        DelinquencyPolicy(bucket_limits=limits)


def test_a_bank_has_as_many_buckets_as_it_needs_from_a_day_on():
    """M1 to M7, as banks in China count; until then a single limit."""
    policy = IntakeSettings.model_validate(
        {"bucket_last_days": {"2020-01-01": [90], "2026-07-01": [30, 60, 90, 120, 150, 180]}}
    ).policy()

    assert [policy.bucket(days, date(2026, 6, 30)) for days in (0, 90, 91, 4_000)] == ["current", "B1", "B2", "B2"]
    assert [policy.bucket(days, date(2026, 7, 1)) for days in (30, 121, 180, 181)] == ["B1", "B5", "B6", "B7"]
    assert policy.bucket(40, date(2019, 1, 1)) == "B1"
    assert policy.buckets_between(100, None) == ("B2", "B3", "B4", "B5", "B6", "B7")
    assert policy.buckets_between(0, 0) == ("current",)
    assert policy.buckets_between(170, 175) == ("B2", "B3", "B4", "B5", "B6")


_days = st.integers(0, 400).map(lambda offset: date(2024, 1, 1) + timedelta(days=offset))
_pauses = st.lists(
    st.builds(lambda first, span: Pause(first, first + timedelta(days=span), "p"), _days, st.integers(0, 90)),
    max_size=4,
)


@given(due=_days, as_of=_days, grace=st.integers(0, 40), pauses=_pauses)
def test_effective_days_count_the_days_that_nothing_excuses(due, as_of, grace, pauses):
    first = due + timedelta(days=1 + grace)
    counted = [first + timedelta(days=n) for n in range(max(0, (as_of - first).days + 1))]
    expected = sum(1 for day in counted if not any(pause.first <= day <= pause.last for pause in pauses))
    assert effective_days(due, as_of, grace_days=grace, pauses=pauses) == expected


def test_date_after_the_expected_one_is_future():
    latest = latest_possible_date(date(2026, 3, 9), date(2026, 3, 10), days_ahead=1)
    check_business_date(date(2026, 3, 11), latest)
    with pytest.raises(FutureBusinessDateError):
        check_business_date(date(2026, 3, 12), latest)


def test_a_core_may_be_ahead_of_the_local_calendar():
    assert latest_possible_date(date(2026, 3, 12), date(2026, 3, 10), days_ahead=0) == date(2026, 3, 13)
