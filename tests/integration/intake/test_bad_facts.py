"""Every kind of bad fact, by HTTP and on the topic: refused by the field that spoils it; neighbours go on."""

import json
from datetime import timedelta

import pytest

from shared.money import MAX_AMOUNT_MINOR
from tests.integration.intake.conftest import record_of
from tests.integration.intake.test_api import item, post
from tests.unit.intake.facts import DAY, due, overdue, payment

# What is changed in the content of `loan.overdue`, and the field that is named.
BAD_FACTS = {
    "future business date": ({"business_date": (DAY + timedelta(days=9)).isoformat()}, "/data/business_date"),
    "negative amount": ({"balance": -1}, "/data/balance"),
    "absurd amount": ({"balance": MAX_AMOUNT_MINOR + 1}, "/data/balance"),
    "negative due amount": ({"due_items": [{"kind": "charge", "due_date": "2026-03-01", "principal": -5}]},
                            "/data/due_items/0/principal"),
    "inexact decimals": ({"balance": 10.5}, "/data/balance"),
    "decimals as text": ({"balance": "10.50"}, "/data/balance"),
    "unknown currency": ({"currency": "XXX"}, "/data/currency"),
    "no currency": ({"currency": None}, "/data/currency"),
    "no loan": ({"loan_ref": ""}, "/data/loan_ref"),
    "no party": ({"party_ref": "P 1"}, "/data/party_ref"),
    "no date": ({"business_date": "2026-02-30"}, "/data/business_date"),
    "another tenant": ({"tenant": "other"}, "/data/tenant"),
}  # fmt: skip


def _neighbour(number):
    return overdue(number, loan=f"L-{number}", party=f"P-{number}")


async def _open_cases(intake):
    rows = await intake.fetch(
        "SELECT a.party_ref FROM case_file c JOIN party_alias a USING (party_id) WHERE c.status = 'open' ORDER BY 1"
    )
    return [row[0] for row in rows]


async def test_by_http_each_is_refused_with_its_field(intake):
    bad = [item(overdue(1, party=f"B-{place}"), **changes) for place, (changes, _) in enumerate(BAD_FACTS.values())]
    neighbours = [item(_neighbour(number)) for number in range(10, 10 + len(bad))]
    async with intake.api() as api:
        results = await post(api, *(one for pair in zip(bad, neighbours, strict=True) for one in pair))
    assert [one["outcome"] for one in results] == ["refused", "applied"] * len(bad)
    named = dict(zip(BAD_FACTS, (one["errors"][0]["pointer"] for one in results[::2]), strict=True))
    assert named == {name: pointer for name, (_, pointer) in BAD_FACTS.items()}
    assert len(await _open_cases(intake)) == len(neighbours)


async def test_on_the_topic_each_is_a_dead_letter_that_names_its_field(intake):
    records = []
    for place, (changes, _) in enumerate(BAD_FACTS.values()):
        fact = overdue(1, party=f"B-{place}")
        value = json.dumps(fact.model_dump(mode="json") | changes).encode()
        records += [record_of(fact, identity=str(place), value=value), record_of(_neighbour(10 + place))]
    encoded = overdue(1, party="B-90", creditor="##").model_dump_json().encode()
    records.append(record_of(overdue(1, party="B-90"), identity="90", value=encoded.replace(b"##", b"\xff\xfe")))
    records.append(record_of(overdue(1, party="B-91", creditor="a\x00b"), identity="91"))
    await intake.tell(*records)
    letters = await intake.fetch("SELECT event_id, detail FROM dead_letter WHERE party_id IS NOT NULL")
    found = {row[0]: row[1].partition(":")[0] for row in letters}
    expected = {str(place): pointer.removeprefix("/data") for place, (_, pointer) in enumerate(BAD_FACTS.values())}
    # What only the fold can see is named as by HTTP; bytes that are no text have no fields.
    expected |= {"0": "/data/business_date", "90": "/", "91": "/data/creditor"}
    # A fact of another tenant lies under a key that cannot be one of ours.
    expected["11"] = "key is not tenant|core|party_ref"
    assert found == expected
    assert len(await _open_cases(intake)) == len(BAD_FACTS)


@pytest.mark.parametrize("way", ["http", "topic"])
async def test_what_is_early_or_late_is_no_error_and_not_lost(intake, way):
    """Money for an unknown loan waits, somebody unknown is held, an older business date stays below the newer one."""
    older = overdue(9, due(30, 900), business_date=DAY - timedelta(days=3))
    facts = [overdue(5), older, payment(6, 100, loan="L-9", party="P-9")]
    if way == "http":
        async with intake.api() as api:
            outcomes = [one["outcome"] for one in await post(api, *map(item, facts))]
        assert outcomes == ["applied", "ignored", "pending"]
    else:
        await intake.tell(*facts)
        assert await intake.fetch("SELECT FROM dead_letter") == []
    assert await _open_cases(intake) == ["P-1"]
    (opened,) = [data for name, data in await intake.told() if name == "case.opened"]
    assert (opened["held"], opened["overdue_totals"][0]["amount_minor"]) == (True, 500)
    assert [row[0] for row in await intake.fetch("SELECT loan_ref FROM movement")] == ["L-9"]
    assert len(await intake.fetch("SELECT FROM loan_fact")) == 3


async def test_bytes_that_are_no_text_are_refused_before_any_effect(intake):
    async with intake.api() as api:
        body = json.dumps({"items": [item(overdue(1), creditor="##")]}).encode().replace(b"##", b"\xff\xfe")
        answer = await api.post(
            "/v1/loan-events", content=body, headers={"Idempotency-Key": "k", "Content-Type": "application/json"}
        )
    assert answer.status_code in (400, 422)
    assert await intake.fetch("SELECT FROM loan_fact") == []
