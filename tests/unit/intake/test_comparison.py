"""Our book against the core's word."""

from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from services.intake.domain.assessment import assess, suspensions
from services.intake.domain.comparison import LoanStatus, PartField, compare, is_incident, marked
from services.intake.domain.policy import DelinquencyPolicy
from shared.events.loan import Obligor
from tests.unit.intake.facts import DAY, closed, due, hold_end, obligors, overdue
from tests.unit.intake.folding import PARTY, fold_all

POLICY = DelinquencyPolicy()


@dataclass(frozen=True)
class Core:
    """What the core says; by default the same as we."""

    overdue_minor: int = 500
    balance_minor: int = 100_000
    oldest_due_date: date | None = DAY - timedelta(days=10)
    currency: str = "CNY"
    days_past_due: int | None = None
    status: LoanStatus | None = None
    parts: dict[PartField, int] | None = None
    obligors: frozenset[tuple[str, str]] | None = None


def differences(stated, *facts):
    book, _ = fold_all(facts or [overdue(1)])
    return [(found.field, found.ours, found.cores) for found in compare(book, stated, DAY, POLICY)]


def test_agreement_is_no_difference():
    assert differences({"L-1": Core()}) == []


@pytest.mark.parametrize(
    ("core", "difference"),
    [
        (Core(overdue_minor=499), ("overdue_minor", "500", "499")),
        (Core(balance_minor=0), ("balance_minor", "100000", "0")),
        (Core(oldest_due_date=None), ("oldest_due_date", "2026-02-28", "None")),
        (Core(currency="JPY"), ("currency", "CNY", "JPY")),
        (Core(days_past_due=11), ("days_past_due", "10", "11")),
        (Core(status="written_off"), ("status", "open", "written_off")),
        (Core(parts={"principal_minor": 500, "penalty_minor": 7}), ("penalty_minor", "0", "7")),
        (
            Core(obligors=frozenset({("P-1", "borrower"), ("P-9", "guarantor")})),
            ("obligors", "P-1 (borrower)", "P-1 (borrower), P-9 (guarantor)"),
        ),
    ],
)
def test_each_field_is_named(core, difference):
    assert differences({"L-1": core}) == [difference]


def test_what_the_core_says_besides_agrees():
    said = Core(
        days_past_due=10, status="open", parts={"principal_minor": 500, "paid_minor": 0},
        obligors=frozenset({("P-1", "borrower")}),
    )  # fmt: skip
    assert differences({"L-1": said}) == []
    gone = Core(0, oldest_due_date=None, days_past_due=0, parts={"principal_minor": 0}, status="closed")
    assert differences({"L-1": gone}, overdue(1), closed(2)) == []


def test_a_loan_that_the_core_does_not_know():
    assert differences({}) == [("loan", "known", None)]


def test_what_we_only_know_by_its_end_is_not_compared():
    assert differences({}, hold_end(1)) == []


def test_a_closed_loan_owes_nothing():
    stated = {"L-1": Core(overdue_minor=0, oldest_due_date=None)}
    assert differences(stated, overdue(1), closed(2)) == []


def test_a_marked_loan_suspends_until_both_agree():
    book, _ = fold_all([overdue(1, due(10, 500))])
    doubted = marked(book, compare(book, {"L-1": Core(overdue_minor=1)}, DAY, POLICY), DAY)
    assert suspensions(doubted, assess(doubted, DAY, POLICY)) == ("core_differs",)
    freed = marked(doubted, [], DAY)
    assert suspensions(freed, assess(freed, DAY, POLICY)) == ()
    assert marked(freed, [], DAY) is freed


@pytest.mark.parametrize(
    ("compared", "differing", "incident"), [(10_000, 50, False), (10_000, 51, True), (100, 9, False), (100, 10, True)]
)
def test_more_than_half_a_percent_is_one_incident(compared, differing, incident):
    assert is_incident(compared=compared, differing=differing) == incident


def test_a_loan_that_is_somebody_else_s_is_compared_there():
    book, _ = fold_all([overdue(1), obligors(2, "P-9")], parties={"P-9": PARTY})
    assert compare(book, {"L-1": Core()}, DAY, POLICY) == []
    [found] = compare(book, {"L-1": Core(obligors=frozenset({("P-1", "borrower")}))}, DAY, POLICY)
    assert (found.field, found.ours) == ("obligors", "P-9 (borrower)")


def test_what_a_guarantor_owes_only_on_demand_is_compared_with_the_borrower():
    bound = [
        Obligor(party_ref="P-9", role="borrower", liability="full"),
        Obligor(party_ref="P-1", role="guarantor", liability="full"),
    ]
    book, _ = fold_all([overdue(1, obligors=bound)], parties={"P-9": PARTY, "P-1": PARTY})
    assert compare(book, {"L-1": Core()}, DAY, POLICY) == []
