"""Every way in which a debt changes besides payments: what the case becomes, and what the others hear."""

from datetime import timedelta

import pytest

from services.intake.domain.assessment import assess
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.domain.trigger import Trigger
from shared.events.loan import (
    ChargeApplied,
    ChargeReversed,
    ChargeWaived,
    DueItemsChanged,
    LoanCorrected,
    LoanReaged,
    LoanRescheduled,
)
from shared.ids import derived_id
from shared.messaging import Outcome
from tests.unit.intake.facts import (
    DAY,
    balance,
    charge_off,
    closed,
    credit,
    due,
    hold,
    hold_end,
    obligors,
    overdue,
    payment,
    recovery,
    reversal,
    sold,
    stated,
    written_off,
)
from tests.unit.intake.folding import NOW, fold_all, names, nobody, step

PARTIES = {reference: derived_id("test", reference) for reference in ("P-1", "P-9")}


def causes(events):
    return [event.data.cause for event in events if event.type == "party.stopped"]


@pytest.mark.parametrize(
    ("model", "cause", "stop"),
    [
        (ChargeWaived, "waiver", "waiver"),
        (ChargeReversed, "charge_reversed", "charge_reversed"),
        (LoanRescheduled, "restructure", "restructure"),
        (LoanReaged, "reage", "reage"),
        (LoanCorrected, "correction", "correction"),
        (DueItemsChanged, "core_statement", "due_changed"),
    ],
)
def test_less_due_recalls_contact_and_names_the_cause(model, cause, stop):
    book, _ = fold_all([overdue(1, due(10, 500))])
    less = step(book, stated(model, 2, due(10, 300)))
    assert names(less.events) == ["case.updated", "party.stopped"]
    assert causes(less.events) == [stop]
    nothing = step(less.book, stated(model, 3))
    assert names(nothing.events) == ["case.cured", "party.stopped"]
    assert nothing.events[0].data.cause == cause


def test_a_charge_raises_what_is_due_and_recalls_nothing():
    book, _ = fold_all([overdue(1, due(10, 500))])
    more = step(book, stated(ChargeApplied, 2, due(10, 510)))
    assert names(more.events) == ["case.updated"]
    assert more.book.case.overdue_minor == (("CNY", 510),)


def test_credit_clears_what_is_overdue():
    _, events = fold_all([overdue(1, due(10, 500)), credit(2, 500, due(10, 500, 500))])
    assert names(events) == ["case.opened", "case.payment_posted", "case.cured", "party.stopped", "party.stopped"]
    assert events[1].data.kind == "credit"
    assert causes(events) == ["credit", "cured"]
    assert events[2].data.cause == "credit"


def test_credit_under_a_reference_already_known_counts_once():
    book, _ = fold_all([overdue(1), credit(2, 100)])
    assert step(book, credit(2, 100)).outcome is Outcome.IGNORED


def test_one_loan_less_of_two():
    _, events = fold_all([overdue(1), overdue(2, loan="L-2"), stated(LoanReaged, 3, loan="L-2")])
    last = [event for event in events if event.type == "case.loan_cured"]
    assert [event.data.cause for event in last] == ["reage"]
    assert events[-1].type == "party.stopped"


@pytest.mark.parametrize(("ending", "kind"), [(closed, "paid"), (sold, "sold"), (written_off, "written_off")])
def test_the_last_loan_to_end_closes_the_case(ending, kind):
    book, events = fold_all([overdue(1), ending(2)])
    assert names(events) == ["case.opened", "case.closed", "party.stopped"]
    assert events[1].data.cause == kind
    assert causes(events) == [kind]
    assert book.case.status == "closed"


def test_a_sold_loan_leaves_its_neighbour_in_the_case():
    book, events = fold_all([overdue(1), overdue(2, due(5, 70), loan="L-2"), sold(3, loan="L-2")])
    assert [event.data.cause for event in events if event.type == "case.loan_cured"] == ["sold"]
    assert (book.case.status, book.case.overdue_minor) == ("open", (("CNY", 500),))


def test_a_newer_statement_brings_a_closed_loan_back():
    book, events = fold_all([overdue(1), closed(2), overdue(3, due(12, 60))])
    assert names(events)[-1] == "case.opened"
    assert book.case.status == "open"


def test_an_older_statement_does_not():
    book, _ = fold_all([overdue(1), closed(3)])
    late = step(book, overdue(2, due(12, 60)))
    assert late.events == []
    assert late.book.case.status == "closed"


def test_an_ending_that_arrives_first_waits_for_its_loan():
    early = step(nobody(), sold(2))
    assert (early.outcome, early.events) == (Outcome.PENDING, [])
    known = step(early.book, overdue(1))
    assert names(known.events) == ["case.opened", "case.closed", "party.stopped"]


def test_a_loan_paid_after_its_cure_closes_the_case_once():
    _, events = fold_all([overdue(1), payment(2, 500, due(10, 500, 500)), closed(3), closed(3)])
    assert names(events).count("case.cured") == names(events).count("case.closed") == 1


def test_recovery_after_a_write_off_opens_nothing():
    book, events = fold_all([overdue(1), written_off(2), recovery(3, 100)])
    assert names(events)[-2:] == ["case.payment_posted", "party.stopped"]
    assert events[-2].data.kind == "recovery"
    assert book.case.status == "closed"


def test_a_charge_off_alone_neither_permits_nor_cures():
    book, _ = fold_all([overdue(1)])
    booked = step(book, charge_off(2))
    assert names(booked.events) == ["case.updated"]
    assert booked.events[0].data.loans[0].charged_off
    assert (booked.book.case.status, booked.book.case.suspended) == ("open", ())


def test_a_hold_suspends_recalls_and_is_handed_on():
    book, _ = fold_all([overdue(1)])
    held = step(book, hold(2, starts_on=DAY - timedelta(days=3)))
    assert names(held.events) == ["case.updated", "case.hold_seen", "case.suspended", "party.stopped"]
    seen = held.events[1].data
    assert (seen.kind, seen.scope, seen.starts_on, seen.ends_on) == (
        "breathing_space", "party", DAY - timedelta(days=3), None,
    )  # fmt: skip
    assert held.book.case.suspended == ("on_hold",)
    assert causes(held.events) == ["hold"]


def test_the_end_of_a_hold_is_handed_on_and_releases_from_the_next_day():
    book, _ = fold_all([overdue(1), hold(2)])
    over = step(book, hold_end(3))
    assert names(over.events) == ["case.hold_seen"]
    assert over.events[0].data.ends_on == DAY
    tomorrow = step(over.book, overdue(4, business_date=DAY + timedelta(days=1)))
    assert "case.released" in names(tomorrow.events)


def test_an_end_before_its_start_is_kept():
    book, events = fold_all([overdue(1), hold_end(3), hold(2, starts_on=DAY - timedelta(days=5))])
    assert [event.data.ends_on for event in events if event.type == "case.hold_seen"] == [DAY]
    assert book.case.suspended == ("on_hold",)


def test_a_hold_of_one_loan_leaves_the_others():
    book, _ = fold_all([overdue(1), overdue(2, loan="L-2"), hold(3, loan="L-3", scope="loan")])
    assert book.case.suspended == ()


def test_a_backdated_breathing_space_is_taken_off_the_effective_days():
    book, _ = fold_all([overdue(1, due(10, 500)), hold(2, starts_on=DAY - timedelta(days=4))])
    state = assess(book, DAY, DelinquencyPolicy())
    assert (state.days_contractual, state.days_effective) == (10, 5)


def test_a_case_whose_loan_is_another_s_now_is_closed_and_not_cured():
    book, events = fold_all([overdue(1), obligors(2, "P-9")], parties=PARTIES)
    assert (book.case.status, book.case.overdue_minor) == ("closed", ())
    assert names(events) == ["case.opened", "case.closed", "party.stopped"]
    assert (events[1].data.cause, events[2].data.cause) == ("moved", "cured")
    assert book.loans["L-1"].place.state == "merged", "an exit of the portfolio, and no cure"


@pytest.mark.parametrize(
    ("facts", "cause"),
    [([sold(2), obligors(3, "P-9")], "moved"), ([obligors(2, "P-9"), sold(3)], "sold")],
    ids=["moved after the sale", "sold after it moved"],
)
def test_the_newest_way_of_leaving_counts(facts, cause):
    book, _ = fold_all([overdue(1), *facts], parties=PARTIES)
    assert (book.case.status, book.loans["L-1"].leaving[1]) == ("closed", cause)


def test_a_loan_that_moves_while_others_stay_leaves_the_case_by_name():
    _, events = fold_all([overdue(1), overdue(1, loan="L-2"), obligors(2, "P-9")], parties=PARTIES)
    assert [one.data.cause for one in events if one.type == "case.loan_cured"] == ["moved"]


def test_a_loan_that_comes_back_opens_the_case_again():
    book, events = fold_all([overdue(1), obligors(2, "P-9"), obligors(3, "P-1")], parties=PARTIES)
    assert (book.case.status, names(events)[-1]) == ("open", "case.opened")


def test_a_new_guarantor_is_told():
    _, events = fold_all([overdue(1), obligors(2, "P-1", "P-9")], parties=PARTIES)
    assert [one.role for one in events[-1].data.loans[0].obligors] == ["borrower", "guarantor"]


def test_a_stated_balance_is_the_newest():
    _, events = fold_all([overdue(1), balance(2, 80_000)])
    assert events[-1].data.loans[0].balance.amount_minor == 80_000


def test_a_stated_balance_below_what_is_due_suspends_until_the_next_statement():
    book, _ = fold_all([overdue(1), balance(2, 100)])
    assert book.case.suspended == ("balance_differs",)
    assert step(book, overdue(3, due(10, 90), balance=100)).book.case.suspended == ()


def test_overdue_paid_by_credit_and_reversed_on_one_day_ends_open():
    book, _ = fold_all([overdue(1), credit(2, 500, due(10, 500, 500)), reversal(3, 500, due(10, 500))])
    assert book.case.status == "open"


def test_a_part_credit_never_advances_the_oldest_due_date():
    book, _ = fold_all([overdue(1, due(40, 500), due(10, 500)), credit(2, 300, due(40, 500, 300), due(10, 500))])
    assert book.case.days_contractual == 40


@pytest.mark.parametrize(("event_id", "fits"), [("core-a:17", True), ("core/a 17", False), ("x" * 65, False)])
def test_an_event_id_in_other_characters_still_makes_a_reference(event_id, fits):
    reference = Trigger("loan.overdue", event_id, NOW, NOW).reference
    assert (reference == event_id) == fits
    assert len(reference) <= 64
    assert reference.replace("-", "").replace(":", "").isalnum()
