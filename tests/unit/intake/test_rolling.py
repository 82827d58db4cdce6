"""Buckets over time: what each loan's moves add up to is what a recount of all loans finds."""

from collections import Counter
from datetime import date, timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.domain.book import Loan, RollState
from services.intake.domain.rolling import EXITS, LATE, NEW, Cell, deltas, direction, matrix, month_of, moved
from shared.events.loan import ChargeWaived, LoanReaged
from tests.unit.intake.facts import DAY, closed, due, overdue, sold, stated
from tests.unit.intake.folding import fold_all

START = date(2026, 1, 15)
STATES = sorted(set(get_args(RollState)) - {"erased"})
_moves = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 20), st.sampled_from(STATES), st.integers(0, 500)), max_size=40
)


def loan_of(place):
    """A loan in a place, with no more about it than the sums look at."""
    book, _ = fold_all([overdue(1)])
    loan = book.loans["L-1"]
    return Loan(loan.loan_id, loan.loan_ref, loan.terms, loan.statement, None, place)


def history(moves):
    """Places of up to four loans day by day: (before, after, day)."""
    places, day, steps = {}, START, []
    for number, days, state, amount in moves:
        day += timedelta(days=days)
        after = moved(places.get(number), state, amount if state in LATE else 0, day)
        if after is not None:
            steps.append((number, places.get(number), after, day))
            places[number] = after
    return places, steps


@settings(max_examples=200, deadline=None)
@given(moves=_moves)
def test_the_sums_are_what_a_recount_finds(moves):
    places, steps = history(moves)
    sums = Counter()
    for _, before, after, _ in steps:
        for cell, amount in deltas([(before and loan_of(before), loan_of(after))]).items():
            sums[cell] += amount.loans
    stock = Counter()
    for cell, loans in sums.items():
        if cell.measure == "stock":
            stock[cell.state] += loans
    assert +stock == Counter(place.state for place in places.values())
    assert min(stock.values(), default=0) >= 0


@settings(max_examples=200, deadline=None)
@given(moves=_moves)
def test_the_matrix_of_each_month_is_what_a_recount_finds(moves):
    _, steps = history(moves)
    for month in {month_of(day) for *_, day in steps}:
        stock, cells = Counter(), Counter()
        for _, before, after, _ in steps:
            for cell, amount in deltas([(before and loan_of(before), loan_of(after))]).items():
                if cell.measure == "stock" and cell.month < month:
                    stock[cell.state] += amount.loans
                elif cell.measure == "move" and cell.month == month:
                    cells[cell.opening, cell.state] += amount.loans
        found = {roll.opening: roll.ended_in for roll in matrix(stock, cells)}
        assert found == recount(steps, month)
        for roll in matrix(stock, cells):
            assert sum(roll.rates.values()) == pytest.approx(1)
            assert sum(roll.directions.values()) == pytest.approx(1)


def recount(steps, month):
    """Month by hand: where each loan stood before it, and stands at its end."""
    before, after = {}, {}
    for number, _, place, _ in steps:
        if place.month < month:
            before[number] = place.state
        if place.month <= month:
            after[number] = place.state
    came_back = {number for number, _, place, _ in steps if place.month == month}
    rows = {}
    for number, state in after.items():
        opening = before.get(number, NEW)
        if opening in EXITS:
            if number not in came_back:
                continue  # it had left, and stayed away
            opening = NEW
        rows.setdefault(opening, Counter())[state] += 1
    return {opening: dict(ended) for opening, ended in rows.items()}


def test_a_loan_ages_is_cured_and_defaults_again():
    late = moved(None, "B1", 500, date(2026, 1, 20))
    cured = moved(late, "current", 0, date(2026, 2, 3))
    again = moved(cured, "B1", 300, date(2026, 2, 20))
    assert (late.opening, cured.opening, again.opening) == (NEW, "B1", "B1")
    assert deltas([(loan_of(cured), loan_of(again))])[Cell("redefault", 202602, "CNY", "", "B1")].loans == 1


def test_the_same_state_with_another_amount_moves_only_money():
    before = moved(None, "B1", 500, START)
    after = moved(before, "B1", 300, START + timedelta(days=1))
    assert {cell.measure: (amount.loans, amount.overdue_minor) for cell, amount in
            deltas([(loan_of(before), loan_of(after))]).items()} == {"stock": (0, -200), "move": (0, -200)}  # fmt: skip
    assert after.since == START


@pytest.mark.parametrize(
    ("opening", "state", "way"),
    [
        ("B1", "B2", "forward"), ("B2", "B1", "back"), ("B2", "B2", "stabilised"), ("B3", "current", "cured"),
        ("B3", "reaged", "reaged"), ("B3", "sold", "exited"), (NEW, "B1", "forward"), ("reaged", "B1", "forward"),
        ("reaged", "reaged", "stabilised"), ("current", "B5", "forward"), ("B1", "closed", "exited"),
    ],
)  # fmt: skip
def test_directions(opening, state, way):
    assert direction(opening, state) == way


@pytest.mark.parametrize(
    ("fact", "state"),
    [
        (stated(LoanReaged, 2), "reaged"), (stated(ChargeWaived, 2), "current"), (closed(2), "closed"),
        (sold(2), "sold"), (overdue(2, due(70, 9)), "B3"),
    ],
)  # fmt: skip
def test_what_a_fact_makes_of_a_place(fact, state):
    book, _ = fold_all([overdue(1), fact])
    place = book.loans["L-1"].place
    assert (place.state, place.since) == (state, DAY)


def test_a_loan_that_was_never_late_is_in_no_place():
    book, _ = fold_all([overdue(1, due(-5, 500))])
    assert book.loans["L-1"].place is None
