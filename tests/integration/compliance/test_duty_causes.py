"""Requests, breaches and first communications over HTTP: their clocks run, people or what happens answer them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.compliance import duty_desk
from shared.events.case import CaseOpened

from .conftest import Desk, visit_contact
from .test_debts import loan, updated

START = datetime(2027, 1, 14, 9, tzinfo=UTC)


async def waits(desk: Desk, *rules: str) -> dict[str, tuple[int, int]]:
    """How much waits for these rules, and how much of it is late."""
    items = (await desk.get("/v1/duties", limit="200")).json()["items"]
    return {one["rule"]: (one["waiting"], one["late"]) for one in items if one["rule"] in rules}


async def answer(desk: Desk, cause: dict[str, Any], rule: str, **more: Any) -> Any:
    body = {"rule": rule, "outcome": "done", "answered_at": START.isoformat(), "reference": "F-8", **more}
    return await desk.post(f"/v1/duties/causes/{cause['cause_id']}/answers", body, client="rights-desk")


async def test_a_request_of_california_is_confirmed_by_a_person_and_answered_by_the_pack(desk: Desk) -> None:
    desk.clock.business = START
    party = str((await desk.open_case(jurisdiction="US-CA")).party_id)
    body = {"party_id": party, "right": "access", "received_at": START.isoformat(), "reference": "F-7"}
    for _ in range(2):
        taken = await desk.post("/v1/duties/requests", body, client="rights-desk")
        assert (taken.status_code, len(taken.json()["owed"])) == (201, 2), taken.text
    desk.clock.business = START + timedelta(days=15)
    async with desk.database.unit_of_work() as uow:
        await duty_desk.look(uow, desk.instruments)
    rules = ("US-CA-CCPA-CONFIRM", "US-CA-CCPA-REQUEST")
    assert await waits(desk, *rules) == {"US-CA-CCPA-CONFIRM": (1, 1), "US-CA-CCPA-REQUEST": (1, 0)}
    found = (await desk.get("/v1/control-findings", rule="US-CA-CCPA-CONFIRM")).json()["items"]
    assert [one["state"] for one in found] == ["open"]
    assert (await answer(desk, taken.json(), "US-CA-CCPA-CONFIRM", party_id=party)).status_code == 200
    pack = await desk.get(
        f"/v1/parties/{party}/access-pack", client="rights-desk", received_at=START.isoformat()
    )  # fmt: skip
    [requests] = [one for one in pack.json()["lists"] if one["name"] == "requests"]
    assert len(requests["rows"]) == 2
    assert await waits(desk, "US-CA-CCPA-REQUEST") == {}
    assert (await desk.get("/v1/duties/causes", client="rights-desk")).json()["items"] == []
    async with desk.database.read_only() as uow:
        clear = await uow.sql.fetchval("SELECT count(*) FROM duty_cause WHERE said::text LIKE '%' || $1 || '%'", party)
    assert [leaf.get("outcome") for leaf in await desk.leaves("duty")] == [None, "done", "done"]
    assert clear == 0


async def test_a_relative_is_given_nothing_of_the_living(desk: Desk) -> None:
    desk.clock.business = START
    party = str((await desk.open_case()).party_id)
    body = {
        "party_id": party, "right": "access", "relation": "child", "received_at": START.isoformat(), "reference": "F-9"
    }  # fmt: skip
    cause = (await desk.post("/v1/duties/requests", body, client="rights-desk")).json()
    grounds = {"kinship_proof": "F-1", "own_interest": "F-2", "arranged_otherwise": False}
    refused = await answer(desk, cause, "CN-PIPL-49", party_id=party, grounds=grounds)
    assert (refused.status_code, refused.json()["rule"]) == (409, "CN-PIPL-49")
    hold = {
        "party_id": party,
        "kind": "deceased",
        "scope": "party",
        "valid_from": START.isoformat(),
        "source_ref": "D-1",
    }
    assert (await desk.post("/v1/holds", hold)).status_code == 201
    other = str((await desk.open_case()).party_id)
    assert (await answer(desk, cause, "CN-PIPL-49", party_id=other, grounds=grounds)).status_code == 404
    assert (await answer(desk, cause, "CN-PIPL-49", party_id=party, grounds=grounds)).status_code == 200


async def test_a_breach_is_told_to_each_authority(desk: Desk) -> None:
    desk.clock.business = START
    body = {"known_at": START.isoformat(), "places": ["CN", "DE"], "reference": "INC-1"}
    cause = (await desk.post("/v1/duties/breaches", body, client="operator")).json()
    desk.clock.business = START + timedelta(hours=2)
    rules = [one["rule"] for one in cause["owed"]]
    assert rules == ["BANK-BREACH-PEOPLE", "CN-CSIR-4", "EU-GDPR-BREACH"]
    assert await waits(desk, *rules) == {
        "BANK-BREACH-PEOPLE": (1, 0), "CN-CSIR-4": (1, 1), "EU-GDPR-BREACH": (1, 0),
    }  # fmt: skip
    told = await answer(desk, cause, "CN-CSIR-4", reference="CAC-4711")
    assert [one["late"] for one in told.json()["owed"]] == [False, False, False]
    changed = await answer(desk, cause, "CN-CSIR-4", outcome="not_needed")
    assert changed.status_code == 409


async def test_the_first_communication_asks_for_the_notice_until_it_is_told_as_sent(desk: Desk) -> None:
    desk.clock.business = START
    case = await desk.open_case(jurisdiction="US-CA")
    for hours in (1, 2):
        began = START - timedelta(hours=hours)
        made = visit_contact(
            case, None, channel="call", started_at=began, ended_at=began + timedelta(minutes=5), crew=[]
        )
        await desk.deliver("contact", ("contact.recorded", made))
    assert await waits(desk, "US-REGF-VALID-SEND") == {"US-REGF-VALID-SEND": (1, 0)}
    fact = {"party_id": str(case.party_id), "fact": "validation_notice_sent", "value": True}
    item = {**fact, "as_of": START.isoformat()}
    told = await desk.post("/v1/facts", {"items": [item]}, client="core")
    assert told.status_code == 200, told.text
    assert await waits(desk, "US-REGF-VALID-SEND") == {"US-REGF-VALID-SEND": (0, 0)}


async def test_each_debt_asks_for_a_notice_of_its_own(desk: Desk) -> None:
    desk.clock.business = START
    first, second = loan(), loan(loan_ref="L-2")
    case = await desk.open_case(jurisdiction="US-CA", loans=[first])
    await called(desk, case, hours=1)
    assert await waits(desk, "US-REGF-VALID-SEND") == {"US-REGF-VALID-SEND": (1, 0)}
    await desk.tell(case.party_id, validation_notice_sent=True)
    assert await waits(desk, "US-REGF-VALID-SEND") == {"US-REGF-VALID-SEND": (0, 0)}
    desk.clock.real += timedelta(hours=1)
    desk.clock.business += timedelta(hours=1)
    await desk.deliver("case", ("case.updated", updated(case, loans=[first, second])))
    await called(desk, case, hours=0)
    [cause] = (await desk.get("/v1/duties/causes", client="rights-desk")).json()["items"]
    assert cause["reference"] == str(second.debt_id)
    fact = {"party_id": str(case.party_id), "fact": "validation_notice_sent", "value": True}
    for minutes, one, waiting in ((2, first, 1), (1, second, 0)):
        since = (desk.clock.business - timedelta(minutes=minutes)).isoformat()
        item = {**fact, "as_of": since, "debt_ids": [str(one.debt_id)]}
        assert (await desk.post("/v1/facts", {"items": [item]}, client="core")).status_code == 200
        assert await waits(desk, "US-REGF-VALID-SEND") == {"US-REGF-VALID-SEND": (waiting, 0)}
    [known] = (await desk.get("/v1/facts", party_id=str(case.party_id))).json()["items"]
    assert (known["value"], known["debt_ids"]) == (True, [str(second.debt_id)])
    strange = {**fact, "fact": "recording_announced", "as_of": since, "debt_ids": [str(first.debt_id)]}
    assert (await desk.post("/v1/facts", {"items": [strange]}, client="core")).status_code == 422


async def called(desk: Desk, case: CaseOpened, *, hours: int) -> None:
    """A call that reached the person so many hours ago."""
    began = desk.clock.business - timedelta(hours=hours, minutes=5)
    ended = began + timedelta(minutes=5)
    made = visit_contact(case, None, channel="call", started_at=began, ended_at=ended, crew=[])
    await desk.deliver("contact", ("contact.recorded", made))
