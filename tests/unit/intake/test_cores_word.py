"""What a core says beside the amounts of a record, against what follows from them."""

from datetime import timedelta

import pytest

from services.intake.domain.comparison import marked, stated_fields
from services.intake.domain.cores_word import differences, with_word
from services.intake.domain.policy import DelinquencyPolicy
from shared.events.loan import CoreBucket, DueItemsChanged
from tests.unit.intake.facts import DAY, closed, cured, due, overdue, stated
from tests.unit.intake.folding import fold_all

OLDEST = DAY - timedelta(days=33)


def said(*facts, policy=None):
    """What is found with the last of the facts."""
    policy = policy or DelinquencyPolicy()
    book, _ = fold_all(facts, policy=policy)
    found = differences(book, facts[-1], policy)
    return None if found is None else [(one.field, one.ours, one.cores) for one in found]


def late(sequence: int = 1, **word):
    return overdue(sequence, due(33, 500), due(3, 500), **word)


def test_a_record_that_says_nothing_is_not_compared():
    assert said(late()) is None


@pytest.mark.parametrize(
    "word",
    [
        {"core_dpd": 33, "core_oldest_due_date": OLDEST},
        {"core_bucket": CoreBucket(name="31-60", first_days=31, last_days=60)},
        {"core_bucket": CoreBucket(name="30+", first_days=30)},
    ],
)
def test_the_same_word_agrees(word):
    assert said(late(**word)) == []


@pytest.mark.parametrize(
    ("word", "difference"),
    [
        ({"core_dpd": 34}, ("stated_days_past_due", "33", "34")),
        ({"core_dpd": 0}, ("stated_days_past_due", "33", "0")),
        ({"core_oldest_due_date": DAY}, ("stated_oldest_due_date", str(OLDEST), str(DAY))),
        (
            {"core_bucket": CoreBucket(name="1-30", first_days=1, last_days=30)},
            ("stated_bucket", "33 days", "1-30: from 1 days to 30"),
        ),
    ],
)
def test_another_word_is_named_with_both_sides(word, difference):
    assert said(late(**word)) == [difference]


def test_the_contract_s_materiality_decides_what_is_oldest():
    policy = DelinquencyPolicy(materiality_minor={"CNY": ((DAY - timedelta(days=60), 500),)})
    assert said(overdue(1, due(33, 500), due(3, 501), core_dpd=3), policy=policy) == []


def test_a_statement_that_nothing_is_due_is_compared_too():
    assert said(late(), stated(DueItemsChanged, 2, core_dpd=2)) == [("stated_days_past_due", "0", "2")]


def test_an_older_record_is_not_compared():
    assert said(late(2, core_dpd=33), late(1, core_dpd=90)) is None


@pytest.mark.parametrize("settling", [cured(2), closed(2), stated(DueItemsChanged, 2)])
def test_a_loan_that_is_over_or_owes_nothing_settles_what_was_said(settling):
    assert said(late(core_dpd=1), settling) == []


def test_marks_of_both_sorts_stand_beside_each_other():
    fact = late(core_dpd=1)
    book, _ = fold_all([fact])
    heard = with_word(book, fact, differences(book, fact, DelinquencyPolicy()))
    assert stated_fields(heard.loans["L-1"]) == ("stated_days_past_due",)
    looked_at = marked(heard, [], DAY)
    assert looked_at is heard, "the core's balance says nothing of it"
    agreed = late(2, core_dpd=33)
    freed = with_word(heard, agreed, [])
    assert freed.loans["L-1"].standing.disagreement is None
