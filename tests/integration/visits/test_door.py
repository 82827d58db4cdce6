"""Check-ins on the real database: permits once, refusals recorded, recalls and safety."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.visits import gauges
from services.visits.access_desk import LISTS
from shared.events import Received
from shared.events.compliance import PartyErased
from shared.geo import Point
from shared.telemetry import metrics
from shared.web.claims import REPLAYED_HEADER

from .conftest import HOME

OTHER_PERSON = {
    "outcome": "other_person", "right_party": False, "household_contacted": True, "debtor_met": False,
    "identity_shown": True, "recording_complete": True,
}  # fmt: skip


async def _summary(world: Any) -> Any:
    return await world.get("/v1/summary")


async def test_forbidden_acts_are_refused_and_counted(world: Any) -> None:
    await world.assigned()
    assert (await world.check_in(permit=None)).json()["reason"] == "no_permit"
    head, body, tail = world.permit().split(".")
    assert (await world.check_in(permit=f"{head}.{body}.{'A' * len(tail)}")).json()["reason"] == "permit_forged"
    foreign = world.permit(subject_id=str(uuid4()))
    assert (await world.check_in(permit=foreign)).json()["reason"] == "permit_foreign"
    one = await world.check_in(crew_present=[str(world.crew[0])])
    assert (one.status_code, one.json()["rule"]) == (403, "CN-CBA2026-VISIT-2P")
    assert (await world.check_in()).status_code == 200
    again = await world.check_in()
    assert (again.status_code, again.json()["reason"]) == (409, "permit_used")
    summary = await _summary(world)
    assert summary["check_ins"] == 1
    assert summary["refused_check_ins_by_reason"] == {
        "no_permit": 1,
        "permit_forged": 1,
        "permit_foreign": 1,
        "crew_incomplete": 1,
        "permit_used": 1,
    }
    refused = [data for name, data in await world.published() if name == "visit.check_in_refused"]
    assert [one["reasons"][0] for one in refused] == [
        "no_permit", "permit_forged", "permit_foreign", "crew_incomplete", "permit_used"
    ]  # fmt: skip
    assert {(one["device_id"], one["cell"]) for one in refused} == {("device-1", Point(**HOME).cell())}


async def test_refusal_is_replayed_not_repeated(world: Any) -> None:
    await world.assigned()
    path, body, key = f"/v1/visits/{world.visit_id}/check-in", world.arrival(permit=None), str(uuid4())
    first, second = await world.post(path, body, key=key), await world.post(path, body, key=key)
    assert (first.status_code, second.status_code, second.headers[REPLAYED_HEADER]) == (403, 403, "true")
    assert (await _summary(world))["refused_check_ins"] == 1


async def test_two_devices_race_for_one_permit(world: Any) -> None:
    await world.assigned()
    answers = await asyncio.gather(*(world.check_in() for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_check_in_needs_nobody_while_the_devices_list_is_fresh(world: Any) -> None:
    await world.assigned()
    world.others.down = True
    refused = await world.check_in()
    assert (refused.status_code, refused.json()["reason"]) == (409, "facts_stale")
    listed = {"number": 1, "as_of": world.clock.real.isoformat(), "device_id": "device-1", "permit_ids": []}
    fresh = world.others.key.sign_document(listed, kind="revocations+jwt")
    assert (await world.check_in(revocation_list=fresh)).status_code == 200


async def test_nothing_is_owed_any_more(world: Any) -> None:
    """The core says so before any event does."""
    await world.assigned()
    world.others.overdue_minor = 0
    refused = await world.check_in()
    assert (refused.status_code, refused.json()["reason"]) == (409, "nothing_owed")
    assert refused.json()["rule"] == "DOORSTEP-BALANCE"


async def test_stale_facts(world: Any) -> None:
    await world.assigned()
    world.clock.real += timedelta(seconds=61)
    refused = await world.check_in()
    assert (refused.status_code, refused.json()["reason"]) == (409, "facts_stale")


async def test_held_back_party(world: Any) -> None:
    await world.assigned()
    await world.heartbeat(parked=(world.party_id,))
    assert (await world.check_in()).json()["reason"] == "facts_stale"


async def test_older_heartbeat_does_not_turn_time_back(world: Any) -> None:
    await world.assigned()
    await world.heartbeat(low_watermark=world.clock.real - timedelta(hours=1))
    assert (await world.check_in()).status_code == 200


async def test_withdrawn_key_verifies_nothing(world: Any, tmp_path: Any) -> None:
    await world.assigned()
    permit = world.permit()
    world.others.key = type(world.others.key).open(tmp_path / "new", "permit")
    world.clock.real += timedelta(hours=1)
    await world.work()
    await world.heartbeat()
    assert (await world.check_in(permit=permit)).json()["reason"] == "permit_forged"


@pytest.mark.parametrize("cause", ["payment", "identity"])
async def test_payment_or_merge_recalls_a_visit_on_its_way(world: Any, cause: str) -> None:
    await world.assigned()
    await world.post(f"/v1/visits/{world.visit_id}/en-route")
    fact = world.stopped(cause)
    world.clock.real += timedelta(milliseconds=300)
    await world.deliver("stop", fact)
    assert (await world.check_in()).json()["reason"] == "permit_revoked"
    recalls = (await _summary(world))["recalls"]
    assert (recalls["count"], recalls["p99_ms"]) == (1, 300)


async def test_topics_in_any_order_end_alike(world: Any) -> None:
    """Stop, revocation and assignment come from three services: whatever comes first, nobody rings."""
    ends = set()
    for order in permutations(("stop", "compliance", "visit")):
        fresh = type(world)(world.database, world.clock, world.others, None, world.total_key)
        fresh.handlers, fresh.api = world.handlers, world.api
        fresh.clock.business = world.clock.business
        await fresh.deliver("case", fresh.case())
        await fresh.deliver("visit", fresh.proposal())
        await fresh.work()
        token = next(
            offer["link_token"]
            for offer in (await fresh.get("/v1/offers"))["items"]
            if offer["visit_id"] == str(fresh.visit_id)
        )
        await fresh.post(f"/v1/visits/{fresh.visit_id}/answer", {"answer": "agree", "link_token": token})
        events = {"stop": fresh.stopped(), "compliance": fresh.revoked(), "visit": fresh.assignment()}
        for topic in order:
            await fresh.deliver(topic, events[topic])
        ends.add(await fresh.state())
    assert ends == {"recalled"}


async def test_stop_before_the_proposal_it_concerns(world: Any) -> None:
    name, proposal = world.proposal()
    event = world.event(name, proposal)
    world.clock.real += timedelta(seconds=1)
    await world.deliver("stop", world.stopped("stop_request"))
    async with world.database.unit_of_work() as uow:
        await world.subscriptions["visit"].handle(uow, [Received(event=event, topic="visit", partition=3, offset=9)])
    assert await world.state() == "recalled"


async def test_fact_at_the_door_is_a_notice_and_counted_apart(world: Any) -> None:
    await world.assigned()
    fact = world.stopped("plan_signed")
    world.clock.real += timedelta(seconds=5)
    await world.check_in()
    await world.deliver("stop", fact)
    assert (await world.get(f"/v1/visits/{world.visit_id}"))["notice_to_end"] == "plan_signed"
    summary = await _summary(world)
    assert (summary["notices_to_end"], summary["check_ins_after_fact"]) == (1, {"within_limit": 1, "beyond_limit": 0})


async def test_sos_is_accepted_while_everything_else_is_down(world: Any) -> None:
    await world.assigned()
    await world.check_in()
    world.others.down = True
    raised = await world.post("/v1/sos", {"collector_id": str(world.crew[0]), "silent": True})
    assert (raised.status_code, raised.json()["visit_id"]) == (201, str(world.visit_id))
    assert await world.state() == "aborted_safety"
    assert {"visit.sos_raised", "visit.aborted", "party.stopped"} <= set(await world.emitted())


async def test_sos_without_a_visit(world: Any) -> None:
    raised = await world.post("/v1/sos", {"collector_id": str(uuid4())})
    assert (raised.status_code, raised.json()["visit_id"]) == (201, None)


async def test_alarm_is_answered(world: Any) -> None:
    alarm = (await world.post("/v1/sos", {"collector_id": str(uuid4())})).json()
    world.clock.real += timedelta(minutes=4)
    assert (await world.post(f"/v1/alarms/{alarm['alarm_id']}/acknowledge")).json()["acknowledged_by"] == "demo-driver"
    assert (await world.get("/v1/alarms?open=true"))["items"] == []
    assert (await _summary(world))["sos"] == {"count": 1, "silent": 0, "open": 0, "answered_within_5_minutes": 1}


async def test_alarm_that_nobody_answers_grows_old(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ages: list[tuple[str, float]] = []
    monkeypatch.setattr(metrics, "set_gauge", lambda name, value: ages.append((name, value)))

    async def look() -> None:
        async with world.database.read_only() as uow:
            await gauges.set_gauges(uow)

    await look()
    alarm = (await world.post("/v1/sos", {"collector_id": str(uuid4())})).json()
    world.clock.real += timedelta(minutes=6)
    await look()
    await world.post(f"/v1/alarms/{alarm['alarm_id']}/acknowledge")
    await look()
    assert ages == [("doorstep.alarms.oldest_open.age", value) for value in (0.0, 360.0, 0.0)]


async def test_crew_that_does_not_check_out_is_looked_for(world: Any) -> None:
    await world.assigned()
    await world.check_in()
    world.clock.business += timedelta(minutes=45)
    await world.work()
    assert [alarm["kind"] for alarm in (await world.get("/v1/alarms"))["items"]] == ["check_out_overdue"]


async def test_who_is_at_my_door(world: Any) -> None:
    await world.assigned()
    code = (await world.get(f"/v1/visits/{world.visit_id}"))["door_code"]
    shown = await world.get(f"/v1/door/{code.lower()}")
    assert [person["name"] for person in shown["people"]] == ["Collector 0", "Collector 1"]
    assert shown["expected_now"] is True
    assert not {"party_id", "case_id", "overdue", "visit_id"} & shown.keys()


async def test_unknown_door_code(world: Any) -> None:
    assert (await world.api.get("/v1/door/00000000")).status_code == 404


async def test_nothing_about_a_third_person_can_be_sent(world: Any) -> None:
    await world.assigned()
    await world.check_in()
    path = f"/v1/visits/{world.visit_id}/check-out"
    refused = await world.post(path, OTHER_PERSON | {"note": "neighbour Mrs Li"})
    assert refused.status_code == 422
    assert "Li" not in refused.text
    assert (await world.post(path, OTHER_PERSON)).status_code == 200


async def test_check_out_without_check_in_is_accepted(world: Any) -> None:
    await world.assigned()
    out = await world.post(f"/v1/visits/{world.visit_id}/check-out", OTHER_PERSON)
    assert (out.status_code, out.json()["state"]) == (200, "checked_out")


@pytest.mark.parametrize("table", ["permit_use", "check_in_refusal", "recall", "message_out"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET tenant = tenant"])
async def test_evidence_cannot_be_changed(world: Any, table: str, statement: str) -> None:
    async with world.database.read_only() as uow:
        may = await uow.sql.fetchval(
            "SELECT has_table_privilege($1, 'UPDATE') OR has_table_privilege($1, 'DELETE')", table
        )
    assert may is False
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with world.database.unit_of_work() as uow:
            await uow.sql.execute(statement.format(table))


async def test_nothing_of_an_erased_person_stays(world: Any) -> None:
    await world.assigned()
    await world.check_in()
    now = world.clock.real_now()
    erased = PartyErased(party_id=world.party_id, erasure_id=uuid4(), erased_at=now, complete_from=now)
    await world.deliver("compliance", ("compliance.party_erased", erased))
    async with world.database.read_only() as uow:
        for table in ("visit", "held_permit", "permit_use", "message_out", "party_fact", "recall", "check_in_refusal"):
            assert await uow.sql.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_person_is_told_of_visits_and_nothing_of_the_crew(world: Any) -> None:
    await world.assigned()
    await world.check_in()
    assert (await world.post(f"/v1/visits/{world.visit_id}/check-out", OTHER_PERSON)).status_code == 200
    received = world.clock.business_now().isoformat().replace("+", "%2B")
    answer = await world.api.get(f"/v1/parties/{world.party_id}/access-lists?received_at={received}")
    lists = {one["name"]: one["rows"] for one in answer.json()["lists"]}
    assert list(lists)[: len(LISTS)] == list(LISTS)
    assert {name for name in LISTS if lists[name]} == {"known", "visits", "outcomes", "messages", "permits_used"}
    assert lists["outcomes"][0]["values"]["outcome"] == "other_person"
    assert lists["visits"][0]["values"]["crew_present"] == 2
    for secret in (*(str(one) for one in world.crew), "device-1", world.permit()):
        assert secret not in answer.text


async def test_erased_person_is_told_just_that(world: Any) -> None:
    await world.assigned()
    now = world.clock.real_now()
    erased = PartyErased(party_id=world.party_id, erasure_id=uuid4(), erased_at=now, complete_from=now)
    await world.deliver("compliance", ("compliance.party_erased", erased))
    answer = await world.api.get(f"/v1/parties/{world.party_id}/access-lists?received_at=2026-03-10T00:00:00Z")
    assert answer.status_code == 410
