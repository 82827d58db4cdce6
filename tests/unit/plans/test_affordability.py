"""Affordability and schedules: exact sums, nothing negative, never below the protected minimum."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.plans.domain.affordability import (
    Affordability,
    PlanBelowProtectedMinimum,
    PlanLongerThanAllowed,
    Schedule,
    Statement,
    assess,
    month_later,
    solve,
)
from services.plans.domain.protected_minimum import Household, NoProtectedMinimumError, ProtectedMinimumTable
from shared.money import Money

TABLE = ProtectedMinimumTable.load()
DAY = date(2026, 1, 31)


def cny(minor: int) -> Money:
    return Money(amount_minor=minor, currency="CNY")


def statement(*, income: int, rent: int = 0, commitments: int = 0, adults: int = 1, children: int = 0) -> Statement:
    household = Household(adults=adults, children=children)
    return Statement(household=household, income=cny(income), rent=cny(rent), commitments=cny(commitments))


def check(income: int) -> Affordability:
    return assess(statement(income=income), TABLE, DAY)


def plan(debt: int, *, surplus: int, wished: int | None = None) -> Schedule:
    result = check(150_000 + surplus)
    return solve(cny(debt), result, wished=None if wished is None else cny(wished), start=DAY)


def test_surplus_is_what_is_left_above_the_minimum() -> None:
    facts = statement(income=600_000, rent=150_000, commitments=20_000, adults=2, children=1)
    assert assess(facts, TABLE, DAY).surplus == cny(600_000 - 150_000 - 20_000 - 150_000 - 110_000 - 80_000)


def test_last_instalment_takes_the_rest() -> None:
    schedule = plan(100_000, surplus=30_000)
    assert [each.amount.amount_minor for each in schedule.instalments] == [30_000, 30_000, 30_000, 10_000]


def test_due_dates_survive_short_months() -> None:
    schedule = plan(60_000, surplus=20_000)
    assert [each.due_date for each in schedule.instalments] == [date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]


def test_no_surplus_is_a_pause() -> None:
    schedule = plan(100_000, surplus=0)
    assert (schedule.kind, schedule.instalments, schedule.total) == ("pause", (), cny(0))
    assert schedule.review_on == date(2026, 4, 30)


def test_small_surplus_is_a_token_plan() -> None:
    schedule = plan(6_000_001, surplus=100_000)
    assert (schedule.kind, len(schedule.instalments), schedule.total) == ("token", 12, cny(1_200_000))


def test_sixty_months_are_still_a_plan() -> None:
    schedule = plan(6_000_000, surplus=100_000)
    assert (schedule.kind, len(schedule.instalments)) == ("instalments", 60)


def test_wish_above_the_surplus_is_refused_with_the_most_affordable() -> None:
    with pytest.raises(PlanBelowProtectedMinimum) as refusal:
        plan(100_000, surplus=30_000, wished=30_001)
    assert refusal.value.status == 422
    assert refusal.value.members["rule"] == "PLAN-PROTECTED-MINIMUM"
    assert refusal.value.members["most_affordable"] == cny(30_000).model_dump()


def test_any_wish_is_refused_when_nothing_is_left() -> None:
    with pytest.raises(PlanBelowProtectedMinimum) as refusal:
        plan(100_000, surplus=-50_000, wished=1)
    assert refusal.value.members["most_affordable"] == cny(0).model_dump()


def test_wish_that_takes_too_long_names_the_least_and_the_law() -> None:
    with pytest.raises(PlanLongerThanAllowed) as refusal:
        plan(6_100_000, surplus=200_000, wished=100_000)
    assert refusal.value.members["least_allowed"] == cny(101_667).model_dump()
    assert "art. 70" in str(refusal.value.members["citation"])


def test_smaller_wish_is_respected() -> None:
    assert plan(100_000, surplus=90_000, wished=10_000).instalments[0].amount == cny(10_000)


def test_currency_without_table_is_refused() -> None:
    with pytest.raises(NoProtectedMinimumError):
        TABLE.minimum(Household(adults=1, children=0), "EUR", DAY)


def test_day_before_the_table_is_refused() -> None:
    with pytest.raises(NoProtectedMinimumError):
        TABLE.minimum(Household(adults=1, children=0), "CNY", date(1999, 12, 31))


AMOUNT = st.integers(0, 10**10)


@given(
    debt=st.integers(1, 10**11), income=AMOUNT, rent=AMOUNT, commitments=AMOUNT, adults=st.integers(1, 6),
    children=st.integers(0, 6), wished=st.one_of(st.none(), st.integers(0, 10**9)), start=st.dates(date(2000, 1, 1)),
)  # fmt: skip
def test_every_schedule_is_exact_and_protects_the_household(
    debt: int, income: int, rent: int, commitments: int, adults: int, children: int, wished: int | None, start: date
) -> None:
    if start.year > 2900:
        start = start.replace(year=2900, day=1)
    facts = statement(income=income, rent=rent, commitments=commitments, adults=adults, children=children)
    result = assess(facts, TABLE, start)
    try:
        schedule = solve(cny(debt), result, wished=None if wished is None else cny(wished), start=start)
    except PlanBelowProtectedMinimum:
        assert wished is not None
        assert wished > max(0, result.surplus.amount_minor)
        return
    except PlanLongerThanAllowed:
        assert wished is not None
        assert wished * 60 < debt <= result.surplus.amount_minor * 60
        return
    amounts = [each.amount.amount_minor for each in schedule.instalments]
    assert sum(amounts) == schedule.total.amount_minor
    assert len(amounts) <= 60
    assert all(amount > 0 for amount in amounts)
    kept = income - rent - commitments - max(amounts, default=0)
    assert not amounts or kept >= result.protected_minimum.amount_minor
    assert schedule.total.amount_minor == debt or schedule.kind != "instalments"
    dates = [each.due_date for each in schedule.instalments]
    assert dates == sorted(set(dates))
    assert all(due > start for due in dates)


@given(start=st.dates(date(1990, 1, 1), date(2100, 1, 1)), months=st.integers(0, 600))
def test_month_later_counts_months(start: date, months: int) -> None:
    later = month_later(start, months)
    assert (later.year * 12 + later.month) - (start.year * 12 + start.month) == months
    assert later.day <= start.day
