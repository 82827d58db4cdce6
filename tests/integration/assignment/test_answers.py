"""From the customer's answer to the assigned visit, and what takes it back."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from shared.events.case import CaseCured
from shared.events.visit import VisitDeclined, VisitOffered
from tests.integration.assignment.days import (
    NOW,
    Neighbours,
    agree,
    field_day,
    open_cases,
    planned,
    register,
    stopped,
)
from tests.integration.assignment.harness import Desk


async def test_agreed_visit_gets_its_permit_and_is_assigned(desk: Desk, neighbours: Neighbours) -> None:
    case, visit_id, window = await planned(desk)
    await agree(desk, case, visit_id, window)
    await desk.work()
    name, data = (await desk.events())[-1]
    assert (name, data["visit_id"], data["permit"], data["version"]) == ("visit.assigned", str(visit_id), "a.b.c", 4)
    _, body, _ = next(each for each in neighbours.compliance.asked if each[0] == "/v1/permits")
    assert body["items"][0]["versions"] == {"case": 1, "visit": 3}
    assert len(body["items"][0]["crew"]) == 2


async def test_denied_permit_withdraws_with_the_rules(desk: Desk, neighbours: Neighbours) -> None:
    case, visit_id, window = await planned(desk)
    neighbours.decision = "deny"
    await agree(desk, case, visit_id, window)
    await desk.work()
    name, data = (await desk.events())[-1]
    assert (name, data["cause"], data["rules"]) == ("visit.withdrawn", "permit_denied", ["BANK-VISIT-30D"])


@pytest.mark.parametrize("trouble", ["down", "needs-fact"])
async def test_missing_answer_leaves_the_visit_agreed(desk: Desk, neighbours: Neighbours, trouble: str) -> None:
    case, visit_id, window = await planned(desk)
    neighbours.compliance.down = trouble == "down"
    neighbours.decision = trouble
    await agree(desk, case, visit_id, window)
    await desk.work()
    assert (await desk.types()) == ["visit.proposed"]
    assert (await field_day(desk))["routes"][0]["stops"][0]["state"] == "agreed"


async def test_permit_for_a_party_who_stopped_meanwhile_is_given_back(desk: Desk, neighbours: Neighbours) -> None:
    case, visit_id, window = await planned(desk)
    await agree(desk, case, visit_id, window)
    await desk.deliver("stop", ("party.stopped", stopped(case)))
    await desk.work()
    assert await desk.types() == ["visit.proposed", "visit.withdrawn"]
    assert neighbours.compliance.paths()[-1].endswith("/release")


async def test_guard_withdraws_what_nobody_answered(desk: Desk) -> None:
    _, _, window = await planned(desk)
    await desk.work()
    assert await desk.types() == ["visit.proposed"]
    desk.clock.business = window.start
    await desk.work()
    assert await desk.types() == ["visit.proposed", "visit.withdrawn"]


async def test_cure_withdraws_and_repeats_change_nothing(desk: Desk) -> None:
    case, _, _ = await planned(desk)
    cured = CaseCured(
        case_id=case.case_id, party_id=case.party_id, version=2, business_date=NOW.date(), cause="payment",
        overdue_totals=[],
    )  # fmt: skip
    await desk.deliver("case", ("case.cured", cured))
    repeated = await desk.deliver("case", ("case.cured", cured))
    assert list(repeated.values()) == ["ignored"]
    assert await desk.types() == ["visit.proposed", "visit.withdrawn"]


async def test_whole_life_in_one_batch_is_saved_once(desk: Desk) -> None:
    case, visit_id, window = await planned(desk)
    base = {"visit_id": visit_id, "case_id": case.case_id, "party_id": case.party_id}
    offered = VisitOffered(**base, version=2, permit_id=uuid4(), channel="sms", window=window, answer_by=NOW)
    declined = VisitDeclined(**base, version=3, cause="declined")
    await desk.deliver("visit", ("visit.offered", offered), ("visit.declined", declined))
    stop = (await field_day(desk))["routes"][0]["stops"][0]
    assert (stop["state"], stop["cause"]) == ("declined", "declined")
    summary = (await desk.get("/v1/summary")).json()
    assert summary["visits"] == {"declined": 1}
    assert summary["visit_causes"] == {"declined:declined": 1}


async def test_payment_stop_passes(desk: Desk) -> None:
    await register(desk)
    cases = await open_cases(desk, 1)
    await desk.deliver("stop", ("party.stopped", stopped(cases[0], "payment")))
    desk.clock.business = NOW + timedelta(days=14)
    await desk.post("/v1/field-days/2026-03-18/plan", {})
    await desk.work("field_day.select")
    assert (await desk.get("/v1/field-days/2026-03-18")).json()["eligible"] == 1
