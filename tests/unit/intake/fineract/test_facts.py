"""What each of Fineract's events becomes, from the event and the loan's state alone."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from services.intake.fineract.facts import FactRefusedError, Occasion, Tenancy, facts_of
from services.intake.fineract.message import Change, Transaction, Transfer
from services.intake.fineract.people import AddressDocument, ClientDocument, ClientState
from services.intake.fineract.people_facts import death_of, person_of
from services.intake.fineract.state import LoanDocument, LoanState, StateRefusedError, state_of
from services.intake.fineract.table import IGNORED, MEANINGS, REDUCING
from shared.events.catalogue import CATALOGUE
from simulation.fineract.books import Books, loan_document

DAY = date(2026, 3, 10)
LATE = [(date(2026, 1, 5), 100_00), (date(2026, 2, 5), 100_00), (date(2026, 4, 5), 100_00)]
TENANCY = Tenancy(
    tenant="bank", core="fineract", creditor="Bank", servicer="Bank", jurisdiction="CN", products={"7": "consumer"},
    language="zh", time_zones=("Asia/Shanghai",), contact_source="on_file", history_known_from=date(2025, 1, 1),
)  # fmt: skip
AT = Occasion(DAY, 2**48, datetime(2026, 3, 10, 1, tzinfo=UTC))


@pytest.fixture
def books() -> Books:
    made = Books()
    made.lend(9, 42, LATE)
    return made


def state(books: Books, number: int = 9) -> LoanState:
    return state_of(LoanDocument.model_validate(loan_document(books.loans[number])))


def facts(books: Books, name: str, *, told: bool = True, **more: Any) -> list[tuple[str, dict[str, Any]]]:
    change = Change(name + "BusinessEvent", MEANINGS[name + "BusinessEvent"], 0, **more)
    found = facts_of(change, state(books), AT, TENANCY, told=told)
    return [(fact.type, fact.data.model_dump(mode="json")) for fact in found]


def money(booking: Any, kind: str = "repayment", amount: Decimal | None = None) -> dict[str, Any]:
    return {"transaction": Transaction(booking.number, frozenset({kind}), amount, booking.booked_on)}


def test_a_late_loan_is_told_whole(books):
    ((name, fact),) = facts(books, "LoanDelinquencyRangeChange", told=False)
    assert (name, fact["cause"], fact["product_class"]) == ("loan.overdue", "delinquency_range_changed", "consumer")
    assert [item["due_date"] for item in fact["due_items"]] == ["2026-01-05", "2026-02-05"]
    assert (fact["balance"], fact["core_sequence"], fact["loan_ref"], fact["party_ref"]) == (300_00, 2**48, "9", "42")


def test_guarantors_who_are_clients_stand_behind_the_borrower(books):
    books.loans[9].guarantors += [77, 42]
    ((_, fact),) = facts(books, "LoanRepaymentOverdue")
    roles = [(one["party_ref"], one["role"], one["liability"]) for one in fact["obligors"]]
    assert roles == [("42", "borrower", "full"), ("77", "guarantor", "secondary")]


def test_of_a_loan_that_was_never_late_nothing_is_said(books):
    booking = books.book(9, 200_00, on=DAY)
    assert facts(books, "LoanTransactionMakeRepaymentPost", told=False, **money(booking)) == []
    assert [name for name, _ in facts(books, "LoanDelinquencyRangeChange")] == ["loan.cured"]


def test_a_payment_carries_what_is_due_after_it(books):
    booking = books.book(9, 150_00, on=DAY)
    ((name, fact),) = facts(books, "LoanTransactionMakeRepaymentPost", **money(booking))
    assert (name, fact["amount"], fact["transaction_ref"]) == ("loan.payment_received", 150_00, str(booking.number))
    assert [(item["due_date"], item["paid"]) for item in fact["allocation"]] == [("2026-02-05", 50_00)]


def test_a_payment_of_all_that_is_due_is_allocated_not_provisional(books):
    booking = books.book(9, 200_00, on=DAY)
    ((_, fact),) = facts(books, "LoanTransactionMakeRepaymentPost", **money(booking))
    assert [(item["principal"], item["paid"]) for item in fact["allocation"]] == [(100_00, 100_00)]


@pytest.mark.parametrize(
    ("kind", "expected", "reason"),
    [
        ("repayment", "loan.payment_received", None),
        ("downPayment", "loan.payment_received", None),
        ("goodwillCredit", "loan.credit_posted", "goodwill"),
        ("merchantIssuedRefund", "loan.credit_posted", "refund"),
        ("chargeAdjustment", "loan.credit_posted", "adjustment"),
        ("recoveryRepayment", "loan.recovery_received", None),
    ],
)
def test_money_is_a_payment_a_credit_or_a_recovery(books, kind, expected, reason):
    booking = books.book(9, 10_00, on=DAY, kind=kind)
    name, fact = facts(books, "LoanTransactionGoodwillCreditPost", **money(booking, kind))[0]
    assert (name, fact.get("reason")) == (expected, reason)


def test_a_payment_that_the_core_has_taken_back_meanwhile_is_a_reversal(books):
    booking = books.book(9, 10_00, on=DAY)
    books.reverse(9, booking.number)
    assert [name for name, _ in facts(books, "LoanTransactionMakeRepaymentPost", **money(booking))] == [
        "loan.payment_reversed"
    ]


def test_a_transaction_that_the_core_no_longer_lists_is_taken_back_as_the_event_told_it(books):
    booking = books.book(9, 10_00, on=DAY)
    books.reverse(9, booking.number, replayed=True)
    newer = books.book(9, 30_00, on=DAY)
    found = facts(books, "LoanAdjustTransaction", **money(booking, amount=Decimal("10.00")))
    assert [(name, fact["transaction_ref"], fact["amount"]) for name, fact in found] == [
        ("loan.payment_reversed", str(booking.number), 10_00),
        ("loan.payment_received", str(newer.number), 30_00),
    ]
    with pytest.raises(FactRefusedError, match="transaction_unknown"):
        facts(books, "LoanAdjustTransaction", **money(booking))


def test_an_adjusted_accrual_tells_the_state_only(books):
    booking = books.book(9, 10_00, on=DAY, kind="accrual")
    assert [name for name, _ in facts(books, "LoanAdjustTransaction", **money(booking, "accrual"))] == ["loan.overdue"]


def test_every_pause_is_a_hold_of_its_loan(books):
    books.loans[9].pauses = [(date(2026, 3, 1), date(2026, 3, 31)), (date(2026, 5, 1), date(2026, 5, 9))]
    found = facts(books, "LoanAccountDelinquencyPauseChanged")
    holds = [(fact["hold_ref"], fact["kind"], fact["ends_on"]) for name, fact in found if name == "loan.hold_started"]
    assert holds == [
        ("9-pause-2026-03-01", "payment_holiday", "2026-03-31"),
        ("9-pause-2026-05-01", "payment_holiday", "2026-05-09"),
    ]
    assert found[-1][0] == "loan.overdue"


def test_a_loan_told_of_late_brings_its_pauses_and_its_charge_off(books):
    books.loans[9].pauses = [(date(2026, 3, 1), date(2026, 3, 31))]
    books.loans[9].charged_off_on = DAY
    names = [name for name, _ in facts(books, "LoanRepaymentOverdue", told=False)]
    assert names == ["loan.overdue", "loan.hold_started", "loan.charged_off"]


@pytest.mark.parametrize(
    ("event", "kind", "expected", "reference"),
    [
        ("LoanReAgeTransaction", "reAge", "loan.reaged", "501"),
        ("LoanRescheduledDueAdjustSchedule", "repayment", "loan.rescheduled", str(2**48)),
    ],
)
def test_a_new_schedule_is_told_with_the_state_under_it(books, event, kind, expected, reference):
    booking = books.book(9, 0, on=DAY, kind=kind)
    ((name, fact),) = facts(books, event, **(money(booking, kind) if kind == "reAge" else {}))
    assert (name, fact["arrangement_ref"], len(fact["due_items"])) == (expected, reference, 2)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("closedObligationsMet", ["loan.cured", "loan.closed"]),
        ("closedRescheduled", ["loan.cured", "loan.closed"]),
        ("closedWrittenOff", ["loan.written_off"]),
        ("overpaid", ["loan.cured"]),
        ("active", ["loan.cured"]),
    ],
)
def test_a_status_tells_how_a_loan_ended(books, status, expected):
    books.book(9, 300_00, on=DAY)
    books.loans[9].status, books.loans[9].ended_on = status, DAY
    assert [name for name, _ in facts(books, "LoanStatusChanged")] == expected


def test_charges_are_told_by_their_reference(books):
    books.loans[9].charges.append((31, 5_00))
    ((name, fact),) = facts(books, "LoanAddCharge", charge_id=31)
    assert (name, fact["charge_ref"], fact["amount"]) == ("loan.charge_applied", "31", 5_00)
    assert [name for name, _ in facts(books, "LoanDeleteCharge")] == ["loan.overdue"]


def test_an_unmapped_product_and_an_uncatalogued_fact_are_refused(books, monkeypatch):
    books.loans[9].product = 99
    with pytest.raises(FactRefusedError, match="product_unmapped"):
        facts(books, "LoanRepaymentOverdue")
    books.loans[9].product = 7
    older = {name: known for name, known in CATALOGUE.items() if name != "loan.overdue"}
    monkeypatch.setattr("services.intake.fineract.facts.CATALOGUE", older)
    with pytest.raises(FactRefusedError, match=r"fact_not_catalogued: loan\.overdue"):
        facts(books, "LoanRepaymentOverdue")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"clientId": None}, "no_client"),
        ({"currency": {"code": "XXX"}}, "unknown_currency"),
        ({"summary": {"totalOutstanding": Decimal("1.001")}}, "inexact_amount"),
        ({"summary": {"totalOutstanding": Decimal(-1)}}, "inexact_amount"),
        ({"timeline": {}}, "no_date"),
        ({"repaymentSchedule": {"periods": [
            {"period": 1, "dueDate": [2026, 1, 5], "principalDue": 10, "totalOutstandingForPeriod": 9}
        ]}}, "sums_disagree"),
    ],
)  # fmt: skip
def test_a_state_that_cannot_be_true_is_refused(books, change, reason):
    document = loan_document(books.loans[9]) | change
    with pytest.raises(StateRefusedError) as caught:
        state_of(LoanDocument.model_validate(document))
    assert caught.value.reason == reason


@pytest.mark.parametrize(("currency", "minor"), [("JPY", 100), ("KWD", 100_000)])
def test_amounts_follow_the_exponent_of_their_currency(books, currency, minor):
    books.loans[9].currency = currency
    assert state(books).dues[0].principal == minor


def test_a_person_is_described_only_with_the_tenants_word_on_past_contacts():
    client = ClientDocument.model_validate({"id": 42, "displayName": "Li", "mobileNo": "138"})
    home = AddressDocument.model_validate({"addressLine1": "Road 1", "latitude": 31.2, "longitude": 121.4})
    told = person_of(ClientState(client, (home,)), core_sequence=5, tenancy=TENANCY)
    assert [(one.kind, one.source) for one in told.contact_points] == [("home", "on_file"), ("mobile", "on_file")]
    assert (told.time_zones, told.zone_sources) == (["Asia/Shanghai"], ["branch"])
    silent = Tenancy(
        **{name: getattr(TENANCY, name) for name in TENANCY.__struct_fields__} | {"history_known_from": None}
    )
    assert person_of(ClientState(client, (home,)), core_sequence=5, tenancy=silent) is None


def test_every_event_has_one_meaning_and_money_alone_overtakes_a_parked_person():
    assert not MEANINGS.keys() & IGNORED
    assert all(name.endswith("BusinessEvent") for name in MEANINGS)
    assert "LoanTransactionMakeRepaymentPostBusinessEvent" in REDUCING
    assert "LoanAdjustTransactionBusinessEvent" not in REDUCING


def test_a_sale_is_told_of_a_known_loan_alone_and_a_buyback_tells_how_it_stands(books):
    sale = {"transfer": Transfer(is_sale=True, settled_on=date(2026, 3, 8))}
    ((name, fact),) = facts(books, "LoanOwnershipTransfer", **sale)
    assert (name, fact["kind"], fact["transferred_on"]) == ("loan.transferred", "sold", "2026-03-08")
    assert facts(books, "LoanOwnershipTransfer", told=False, **sale) == []
    back = {"transfer": Transfer(is_sale=False, settled_on=DAY)}
    assert [name for name, _ in facts(books, "LoanOwnershipTransfer", **back)] == ["loan.overdue"]


def test_a_death_is_what_the_bank_calls_one(books):
    client = {"id": 42, "displayName": "C", "mobileNo": "138", "subStatus": {"id": 17}}
    client |= {"status": {"code": "clientStatusType.closed"}, "dateOfBirth": [1950, 2, 3]}
    person = ClientState(ClientDocument.model_validate(client), ())
    configured = structs.replace(TENANCY, deceased_sub_statuses=frozenset({17}))
    assert death_of(person, AT, TENANCY) is None
    assert death_of(person, AT, configured).data.reported_on == DAY
    assert person_of(person, core_sequence=1, tenancy=configured).born_on == date(1950, 2, 3)
    with pytest.raises(FactRefusedError, match="client_closed"):
        person_of(person, core_sequence=1, tenancy=TENANCY)
