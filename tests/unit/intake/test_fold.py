"""What each fact does to a party's book, and what the others hear of it."""

from datetime import timedelta

from services.intake.domain.conclusion import conclude
from shared.events.loan import Obligor
from shared.ids import derived_id
from shared.messaging import Outcome
from tests.unit.intake.facts import DAY, cured, death, due, overdue, payment, person, reversal
from tests.unit.intake.folding import PARTY, circumstances, commitment, fold_all, names, nobody, step, trigger


def bound(party_ref, role, liability):
    return Obligor(party_ref=party_ref, role=role, liability=liability)


def case_of(*facts, **options):
    book, events = fold_all(facts, **options)
    assert book.case is not None
    assert book.case.version == len([event for event in events if event.type.startswith("case.")])
    return book.case, events


def test_first_overdue_of_unknown_reference_opens_held_case():
    case, events = case_of(overdue(1))
    assert names(events) == ["case.opened"]
    assert events[0].data.held
    assert events[0].data.time_zones == []
    assert (case.status, case.bucket, case.days_contractual) == ("open", "B1", 10)


def test_person_ends_the_hold():
    _, events = case_of(overdue(1), person(2))
    assert names(events) == ["case.opened", "case.updated"]
    assert not events[1].data.held
    assert events[1].data.cell is not None


def test_one_case_over_all_loans():
    case, events = case_of(person(1), overdue(2), overdue(3, due(40, 700), loan="L-2"))
    assert names(events) == ["case.opened", "case.updated", "case.bucket_changed"]
    assert case.overdue_minor == (("CNY", 1200),)
    assert [loan.loan_ref for loan in events[1].data.loans] == ["L-1", "L-2"]
    assert case.bucket == "B2"


def test_currencies_are_never_added():
    case, _ = case_of(overdue(1), overdue(2, due(5, 900), loan="L-2", currency="JPY"))
    assert case.overdue_minor == (("CNY", 500), ("JPY", 900))


def test_repeated_state_says_nothing():
    book, _ = fold_all([overdue(1)])
    again = step(book, overdue(2))
    assert again.outcome is Outcome.IGNORED
    assert again.events == []


def test_repeated_state_still_moves_the_position():
    a, b = overdue(1), overdue(2, due(10, 900))
    again = overdue(3)
    assert case_of(a, again, b)[0].overdue_minor == case_of(a, b, again)[0].overdue_minor == (("CNY", 500),)


def test_older_sequence_is_ignored():
    book, _ = fold_all([overdue(5)])
    assert step(book, overdue(4, due(10, 900))).outcome is Outcome.IGNORED


def test_older_business_date_is_ignored_whatever_its_sequence():
    book, _ = fold_all([overdue(5)])
    older = step(book, overdue(6, due(10, 900), business_date=DAY - timedelta(days=1)))
    assert older.outcome is Outcome.IGNORED
    assert older.events == []


def test_overdue_paid_reversed_on_one_day_ends_open():
    case, events = case_of(overdue(1), payment(2, 500, due(10, 500, 500)), reversal(3, 500, due(10, 500)))
    assert names(events) == [
        "case.opened", "case.payment_posted", "case.cured", "party.stopped", "party.stopped",
        "case.payment_reversed", "case.opened",
    ]  # fmt: skip
    assert case.status == "open"
    assert case.overdue_minor == (("CNY", 500),)


def test_part_payment_never_advances_oldest_due_date():
    case, events = case_of(overdue(1, due(40, 500), due(10, 500)), payment(2, 499, due(40, 500, 499), due(10, 500)))
    assert (case.days_contractual, case.overdue_minor) == (40, (("CNY", 501),))
    assert names(events) == ["case.opened", "case.payment_posted", "case.updated", "party.stopped"]


def test_payment_before_its_loan_waits_and_is_applied():
    book, events = fold_all([person(1), payment(3, 500, due(10, 500, 500))])
    assert book.case is None
    assert events == []
    late = step(book, overdue(2))
    assert late.outcome is Outcome.IGNORED or late.outcome is Outcome.APPLIED
    assert names(late.events) == ["case.opened", "case.payment_posted", "case.cured", "party.stopped", "party.stopped"]
    assert late.book.case.status == "cured"


def test_payment_before_its_loan_is_pending():
    assert step(nobody(), payment(3, 500, due(10, 500, 500))).outcome is Outcome.PENDING


def test_uncleared_money_pauses_and_never_cures():
    case, events = case_of(overdue(1), payment(2, 500, due(10, 500, 500), cleared=False))
    assert names(events) == ["case.opened", "case.payment_posted", "case.suspended", "party.stopped"]
    assert case.status == "open"
    assert case.suspended == ("payment_pending",)


def test_clearing_of_money_cures():
    _, events = case_of(overdue(1), payment(2, 500, cleared=False), payment(3, 500, due(10, 500, 500), cleared=True))
    assert names(events)[4:] == [
        "case.payment_posted", "case.cured", "case.released", "party.stopped", "party.stopped",
    ]  # fmt: skip


def test_case_that_opens_again_bears_no_suspension_of_before():
    """Else whoever heard of the suspension would keep it for ever: nothing would release it any more."""
    paid = payment(2, 500, cleared=False), payment(3, 500, due(10, 500, 500), cleared=True)
    case, events = case_of(overdue(1), *paid, overdue(4, due(5, 300)))
    assert (case.status, case.suspended) == ("open", ())
    told = names(events)
    assert told.count("case.suspended") == told.count("case.released") == 1


def test_bounced_money_releases_the_case():
    case, events = case_of(overdue(1), payment(2, 500, cleared=False), reversal(3, 500))
    assert names(events)[-2:] == ["case.payment_reversed", "case.released"]
    assert case.suspended == ()


def test_unallocated_money_pauses_until_the_core_states_the_loan():
    case, _ = case_of(overdue(1), payment(2, 500))
    assert case.suspended == ("payment_pending",)
    stated, events = case_of(overdue(1), payment(2, 500), overdue(3, due(10, 500, 100)))
    assert stated.suspended == ()
    assert events[-1].type == "case.released"


def test_foreign_currency_states_nothing():
    case, _ = case_of(overdue(1), payment(2, 500, due(10, 500, 500), currency="JPY"))
    assert case.status == "open"
    assert case.suspended == ("payment_pending",)


def test_equal_payments_are_two_payments():
    _, events = case_of(
        overdue(1, due(10, 500)),
        payment(2, 100, due(10, 500, 100), ref="T-1"),
        payment(3, 100, due(10, 500, 200), ref="T-2"),
    )
    assert names(events).count("case.payment_posted") == 2


def test_repeated_payment_is_one_payment():
    book, _ = fold_all([overdue(1), payment(2, 100, due(10, 500, 100))])
    again = step(book, payment(2, 100, due(10, 500, 100)))
    assert again.outcome is Outcome.IGNORED
    assert again.events == []


def test_balance_follows_payment_and_reversal():
    _, events = case_of(
        overdue(1, due(10, 500), balance=10_000), payment(2, 100, due(10, 500, 100)), reversal(3, 100, due(10, 500))
    )
    balances = [event.data.loans[0].balance.amount_minor for event in events if event.type == "case.updated"]
    assert balances == [9_900, 10_000]


def test_core_cures_a_loan():
    case, events = case_of(overdue(1), cured(2))
    assert case.status == "cured"
    assert events[1].data.cause == "core_statement"


def test_correction_that_cures_says_so():
    _, events = case_of(overdue(1), overdue(2, due(10, 500, 500), corrects="e-0"))
    assert events[1].data.cause == "correction"


def test_dispute_suspends_and_stops():
    case, events = case_of(overdue(1), overdue(2, flags=["disputed"]))
    assert names(events) == ["case.opened", "case.suspended", "party.stopped"]
    assert events[2].data.cause == "dispute"
    assert case.suspended == ("disputed",)


def test_charge_off_alone_changes_nothing():
    case, _ = case_of(overdue(1), overdue(2, flags=["charged_off"]))
    assert case.suspended == ()


def test_death_stops_the_party():
    case, events = case_of(overdue(1), death(2))
    assert [(event.data.cause, event.data.scope) for event in events if event.type == "party.stopped"] == [
        ("deceased", "party")
    ]
    assert case.suspended == ("deceased",)


def test_death_of_somebody_without_case_stops_too():
    _, events = fold_all([death(1)])
    assert names(events) == ["party.stopped"]


def test_closed_date_ages_a_late_fact():
    case, _ = case_of(overdue(1), closed=DAY + timedelta(days=25))
    assert (case.days_contractual, case.bucket) == (35, "B2")


def test_ageing_publishes_bucket_changes_only():
    book, _ = fold_all([overdue(1)])
    silent = trigger(overdue(1)).__class__("day_close", "i-1", *_times(), silent=True)
    _, quiet = conclude(book, _copy(book), silent, circumstances(closed=DAY + timedelta(days=20)))
    _, moved = conclude(book, _copy(book), silent, circumstances(closed=DAY + timedelta(days=21)))
    assert names(quiet) == []
    assert names(moved) == ["case.bucket_changed"]


def _times():
    known = trigger(overdue(1))
    return known.happened_at, known.learned_at


def _copy(book):
    return book.__class__(book.party_id, book.core, book.person, book.loans, book.movements, book.case)


def test_everyone_bound_by_a_loan_is_named_with_the_debt():
    other = derived_id("party", "P-2")
    loan = overdue(1, obligors=[bound("P-1", "borrower", "full"), bound("P-2", "co_borrower", "joint")])
    _, events = fold_all([loan, overdue(2, loan="L-2")], parties={"P-1": PARTY, "P-2": other})
    shared, own = events[-1].data.loans
    assert [(one.party_id, one.role, one.liability) for one in shared.obligors] == [
        (PARTY, "borrower", "full"), (other, "co_borrower", "joint"),
    ]  # fmt: skip
    assert own.obligors == []
    assert shared.debt_id not in (None, own.debt_id)


def test_a_new_obligor_is_told():
    book, _ = fold_all([overdue(1)])
    loan = overdue(2, obligors=[bound("P-1", "borrower", "full"), bound("P-2", "guarantor", "secondary")])
    told = step(book, loan, parties={"P-1": PARTY, "P-2": derived_id("party", "P-2")})
    assert names(told.events) == ["case.updated"]


def test_people_of_one_home_have_the_same_household():
    here, there = fold_all([person(1), overdue(2)])[1], fold_all([overdue(2)])[1]
    assert here[-1].data.household == commitment("Road 1")
    assert there[-1].data.household is None
