"""What was past due on a day, folded from the facts alone."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.domain.assessment import assess
from services.intake.domain.hindsight import refold, state_on
from services.intake.domain.policy import DelinquencyPolicy
from shared.events.loan import LoanCorrected, PartyUpdated
from tests.unit.intake.facts import DAY, due, hold, overdue, payment, stated
from tests.unit.intake.folding import PARTY, fold_all
from tests.unit.intake.test_order import _PARTIES, histories

_POLICY = DelinquencyPolicy()


def _on(day, *facts):
    state, suspended = state_on(refold(PARTY, "core-a", facts), day, _POLICY)
    return state.days_contractual, dict(state.overdue_minor), suspended


def test_day_before_the_newest_fact_is_counted_to_that_day():
    facts = [overdue(1, due(10, 500))]
    assert _on(DAY - timedelta(days=4), *facts)[0] == 6


def test_correction_changes_the_day_that_it_is_about():
    told = [overdue(1, due(10, 500))]
    later = DAY + timedelta(days=9)
    corrected = stated(LoanCorrected, 2, due(3, 200), business_date=later, value_date=DAY)
    assert _on(DAY, *told) == (10, {"CNY": 500}, ())
    assert _on(DAY, *told, corrected) == (3, {"CNY": 200}, ())


def test_payment_of_the_day_is_counted():
    assert _on(DAY, overdue(1, due(10, 500)), payment(2, 500, due(10, 500, 500)))[:2] == (0, {})


def test_hold_of_the_core_suspends_only_the_days_that_it_covers():
    held = hold(2, starts_on=DAY, ends_on=DAY + timedelta(days=1))
    facts = [overdue(1, due(10, 500)), held]
    assert _on(DAY, *facts)[2] == ("on_hold",)
    assert _on(DAY + timedelta(days=2), *facts)[2] == ()


@settings(max_examples=60)
@given(histories(), st.randoms(use_true_random=False))
def test_facts_folded_again_in_any_order_make_the_state_of_the_case(facts, draw):
    book, _ = fold_all(facts, parties=_PARTIES)
    told = [fact for fact in facts if not isinstance(fact, PartyUpdated)]
    draw.shuffle(told)
    again = refold(PARTY, "core-a", told)
    if book.case is None:
        assert not any(loan.terms for loan in again.loans.values())
        return
    ours, theirs = assess(book, book.case.as_of, _POLICY), assess(again, book.case.as_of, _POLICY)
    assert (theirs.bucket, theirs.overdue_minor, theirs.days_contractual) == (
        ours.bucket, ours.overdue_minor, ours.days_contractual,
    )  # fmt: skip
