"""Intake's API: facts by HTTP, personal data under purpose, balances, reconciliation, cases."""

from datetime import timedelta
from uuid import uuid4

import httpx

from shared.events.catalogue import CATALOGUE
from shared.security.signing import SigningKey, verify_document
from tests.integration.intake.conftest import NOW, record_of
from tests.integration.intake.test_facts import case_of
from tests.unit.intake.facts import DAY, due, overdue, payment, person

_NAMES = {event_type.model: name for name, event_type in CATALOGUE.items()}


def item(fact, **changes):
    return {
        "id": str(uuid4()),
        "source": "core-a",
        "type": _NAMES[type(fact)],
        "time": NOW.isoformat(),
        "data": fact.model_dump(mode="json") | changes,
    }


async def post(api, *items, key=None):
    answer = await api.post(
        "/v1/loan-events", json={"items": list(items)}, headers={"Idempotency-Key": key or str(uuid4())}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_each_item_has_its_own_result(intake):
    async with intake.api() as api:
        good = item(overdue(1))
        results = await post(
            api, good, item(overdue(2), balance=-1), item(overdue(3), currency="XXX"), {"id": "x"}, good,
            item(overdue(5, business_date=DAY + timedelta(days=9))),
            item(payment(9, 1, loan="L-9")), item(overdue(6), tenant="other"),
        )  # fmt: skip
    assert [result["outcome"] for result in results] == [
        "applied", "refused", "refused", "refused", "duplicate", "refused", "pending", "refused",
    ]  # fmt: skip
    assert results[1]["errors"][0]["pointer"] == "/data/balance"
    assert results[5]["errors"] == [{"pointer": "/data/business_date", "kind": "future_business_date"}]
    assert (await case_of(intake))["status"] == "open"


async def test_nul_character_refuses_the_body_and_names_the_field(intake):
    async with intake.api() as api:
        body = {"items": [item(overdue(1), creditor="a\x00b")]}
        answer = await api.post("/v1/loan-events", json=body, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/items/0/data/creditor"


async def test_event_known_from_http_is_known_on_the_topic(intake):
    async with intake.api() as api:
        sent = item(overdue(1))
        await post(api, sent)
    await intake.tell(record_of(overdue(7, due(10, 900)), identity=sent["id"]))
    assert await intake.types() == ["case.opened"]


async def test_invalid_point_is_named(intake):
    async with intake.api() as api:
        wrong = item(person(1))
        wrong["data"]["contact_points"][0]["point"]["lat"] = 91
        results = await post(api, wrong)
    assert results[0]["errors"][0]["pointer"] == "/data/contact_points/0/point/lat"


async def test_oversized_body_is_refused(intake):
    async with intake.api() as api:
        answer = await api.post(
            "/v1/loan-events",
            content=b" " * (2 * 1024 * 1024),
            headers={"Idempotency-Key": "k", "Content-Type": "application/json"},
        )
    assert answer.status_code == 413


async def test_cases_are_paged(intake):
    await intake.tell(*(overdue(1, party=f"P-{number}") for number in range(5)))
    seen = []
    async with intake.api() as api:
        cursor = ""
        while cursor is not None:
            page = (await api.get(f"/v1/cases?status=open&limit=2{cursor}")).json()
            seen += [case["case_id"] for case in page["items"]]
            cursor = f"&cursor={page['next']}" if page["next"] else None
    assert len(seen) == len(set(seen)) == 5


async def test_snapshot_tells_the_sequence_it_contains(intake):
    await intake.tell(overdue(1), person(2))
    case = await case_of(intake)
    async with intake.api() as api:
        snapshot = (await api.get(f"/v1/cases/{case['case_id']}/snapshot")).json()
        whole = (await api.get(f"/v1/cases/{case['case_id']}")).json()
    assert snapshot["sequence"] == 2
    assert snapshot["overdue_totals"] == [{"amount_minor": 500, "currency": "CNY"}]
    assert whole["loans"][0]["loan_ref"] == "L-1"


def core_saying(**rows):
    items = [
        {"loan_ref": ref.replace("_", "-"), "party_ref": "P", "currency": "CNY", "balance_minor": 100_000,
         "overdue_minor": overdue_minor, "oldest_due_date": str(DAY - timedelta(days=10)) if overdue_minor else None,
         "business_date": str(DAY)}
        for ref, overdue_minor in sorted(rows.items())
    ]  # fmt: skip

    def answer(request: httpx.Request) -> httpx.Response:
        wanted = request.url.params.get_list("loan_ref")
        return httpx.Response(
            200, json={"items": [i for i in items if not wanted or i["loan_ref"] in wanted], "next": None}
        )

    return httpx.MockTransport(answer)


async def test_balance_answer_is_signed_and_from_the_core(intake):
    await intake.tell(overdue(1))
    intake.core = core_saying(L_1=700)
    case = await case_of(intake)
    async with intake.api() as api:
        body = {"items": [{"party_id": str(case["party_id"]), "case_id": str(case["case_id"])}]}
        answer = (await api.post("/v1/balance-checks", json=body)).json()["items"][0]
    key = SigningKey.open(intake.settings.key_folder, "balance")
    claims = verify_document(answer["answer"], key.public_keys(), kind="balance+jwt")
    assert claims["sub"] == str(case["party_id"])
    assert claims["overdue_totals"] == answer["overdue_totals"] == [{"amount_minor": 700, "currency": "CNY"}]
    assert (answer["basis"], answer["differs"]) == ("core", True)


async def test_without_any_source_there_is_no_balance_answer(intake):
    await intake.tell(overdue(1))
    case = await case_of(intake)
    async with intake.api() as api:
        body = {"items": [{"party_id": str(case["party_id"]), "case_id": str(case["case_id"])}]}
        assert (await api.post("/v1/balance-checks", json=body)).status_code == 503


async def test_reconciliation_names_each_difference(intake):
    await intake.tell(overdue(1), overdue(2, party="P-2", loan="L-2"), overdue(3, party="P-3", loan="L-3"))
    intake.core = core_saying(L_1=500, L_2=501, L_4=9, L_5=0)
    async with intake.api() as api:
        result = (await api.get(f"/v1/reconciliation?business_date={DAY}")).json()
    assert [(found["loan_ref"], found["field"], found["ours"], found["cores"]) for found in result["items"]] == [
        ("L-2", "overdue_minor", "500", "501"), ("L-3", "loan", "known", None), ("L-4", "loan", None, "past due"),
    ]  # fmt: skip
    assert (result["loans_compared"], result["differences"]) == (2, 3)


async def test_summary_counts_what_the_tables_hold(intake):
    await intake.tell(person(1), overdue(2), payment(3, 100, due(10, 500, 100)), overdue(4, party="P-2"))
    async with intake.api() as api:
        summary = (await api.get("/v1/summary")).json()
    assert (summary["parties"], summary["cases_open"], summary["cases_held"]) == (1, 2, 1)
    assert summary["payments"] == [
        {"currency": "CNY", "posted": 1, "pending": 0, "reversed": 0, "posted_minor": 100, "reversed_minor": 0}
    ]
    assert summary["events"]["applied"] == 4
