"""Facts are believed from their owners only, are kept as they stood, close tasks and recall permits."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.compliance.store.dossiers import load_dossiers
from services.compliance.store.facts import load_facts
from services.compliance.store.leaves import alias_of, erase_people

from .conftest import NOW, Desk, opened_case, visit_contact, visit_request


def told(party_id: UUID, fact: str, value: Any, **changes: Any) -> dict[str, Any]:
    item = {"party_id": str(party_id), "fact": fact, "value": value, "as_of": NOW.isoformat()}
    return {"items": [item | changes]}


async def facts_of(desk: Desk, party_id: UUID) -> dict[str, Any]:
    response = await desk.get("/v1/facts", party_id=str(party_id))
    return {one["fact"]: one["value"] for one in response.json()["items"]}


async def test_owner_tells_and_it_stands(desk: Desk) -> None:
    case = await desk.open_case()
    response = await desk.post("/v1/facts", told(case.party_id, "collector_certified", True), client="assignment")
    assert response.json()["items"][0]["status"] == "recorded"
    again = await desk.post("/v1/facts", told(case.party_id, "collector_certified", True), client="assignment")
    assert again.json()["items"][0]["status"] == "known"
    assert await facts_of(desk, case.party_id) == {"collector_certified": True}


async def test_stranger_is_refused_and_the_owner_named(desk: Desk) -> None:
    case = await desk.open_case()
    body = told(case.party_id, "collector_certified", True)
    response = await desk.post("/v1/facts", body, client="core")
    assert response.status_code == 403
    assert response.json()["type"].endswith("fact-not-owned")
    assert response.json()["owner"] == "assignment"
    assert await facts_of(desk, case.party_id) == {}


async def test_one_strangers_fact_fails_the_whole_request(desk: Desk) -> None:
    case = await desk.open_case()
    items = told(case.party_id, "recipient", "obligor")["items"] + told(case.party_id, "product", "card")["items"]
    assert (await desk.post("/v1/facts", {"items": items}, client="core")).status_code == 403
    assert await facts_of(desk, case.party_id) == {}


@pytest.mark.parametrize(
    ("fact", "value"), [("collector_certified", "yes"), ("collector", "butler"), ("collector", True)]
)
async def test_value_of_another_kind_is_misread(desk: Desk, fact: str, value: Any) -> None:
    case = await desk.open_case()
    response = await desk.post("/v1/facts", told(case.party_id, fact, value), client="assignment")
    assert (response.status_code, response.json()["type"].rsplit("/", 1)[1]) == (422, "fact-misread")


async def test_skewed_clock_is_borne_and_the_future_refused(desk: Desk) -> None:
    case = await desk.open_case()
    soon, later = NOW + timedelta(minutes=1), NOW + timedelta(minutes=3)
    body = told(case.party_id, "collector_certified", True, as_of=soon.isoformat())
    assert (await desk.post("/v1/facts", body, client="assignment")).status_code == 200
    assert await facts_of(desk, case.party_id) == {"collector_certified": True}
    body = told(case.party_id, "collector_badged", True, as_of=later.isoformat())
    response = await desk.post("/v1/facts", body, client="assignment")
    assert (response.status_code, response.json()["type"].rsplit("/", 1)[1]) == (422, "fact-not-yet")


async def test_two_values_at_one_moment_contradict(desk: Desk) -> None:
    case = await desk.open_case()
    both = [told(case.party_id, "collector", value)["items"][0] for value in ("agency", "creditor")]
    response = await desk.post("/v1/facts", {"items": both}, client="assignment")
    assert (response.status_code, response.json()["type"].rsplit("/", 1)[1]) == (422, "facts-contradict")


async def test_what_was_known_stays_readable_as_it_stood(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.tell(case.party_id, collector="agency")
    desk.clock.business += timedelta(days=1)
    await desk.tell(case.party_id, collector="creditor")
    async with desk.database.read_only() as uow:
        now = (await load_facts(uow, desk.instruments.cipher, [case.party_id]))[case.party_id]
    assert now.circumstances.collector == "creditor"
    async with desk.database.read_only() as uow:
        kept = (await load_dossiers(uow, desk.instruments.cipher, [case.party_id]))[case.party_id]
    assert [(one.value, one.owner) for one in kept.entries] == [("agency", "assignment"), ("creditor", "assignment")]


async def test_told_fact_closes_its_task(desk: Desk) -> None:
    case = await desk.open_case(jurisdiction="US-NYC", time_zones=["America/New_York"])
    window = {"start": "2026-03-02T16:00:00Z", "end": "2026-03-02T17:00:00Z"}
    asked = visit_request(case, channel="call", jurisdiction="US-NYC", time_zones=[], window=window)
    await desk.post("/v1/decisions", {"items": [asked]})
    before = {one["fact"] for one in (await desk.get("/v1/fact-tasks")).json()["items"]}
    assert "preferences.read" in before
    await desk.post("/v1/preferences", {"party_id": str(case.party_id), "wishes": [], "told_at": NOW.isoformat()})
    after = {one["fact"] for one in (await desk.get("/v1/fact-tasks")).json()["items"]}
    assert after == before - {"preferences.read"}


async def test_false_fact_revokes_the_permit(desk: Desk) -> None:
    case = await desk.open_case()
    (granted,) = await desk.ask(visit_request(case))
    await desk.tell(case.party_id, collector_trained=False)
    (revoked,) = await desk.events("compliance.permit_revoked")
    assert revoked["permit_id"] == granted["permit_id"]


async def test_fact_of_another_matter_revokes_nothing(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.ask(visit_request(case))
    await desk.tell(case.party_id, guaranteed=False)
    assert await desk.events("compliance.permit_revoked") == []


async def test_asker_asserts_nothing(desk: Desk) -> None:
    case = await desk.open_case()
    response = await desk.post("/v1/decisions", {"items": [visit_request(case, facts={"place_consented": True})]})
    assert response.status_code == 422


async def test_audit_sees_the_circumstances_of_the_moment(desk: Desk) -> None:
    """A contact by an agency is judged by the agency's rules, though the creditor took the case back later."""
    case = await desk.open_case(jurisdiction="US", time_zones=["America/New_York"])
    await desk.tell(case.party_id, as_of=NOW - timedelta(days=1), collector="agency")
    await desk.tell(case.party_id, as_of=NOW, collector="creditor")
    at = datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
    early = visit_contact(case, None, channel="call", started_at=at, ended_at=at + timedelta(minutes=5))
    late_at = at + timedelta(days=1)
    late = visit_contact(case, None, channel="call", started_at=late_at, ended_at=late_at + timedelta(minutes=5))
    await desk.deliver("contact", ("contact.recorded", early), ("contact.recorded", late))
    async with desk.database.read_only() as uow:
        rows = await uow.sql.fetch("SELECT contact_id FROM finding_version WHERE rule = 'US-REGF-TIME'")
    assert [row["contact_id"] for row in rows] == [early.contact_id]


async def test_no_decision_about_the_erased(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.ask(visit_request(case))
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([case.party_id])
        await erase_people(uow, desk.instruments.cipher, [case.party_id])
    for path in ("/v1/permits", "/v1/decisions"):
        response = await desk.post(path, {"items": [visit_request(case)]})
        assert (response.status_code, response.json()["type"].rsplit("/", 1)[1]) == (410, "party-erased")
    response = await desk.post("/v1/facts", told(case.party_id, "collector_certified", True), client="assignment")
    assert response.status_code == 410


async def test_what_comes_after_the_erasure_does_not_undo_it(desk: Desk) -> None:
    case = await desk.open_case()
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([case.party_id])
        await erase_people(uow, desk.instruments.cipher, [case.party_id])
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, None)))
    response = await desk.post("/v1/permits", {"items": [visit_request(case)]})
    assert response.status_code == 410


@pytest.mark.parametrize("path", ["/v1/permits", "/v1/decisions"])
@pytest.mark.parametrize("others", [0, 2])
async def test_erased_person_keeps_no_neighbour_from_an_answer(desk: Desk, path: str, others: int) -> None:
    case = await desk.open_case()
    neighbours = [await desk.open_case() for _ in range(others)]
    await desk.ask(visit_request(case))
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([case.party_id])
        await erase_people(uow, desk.instruments.cipher, [case.party_id])
    asked = [visit_request(case), *(visit_request(one) for one in neighbours), visit_request(case)]
    response = await desk.post(path, {"items": asked})
    assert response.status_code == 200
    first, *between, last = response.json()["items"]
    assert [one["decision"] for one in between] == ["allow"] * others
    for one in (first, last):
        assert (one["decision_id"], one["decision"], one["lawful_after"]) == (None, "deny", "never")
        assert [reason["rule"] for reason in one["reasons"]] == ["PARTY-ERASED"]
    async with desk.database.read_only() as uow:
        owners = await uow.sql.fetch(
            "SELECT party_id FROM decision WHERE party_id <> ALL($1::uuid[])", [one.party_id for one in neighbours]
        )
    assert [row["party_id"] for row in owners] == [alias_of(desk.instruments.cipher, case.party_id)]


async def test_unknown_person_can_be_told_of(desk: Desk) -> None:
    case = opened_case()
    await desk.tell(case.party_id, collector="creditor")
    assert await facts_of(desk, case.party_id) == {"collector": "creditor"}
