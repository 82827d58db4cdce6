"""The simulated core: its books, its messages, its balance port."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.codec import DecodeError, decode
from simulation.core.ledger import Ledger, LedgerError
from simulation.core.messages import Message, Mouth, opening
from simulation.core.port import balance_port
from simulation.portfolio.accounts import Account
from simulation.portfolio.fitted import load_fitted
from simulation.portfolio.generate import generate_accounts

AS_OF, AT = date(2026, 3, 2), datetime(2026, 3, 2, 1, tzinfo=UTC)


def books(count: int = 60) -> Ledger:
    return Ledger.of(generate_accounts(load_fitted(), count=count, seed=3), as_of=AS_OF, seed=3)


def one_loan() -> Ledger:
    account = Account(1, 100_000, (0, 0, 0, 2, 2), (10_000, 20_000, 20_000, 30_000, 40_000), (0,) * 5)
    return Ledger.of([account], as_of=AS_OF, seed=1)


@given(st.lists(st.integers(min_value=1, max_value=2_000_000), max_size=6))
def test_payments_move_exactly_their_amount(amounts: list[int]) -> None:
    ledger = one_loan()
    loan = ledger.loans["L-000001"]
    before, due = loan.balance, loan.overdue
    booked = 0
    for amount in amounts:
        if amount <= loan.balance:
            booked += amount
            ledger.pay("L-000001", amount, at=AT)
    assert loan.balance == before - booked
    assert loan.overdue == max(due - booked, 0)


def test_oldest_item_is_paid_first() -> None:
    ledger = one_loan()
    payment = ledger.pay("L-000001", 150_000 + 1, at=AT)
    assert [(item.due_date, item.principal - item.paid) for item in payment.allocation] == [
        (date(2026, 1, 5), 0),
        (date(2026, 2, 5), 199_999),
    ]


def test_uncleared_money_settles_nothing() -> None:
    ledger = one_loan()
    payment = ledger.pay("L-000001", 100, at=AT, cleared=False)
    assert payment.allocation == []
    assert ledger.loans["L-000001"].overdue == 350_000


def test_reversal_restores_the_books() -> None:
    ledger = one_loan()
    before = ledger.balance_row(ledger.loans["L-000001"])
    payment = ledger.pay("L-000001", 350_000, at=AT)
    assert ledger.loans["L-000001"].overdue == 0
    ledger.reverse("L-000001", payment.transaction_ref, at=AT)
    assert ledger.balance_row(ledger.loans["L-000001"]) == before


def test_only_the_last_payment_is_reversed() -> None:
    ledger = one_loan()
    first = ledger.pay("L-000001", 10, at=AT)
    ledger.pay("L-000001", 10, at=AT)
    with pytest.raises(LedgerError):
        ledger.reverse("L-000001", first.transaction_ref, at=AT)


@pytest.mark.parametrize("amount", [0, -1, 10**12])
def test_absurd_payment_is_refused(amount: int) -> None:
    with pytest.raises(LedgerError):
        one_loan().pay("L-000001", amount, at=AT)


def decoded(message: Message) -> str:
    return decode(topic=message.topic, key=message.key.encode(), value=message.value, headers=message.headers).type


def test_messages_are_catalogued_events() -> None:
    told = opening(books(), at=AT, seed=3, wronged=0)
    assert Counter(map(decoded, told.messages)).keys() == {"party.updated", "loan.overdue"}


def test_wronged_records_are_refused_and_nothing_else() -> None:
    told = opening(books(), at=AT, seed=3)
    reasons = []
    for message in told.messages:
        try:
            decoded(message)
        except DecodeError as error:
            reasons.append(error.reason)
            assert message.key.rpartition("|")[2] in told.malformed_parties
    assert set(reasons) == {"schema_violation", "unknown_version"}


def test_unknown_party_has_a_loan_and_no_person() -> None:
    ledger = books()
    told = opening(ledger, at=AT, seed=3)
    described = {message.key for message in told.messages if decoded_or_none(message) == "party.updated"}
    assert told.unknown_parties
    assert not any(key.endswith(tuple(told.unknown_parties)) for key in described)
    assert all(f"L-{reference[2:]}" in ledger.loans for reference in told.unknown_parties)


def decoded_or_none(message: Message) -> str | None:
    try:
        return decoded(message)
    except DecodeError:
        return None


def test_duplicates_are_byte_for_byte() -> None:
    told = opening(books(600), at=AT, seed=3)
    by_id: dict[str, set[Message]] = {}
    counted = Counter(message.event_id for message in told.messages)
    for message in told.messages:
        by_id.setdefault(message.event_id, set()).add(message)
    assert max(counted.values()) == 2
    assert all(len(messages) == 1 for messages in by_id.values())


def test_same_seed_same_messages() -> None:
    first, second = opening(books(), at=AT, seed=3), opening(books(), at=AT, seed=3)
    assert [(message.event_id, message.value) for message in first.messages] == [
        (message.event_id, message.value) for message in second.messages
    ]


def test_urgent_payment_fits_the_express_topic() -> None:
    ledger = one_loan()
    message = Mouth(seed=1).say("loan.payment_received", ledger.pay("L-000001", 10, at=AT), at=AT, topic="loan-urgent")
    assert decoded(message) == "loan.payment_received"


async def test_balance_port_answers_named_loans_and_pages() -> None:
    ledger = books(5)
    transport = httpx.ASGITransport(app=balance_port(ledger))
    async with httpx.AsyncClient(transport=transport, base_url="http://core") as client:
        named = (await client.get("/v1/balances", params={"loan_ref": ["L-000002", "L-000009"]})).json()
        first = (await client.get("/v1/balances", params={"limit": 3})).json()
        rest = (await client.get("/v1/balances", params={"after": first["next"], "limit": 3})).json()
        totals = (await client.get("/v1/control-totals")).json()
    assert [item["loan_ref"] for item in named["items"]] == ["L-000002"]
    assert [item["loan_ref"] for item in first["items"] + rest["items"]] == list(ledger.loans)
    assert rest["next"] is None
    assert totals["overdue_minor"] == {"TWD": sum(item["overdue_minor"] for item in first["items"] + rest["items"])}
