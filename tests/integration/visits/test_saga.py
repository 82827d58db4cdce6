"""The visit from its proposal to its audited record, on the real database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.events.compliance import ContactAudited, HoldPlaced

OUT = {
    "outcome": "met_customer", "reason": "income_lost", "right_party": True, "household_contacted": True,
    "debtor_met": True, "identity_shown": True, "recording_complete": True,
    "promise": {"amount_minor": 20000, "currency": "CNY"},
}  # fmt: skip


async def test_true_path(world: Any) -> None:
    await world.assigned()
    visit = f"/v1/visits/{world.visit_id}"
    assert (await world.post(f"{visit}/en-route")).status_code == 200
    arrived = await world.check_in()
    assert arrived.status_code == 200, arrived.text
    assert (await world.post(f"{visit}/check-out", OUT)).json()["outcome"] == "met_customer"
    contact_id = UUID((await world.get(visit))["contact_id"])
    audited = ContactAudited(contact_id=contact_id, party_id=world.party_id, leaf_index=7, verdict="lawful", findings=0)
    await world.deliver("compliance", ("compliance.contact_audited", audited))
    assert await world.state() == "recorded"
    await world.work()
    assert world.others.paths().count(f"/v1/permits/{world.permit_id}/use") == 1
    assert await world.emitted() == [
        "visit.offered",
        "contact.recorded",
        "visit.agreed",
        "visit.checked_in",
        "visit.completed",
        "contact.recorded",
    ]


async def test_offer_waits_for_the_case(world: Any) -> None:
    await world.deliver("visit", world.proposal())
    await world.work()
    assert await world.state() == "proposed"
    assert "/v1/permits" not in world.others.paths()
    await world.deliver("case", world.case())
    await world.work()
    assert await world.state() == "offered"


async def test_offer_waits_while_compliance_is_down(world: Any) -> None:
    world.others.down = True
    await world.deliver("case", world.case())
    await world.deliver("visit", world.proposal())
    await world.work()
    assert await world.state() == "proposed"
    world.others.down = False
    await world.work()
    assert await world.state() == "offered"


async def test_offer_waits_while_compliance_catches_up(world: Any) -> None:
    """After an outage its first answers lack facts that come by themselves, to however many tries: no refusal."""
    reasons = [{"rule": "FACTS-FRESH", "lawful_after": "facts.fresh"}]
    world.others.answer = {"decision": "needs-fact", "permit_id": None, "reasons": reasons}
    await world.deliver("case", world.case())
    await world.deliver("visit", world.proposal())
    for _ in range(12):
        await world.work()
    assert await world.state() == "proposed"
    keys = [key for path, key in world.others.keys if path == "/v1/permits"]
    assert len(keys) == len(set(keys)) == 12, "an answer that lacked facts is not replayed"
    world.others.answer = {"decision": "allow"}
    await world.work()
    assert await world.state() == "offered"


async def test_refused_offer_is_repeated_at_the_earliest_lawful_time(world: Any) -> None:
    later = world.clock.business + timedelta(hours=3)
    world.others.answer = {"decision": "deny", "permit_id": None, "earliest_lawful": later.isoformat()}
    await world.deliver("case", world.case())
    await world.deliver("visit", world.proposal())
    await world.work()
    world.others.answer = {"decision": "allow"}
    await world.work()
    assert await world.state() == "proposed"
    world.clock.business = later
    await world.work()
    assert await world.state() == "offered"


async def test_refused_for_good(world: Any) -> None:
    world.others.answer = {"decision": "deny", "permit_id": None}
    await world.deliver("case", world.case())
    await world.deliver("visit", world.proposal())
    await world.work()
    assert (await world.get(f"/v1/visits/{world.visit_id}"))["end_cause"] == "offer_refused"


async def test_offer_text_names_no_debt_and_says_it_can_be_refused(world: Any) -> None:
    await world.offered()
    text = (await world.get("/v1/offers"))["items"][0]["text"]
    assert "拒绝" in text
    assert "欠" not in text


async def test_no_answer(world: Any) -> None:
    await world.offered()
    world.clock.business = world.window.start
    await world.work()
    assert await world.state() == "declined"
    assert (await world.emitted())[-1] == "visit.declined"


@pytest.mark.parametrize(("answer", "state"), [("agree", "agreed"), ("decline", "declined"), ("stop", "declined")])
async def test_answers(world: Any, answer: str, state: str) -> None:
    token = await world.offered()
    body = {"answer": answer, "link_token": token}
    assert (await world.post(f"/v1/visits/{world.visit_id}/answer", body)).json()["state"] == state


async def test_another_time(world: Any) -> None:
    token = await world.offered()
    wished = {"start": "2026-03-13T01:00:00Z", "end": "2026-03-13T03:00:00Z"}
    body = {"answer": "move", "wished": wished, "link_token": token}
    assert (await world.post(f"/v1/visits/{world.visit_id}/answer", body)).json()["state"] == "rescheduled"
    assert (await world.emitted())[-1] == "visit.moved"


async def test_stop_is_told_to_everyone_first(world: Any) -> None:
    token = await world.offered()
    await world.post(f"/v1/visits/{world.visit_id}/answer", {"answer": "stop", "link_token": token})
    assert (await world.emitted())[-2:] == ["party.stopped", "visit.declined"]


async def test_stop_after_the_links_time(world: Any) -> None:
    token = await world.offered()
    world.clock.business = world.window.start
    late = await world.post(f"/v1/visits/{world.visit_id}/answer", {"answer": "agree", "link_token": token})
    assert late.json()["type"].endswith("/link-expired")
    stop = await world.post(f"/v1/visits/{world.visit_id}/answer", {"answer": "stop", "link_token": token})
    assert stop.status_code == 200


async def test_link_of_another_visit(world: Any) -> None:
    await world.offered()
    body = {"answer": "agree", "link_token": "A" * 50}
    assert (await world.post(f"/v1/visits/{world.visit_id}/answer", body)).status_code == 403


async def test_customer_changes_mind_on_the_day(world: Any) -> None:
    await world.assigned()
    token = (await world.get("/v1/offers"))["items"][0]["link_token"]
    await world.post(f"/v1/visits/{world.visit_id}/answer", {"answer": "decline", "link_token": token})
    assert await world.state() == "recalled"
    await world.work()
    release = f"/v1/permits/{world.permit_id}/release"
    assert release not in world.others.paths(), "its device may not have heard of it"
    world.clock.business = world.window.end
    await world.post("/v1/devices/device-1/sync", {"synced_to": world.window.end.isoformat()})
    await world.work()
    assert release in world.others.paths()


async def test_nobody_came(world: Any) -> None:
    await world.assigned()
    world.clock.business = world.window.end
    await world.work()
    assert await world.state() == "expired"
    assert (await world.emitted())[-1] == "visit.aborted"


async def test_repeated_proposal_changes_nothing(world: Any) -> None:
    await world.offered()
    outcomes = await world.deliver("visit", world.proposal())
    assert list(outcomes.values()) == ["ignored"]
    assert await world.state() == "offered"


async def test_link_shows_a_recall(world: Any) -> None:
    await world.assigned()
    token = (await world.get("/v1/offers"))["items"][0]["link_token"]
    await world.deliver("stop", world.stopped())
    shown = await world.get(f"/v1/links/{token}")
    assert (shown["state"], shown["can_answer"]) == ("recalled", False)


def held(world: Any, **changes: Any) -> tuple[str, HoldPlaced]:
    values = {
        "hold_id": uuid4(), "party_id": world.party_id, "kind": "insolvency", "valid_from": world.clock.business,
        "source_ref": "court-1", "scope": "collection",
    } | changes  # fmt: skip
    return "compliance.hold_placed", HoldPlaced.model_validate(values)


async def test_hold_recalls_what_is_on_its_way_and_what_was_planned_before(world: Any) -> None:
    await world.offered()
    await world.deliver("compliance", hold := held(world))
    assert await world.state() == "recalled"
    assert (await world.get(f"/v1/visits/{world.visit_id}"))["end_cause"] == "insolvency"
    before = await world.emitted()
    await world.deliver("compliance", hold)
    assert await world.emitted() == before


async def test_hold_on_one_loan_recalls_a_visit_which_is_about_all_of_them(world: Any) -> None:
    await world.offered()
    await world.deliver("compliance", held(world, scope="loan", debt_id=uuid4(), kind="dispute"))
    assert await world.state() == "recalled"


async def test_proposal_that_overtook_a_hold_is_recalled(world: Any) -> None:
    await world.deliver("case", world.case())
    await world.deliver("compliance", held(world))
    await world.deliver("visit", world.proposal())
    assert await world.state() == "recalled"


@pytest.mark.parametrize(
    "changes",
    [{"scope": "contact_point"}, {"channels": ["call", "sms"]}, {"valid_from": "2099-01-01T00:00:00Z"},
     {"valid_to": "2026-01-01T00:00:00Z", "valid_from": "2025-01-01T00:00:00Z"}],
    ids=["one number", "other channels", "later", "over"],
)  # fmt: skip
async def test_hold_that_is_not_on_visits_now_recalls_none(world: Any, changes: Any) -> None:
    await world.offered()
    await world.deliver("compliance", held(world, **changes))
    assert await world.state() == "offered"
