"""Two records under one number: which came first cannot be proved, so nobody acts until a newer one says."""

import itertools
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.domain.assessment import assess, newest_date, suspensions
from services.intake.domain.merge import merge
from services.intake.domain.one_number import contradiction, is_marked, settles, with_mark, without_mark
from services.intake.domain.policy import DelinquencyPolicy
from shared.events.loan import ChargeWaived, DueItemsChanged
from tests.unit.intake.facts import DAY, closed, credit, cured, due, overdue, payment, reversal, stated
from tests.unit.intake.folding import nobody, step


def heard(facts):
    """The book, each fact with the doubt that it brings or ends."""
    book = nobody()
    for fact in facts:
        found = contradiction(book, fact)
        after = step(book, fact).book
        if found is not None:
            after = with_mark(after, fact.loan_ref, fact.business_date)
        elif settles(book, after, fact.loan_ref):
            after = without_mark(after, fact.loan_ref, fact.business_date)
        book = after
    return book


def in_doubt(*facts):
    return is_marked(heard(facts).loans["L-1"])


CONTRADICTING = {
    "two amounts": (overdue(1, due(10, 500)), overdue(1, due(10, 400))),
    "two balances": (overdue(1, balance=900), overdue(1, balance=800)),
    "two dates": (overdue(1, due(10, 500)), overdue(1, due(9, 500))),
    "late and cured": (overdue(1), cured(1, balance=100_000)),
    "late and nothing due": (overdue(1), stated(DueItemsChanged, 1, balance=100_000)),
    "late and paid": (overdue(2), payment(2, 500, due(10, 500, 500))),
    "late and credited": (overdue(2), credit(2, 500, due(10, 500, 500))),
    "paid and taken back": (payment(2, 500, due(10, 500, 500)), reversal(2, 500)),
    "disputed and not": (overdue(1), overdue(1, flags=["disputed"])),
    "two payments of one reference": (payment(2, 500, due(10, 9)), payment(2, 400)),
    "cleared and not": (payment(2, 500, due(10, 9)), payment(2, 500, due(10, 9), cleared=False)),
}


@pytest.mark.parametrize("pair", CONTRADICTING.values(), ids=CONTRADICTING)
def test_in_either_order_it_is_in_doubt_and_a_repetition_settles_nothing(pair):
    known = overdue(1) if pair[0].core_sequence == 2 else overdue(1, business_date=DAY - timedelta(days=1))
    for facts in itertools.permutations(pair):
        assert in_doubt(known, *facts)
        assert in_doubt(known, *facts, *facts, facts[0])


@pytest.mark.parametrize(
    "newer", [overdue(3), cured(3), stated(ChargeWaived, 3), payment(3, 500, due(1, 9)), closed(3)]
)
def test_a_newer_word_on_what_is_due_settles_it_in_any_order(newer):
    pair = CONTRADICTING["late and paid"]
    for facts in itertools.permutations([*pair, newer]):
        assert not in_doubt(overdue(1), *facts)


def test_who_is_in_doubt_is_suspended():
    book = heard(CONTRADICTING["two amounts"])
    assert suspensions(book, assess(book, newest_date(book, None), DelinquencyPolicy())) == ("core_differs",)


@pytest.mark.parametrize(
    "facts",
    [
        (overdue(1), overdue(1)),
        (overdue(1, due(10, 500)), overdue(1, due(10, 200), due(10, 300))),
        (overdue(1, due(10, 500)), overdue(1, due(10, 500), due(0, 100))),
        (overdue(1), payment(1, 100, due(10, 500))),
        (overdue(1), stated(ChargeWaived, 1, due(10, 500), balance=100_000)),
        (overdue(1), payment(1, 100), payment(1, 100)),
        (overdue(1), payment(1, 100, due(10, 400), currency="USD")),
        (overdue(1), overdue(2, due(10, 400))),
        (overdue(1), overdue(1, due(10, 400), loan="L-2")),
    ],
)
def test_the_same_said_twice_or_of_something_else_is_no_doubt(facts):
    assert not in_doubt(*facts)


def test_the_end_of_a_loan_counts_before_what_is_due_under_the_same_number():
    for facts in itertools.permutations([overdue(1), closed(1)]):
        assert heard(facts).loans["L-1"].ending is not None


_amounts = st.sampled_from([100, 200])


@st.composite
def _records(draw):
    number = draw(st.integers(1, 3))
    items = [due(10, draw(_amounts))]
    return draw(
        st.sampled_from(
            [
                overdue(number, *items),
                cured(number, balance=100_000),
                stated(DueItemsChanged, number, *items, balance=100_000),
                payment(number, items[0].principal, ref=f"T-{number}"),
                payment(number, 100, *items, ref=f"T-{number}"),
                reversal(number, 100, *items, ref=f"T-{number}"),
            ]
        )
    )


@settings(max_examples=100, deadline=None)
@given(records=st.lists(_records(), min_size=2, max_size=5), random=st.randoms(use_true_random=False))
def test_any_order_ends_with_the_same_right_to_act(records, random):
    shuffled = [record for record in records for _ in range(3)]
    random.shuffle(shuffled)
    assert _right(shuffled) == _right(records)


def _right(records):
    book = heard([overdue(1, business_date=DAY - timedelta(days=1)), *records])
    state = assess(book, newest_date(book, None), DelinquencyPolicy())
    loan = book.loans["L-1"]
    money = {reference: (one.receipt, one.reversal) for reference, one in book.movements.items()}
    return state, suspensions(book, state), loan.statement, money, is_marked(loan)


def test_money_under_one_number_is_the_same_in_any_order():
    pair = CONTRADICTING["two payments of one reference"]
    books = []
    for facts in itertools.permutations(pair):
        book = nobody()
        for fact in facts:
            book, _ = merge(book, fact, None)
        books.append(book.movements)
    assert books[0] == books[1]
