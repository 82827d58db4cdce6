"""The wire: single objects, writer schemas side by side, and nothing guessed."""

from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.fineract.message import MessageError, Reader
from services.intake.fineract.numbering import core_sequence, next_epoch, unwrapped
from services.intake.fineract.table import DELINQUENCY, IGNORED, MEANINGS, MESSAGE, Kind
from services.intake.fineract.wire import OWN_SCHEMAS, WireError, WriterSchemas
from simulation.fineract import wire

DAY = date(2026, 3, 10)
SCHEMAS = WriterSchemas.load([OWN_SCHEMAS])
READER = Reader(SCHEMAS, "default", ZoneInfo("UTC"))


@pytest.fixture
def sender() -> wire.Sender:
    return wire.Sender(business_date=DAY)


def test_our_schemas_have_the_fingerprints_that_releases_write():
    # Of the public releases 1.9.0 and 1.10.1; computed once from their schemas, which are not ours to keep.
    known = {mark.hex(): schema.name.rsplit(".", 1)[-1] for mark, schema in SCHEMAS._schemas.items()}
    assert known["1fd07bcc226c7826"] == "MessageV1"
    assert known["c4defed1e3cc0ac9"] == "BulkMessagePayloadV1"
    assert known["5f5e6fa4d265a58c"] == known["2c0e6cb20acf624e"] == "LoanAccountDelinquencyRangeDataV1"
    assert known["bf2f3c7646a04805"] == "LoanRepaymentDueDataV1"
    assert known["a1a7d00c724621d9"] == "LoanChargeDeletedV1"
    assert known["86e01a6600f30ef0"] == known["c3ae714f1d39dd30"] == "LoanOwnershipTransferDataV1"


def test_two_shapes_of_one_name_are_read_each_with_its_own(sender):
    assert SCHEMAS.names()[DELINQUENCY] == 2
    for nullable in (True, False):
        payload = wire.delinquency_changed(9, days=30, nullable_buckets=nullable)
        value = SCHEMAS.read(payload.data, name=DELINQUENCY)
        assert value["loanId"] == 9
        assert value["delinquencyRange"]["minimumAgeDays"] == 30


@pytest.mark.parametrize("with_groups", [True, False])
@pytest.mark.parametrize(
    ("kind", "status", "is_sale"),
    [
        ("SALE", "EXECUTED", True), ("INTERMEDIARYSALE", "EXECUTED", True), ("BUYBACK", "EXECUTED", False),
        ("SALE", "DECLINED", None), ("BUYBACK", "CANCELLED", None), ("SALE", "UNKNOWN", None),
    ],
)  # fmt: skip
def test_a_transfer_counts_once_it_has_taken_place(sender, with_groups, kind, status, is_sale):
    payload = wire.transferred(9, kind=kind, status=status, on=DAY, with_groups=with_groups)
    message = READER.read(*sender.message(9, payload))
    found = None if message is None else message.changes[0].transfer
    assert (found and found.is_sale) == is_sale
    assert found is None or found.settled_on == DAY


def test_a_transfer_of_an_unknown_kind_is_refused(sender):
    with pytest.raises(MessageError, match="no_subject"):
        READER.read(*sender.message(9, wire.transferred(9, kind="GIFT", on=DAY)))


def test_an_unknown_fingerprint_is_refused_and_named(sender):
    strange = wire.Payload("LoanStatusChangedBusinessEvent", "LoanAccountDataV1", b"\xc3\x01" + b"\x11" * 8 + b"\x00")
    with pytest.raises(MessageError) as caught:
        READER.read(*sender.message(9, strange))
    assert caught.value.reason == "unknown_fingerprint"
    assert "11" * 8 in caught.value.detail


def test_a_known_fingerprint_of_another_schema_is_refused(sender):
    due = wire.repayment_due(9, DAY)
    with pytest.raises(MessageError, match="schema_name_differs"):
        READER.read(*sender.message(9, wire.Payload("LoanStatusChangedBusinessEvent", due.schema, due.data)))


@pytest.mark.parametrize("cut", [0, 5, 10, 40])
def test_a_truncated_record_is_refused(sender, cut):
    key, value = sender.message(9, wire.repayment_due(9, DAY))
    with pytest.raises(MessageError):
        READER.read(key, value[:cut])


def test_bytes_after_a_whole_value_are_refused(sender):
    key, value = sender.message(9, wire.repayment_due(9, DAY))
    with pytest.raises(MessageError, match="malformed_value"):
        READER.read(key, value + b"\x00")


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(raw):
    for prefix in (b"", b"\xc3\x01\x1f\xd0\x7b\xcc\x22\x6c\x78\x26"):
        try:
            SCHEMAS.read(prefix + raw, name=MESSAGE)
        except WireError:
            continue


def test_a_message_says_what_happened_to_which_loan(sender):
    payload = wire.transaction_event(
        "LoanTransactionMakeRepaymentPost", 9, 501, "repayment", on=DAY, amount=Decimal("120.50")
    )
    message = READER.read(*sender.message(9, payload, key="abc"))
    assert (message.key, message.loan_id, message.business_date) == ("default:abc", 9, DAY)
    assert message.raised_at.isoformat() == "2026-03-10T01:00:00.123456+00:00"
    (change,) = message.changes
    assert change.meaning.kind is Kind.MONEY
    assert (change.transaction.number, change.transaction.amount) == (501, Decimal("120.50"))
    assert change.transaction.kinds == {"repayment"}


def test_times_without_zone_are_of_the_configured_one(sender):
    reader = Reader(SCHEMAS, "default", ZoneInfo("Asia/Shanghai"))
    record = sender.message(9, wire.repayment_due(9, DAY), at="2026-03-10T01:00:00.123456789")
    assert reader.read(*record).raised_at.isoformat() == "2026-03-09T17:00:00.123456+00:00"
    record = sender.message(9, wire.repayment_due(9, DAY), at="2026-03-10T01:00:00+02:00")
    assert reader.read(*record).raised_at.isoformat() == "2026-03-09T23:00:00+00:00"


def test_a_bulk_message_gives_each_event_its_item(sender):
    record = sender.bulk(
        9, [wire.loan_event("LoanApproved", 9), wire.repayment_due(9, DAY), wire.delinquency_changed(9, days=None)]
    )
    message = READER.read(*record)
    assert [change.item for change in message.changes] == [2, 3]


def test_adjustments_and_charges_are_read_by_their_first_fields(sender):
    adjusted = READER.read(*sender.message(9, wire.adjusted(9, 501, "repayment", on=DAY, amount=Decimal(7))))
    assert adjusted.changes[0].transaction.number == 501
    charged = READER.read(*sender.message(9, wire.charge_event("LoanAddCharge", 31)))
    assert (charged.loan_id, charged.changes[0].charge_id) == (9, 31)
    for mark in wire.ACCOUNT_PRINTS:
        assert READER.read(*sender.message(9, wire.loan_event("LoanStatusChanged", 9, mark=mark))).loan_id == 9


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (lambda sender: sender.message(8, wire.repayment_due(9, DAY)), "key_mismatch"),
        (lambda sender: sender.message(-1, wire.repayment_due(9, DAY)), "bad_key"),
        (lambda sender: sender.message(9, wire.Payload("LoanSoldToTheMoonBusinessEvent", "x", b"")), "unknown_type"),
        (lambda sender: sender.message(9, wire.repayment_due(9, DAY), key="a\x1fb"), "bad_envelope"),
        (lambda sender: sender.message(9, wire.repayment_due(9, DAY), at="yesterday"), "bad_envelope"),
        (lambda _: wire.Sender(business_date=DAY, tenant="other").message(9, wire.repayment_due(9, DAY)),
         "foreign_tenant"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_reason(sender, record, reason):
    with pytest.raises(MessageError) as caught:
        READER.read(*record(sender))
    assert caught.value.reason == reason


def test_events_of_no_concern_are_passed_over_whatever_they_hold(sender):
    assert READER.read(*sender.message(9, wire.Payload("SavingsDepositBusinessEvent", "x", b"?"))) is None
    assert READER.read(*sender.message(9, wire.Payload("LoanApprovedBusinessEvent", "x", b"?"))) is None
    assert not MEANINGS.keys() & IGNORED


@settings(max_examples=200, deadline=None)
@given(start=st.integers(1 << 32, 1 << 45), steps=st.lists(st.integers(-(2**20), 2**30), max_size=20))
def test_numbers_are_unwrapped_over_any_border(start, steps):
    near = start
    for step in steps:
        true = max(near + step, 1 << 32)
        signed = (true + (1 << 31)) % (1 << 32) - (1 << 31)
        assert unwrapped(signed, near=near) == true
        near = max(near, true)


def test_sequences_are_positive_and_grow_over_the_wrap():
    before = unwrapped(2**31 - 1, near=None)
    after = unwrapped(-(2**31), near=before)
    assert 0 < core_sequence(before, 0) < core_sequence(before, 1) < core_sequence(after, 0) < 2**62
    with pytest.raises(ValueError, match="items"):
        core_sequence(before, 70_000)


@given(st.integers(1, 2**45))
@settings(max_examples=50, deadline=None)
def test_a_core_that_counts_anew_stands_behind_all_it_has_said(newest):
    assert newest < unwrapped(1, near=next_epoch(newest)) < newest + 2**33
