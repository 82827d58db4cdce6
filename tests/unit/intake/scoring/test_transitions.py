"""What became of a late case a month later, told from its facts."""

from datetime import timedelta

from services.intake.domain.policy import DelinquencyPolicy
from services.intake.scoring.features import FeatureRow
from services.intake.scoring.transitions import DatedFact, days_of, transitions
from services.intake.store.loan_facts import holds_from
from tests.unit.intake.facts import DAY, due, overdue, payment, reversal, sold
from tests.unit.intake.folding import PARTY

_MONTH = timedelta(days=30)
_DAYS = [DAY, DAY + _MONTH, DAY + 2 * _MONTH]


def _late(sequence, day, *items, balance=10_000):
    return overdue(sequence, *items, business_date=day, value_date=day, balance=balance)


def _of(*facts, days=tuple(_DAYS)):
    dated = [DatedFact(holds_from(fact), fact) for fact in facts]
    return list(transitions(PARTY, "core-a", dated, days, DelinquencyPolicy()))


def test_days_lie_thirty_days_apart_and_none_before_the_core_was_heard():
    assert days_of(DAY, DAY + timedelta(days=65)) == [
        DAY + timedelta(days=5),
        DAY + timedelta(days=35),
        DAY + timedelta(days=65),
    ]
    assert days_of(DAY, DAY - timedelta(days=1)) == []


def test_quiet_case_rolls():
    first, second = _of(_late(1, DAY, due(10, 500)))
    assert first.features == FeatureRow(days_now=10)
    assert first.outcomes == {"cure": False, "roll": True, "payment": False}
    assert second.features == FeatureRow(days_now=40, days_month_ago=10, paid_last_permille=0)


def test_payment_that_cures_is_cure_and_payment():
    paid_on = DAY + timedelta(days=7)
    paid = payment(2, 500, due(10, 500, 500), business_date=paid_on, value_date=paid_on, balance=9_500)
    (only,) = _of(_late(1, DAY, due(10, 500)), paid)
    assert only.outcomes == {"cure": True, "roll": False, "payment": True}


def test_share_paid_is_of_the_balance_before_it():
    paid_on = DAY + timedelta(days=7)
    paid = payment(2, 100, due(10, 500, 100), business_date=paid_on, value_date=paid_on, balance=900)
    second = _of(_late(1, DAY, due(10, 500), balance=1_000), paid)[1]
    assert second.features.paid_last_permille == 100


def test_money_that_was_taken_back_was_not_paid():
    on = {"business_date": DAY + timedelta(days=7), "value_date": DAY + timedelta(days=7)}
    back = {"business_date": DAY + timedelta(days=9)}
    first = _of(
        _late(1, DAY, due(10, 500)), payment(2, 100, due(10, 500, 100), **on), reversal(3, 100, due(10, 500), **back)
    )[0]
    assert first.outcomes["payment"] is False


def test_nobody_knows_what_became_of_a_loan_that_was_sold():
    gone = DAY + timedelta(days=7)
    (only,) = _of(_late(1, DAY, due(10, 500)), sold(2, business_date=gone, transferred_on=gone))
    assert only.outcomes == {"cure": None, "roll": None, "payment": False}


def test_case_that_was_not_late_is_no_row():
    later = DAY + timedelta(days=45)
    (only,) = _of(_late(1, later, due(20, 500, day=later)), days=(*_DAYS, DAY + 3 * _MONTH))
    assert (only.month, only.features.days_month_ago) == (2, 0)
