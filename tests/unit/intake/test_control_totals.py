"""A day's control totals against our own sums."""

from uuid import UUID

from services.intake.domain.assessment import assess
from services.intake.domain.control_totals import NOTHING, Totals, differences, is_incident, summed, told_until
from services.intake.domain.hindsight import refold
from services.intake.domain.policy import DelinquencyPolicy
from shared.events.loan import Obligor
from tests.unit.intake.facts import DAY, overdue, payment


def sums(*facts):
    book = refold(UUID(int=1), "core-a", facts)
    return summed(NOTHING, [(book, assess(book, DAY, DelinquencyPolicy()))])


def test_each_currency_is_a_total_of_its_own():
    found = differences(Totals(3, {"CNY": 500, "JPY": 70}), Totals(3, {"CNY": 500, "USD": 5}))
    assert [tuple(one) for one in found] == [("overdue_total.JPY", 70, 0), ("overdue_total.USD", 0, 5)]
    assert [one.field for one in differences(Totals(3, {}), Totals(4, {"CNY": 0}))] == ["open_loans"]


def test_half_a_percent_of_enough_loans_is_an_incident():
    assert not is_incident(Totals(9, {"CNY": 1}), Totals(9, {"CNY": 1_000_000}))
    assert not is_incident(Totals(1_000, {"CNY": 100_000}), Totals(1_005, {"CNY": 100_500}))
    assert is_incident(Totals(1_000, {"CNY": 100_000}), Totals(1_006, {"CNY": 100_000}))
    assert is_incident(Totals(1_000, {"CNY": 100_000}), Totals(1_000, {"CNY": 98_000}))


def test_a_loan_counts_once_where_its_borrower_leads():
    lead = [
        Obligor(party_ref="P-1", role="borrower", liability="joint"),
        Obligor(party_ref="P-2", role="co_borrower", liability="joint"),
    ]
    assert sums(overdue(1, obligors=lead)).open_loans == 1
    swapped = [
        Obligor(party_ref="P-2", role="borrower", liability="joint"),
        Obligor(party_ref="P-1", role="co_borrower", liability="joint"),
    ]
    assert sums(overdue(1, obligors=swapped)) == NOTHING


def test_facts_of_the_next_day_are_not_in_the_totals_of_this_one():
    facts = [overdue(1), payment(2, 100, business_date=DAY.replace(day=DAY.day + 1))]
    assert told_until(facts, DAY) == facts[:1]
