"""A day is planned: who is chosen, when, and by whom."""

from __future__ import annotations

import pytest

from tests.integration.assignment.days import (
    DAY,
    LAWFUL,
    Neighbours,
    chosen,
    field_day,
    open_cases,
    opened_case,
    plan,
    register,
    stopped,
)
from tests.integration.assignment.harness import Desk


async def test_day_is_planned_with_routes_figures_and_proposals(desk: Desk) -> None:
    await register(desk)
    await open_cases(desk, 6)
    view = await plan(desk)
    assert (view["status"], view["eligible"], view["areas"]) == ("planned", 6, {"total": 1, "planned": 1, "failed": 0})
    assert view["figures"]["planned_visits"] == len(view["routes"][0]["stops"]) == 6
    assert view["travel_model"] == "haversine-prior-1"
    assert view["figures"]["cost_per_visit"]["amount_minor"] > 0
    assert await desk.types() == ["visit.proposed"] * 6
    for stop in view["routes"][0]["stops"]:
        assert LAWFUL["start"] <= stop["window"]["start"] < stop["window"]["end"] <= LAWFUL["end"]


async def test_only_those_are_planned_for_whom_the_strategy_chose_a_visit(desk: Desk) -> None:
    await register(desk)
    letter, visited = await open_cases(desk, 2)
    await desk.deliver("case", ("case.action_chosen", chosen(letter, 2, "letter")), ("case.opened", opened_case()))
    view = await plan(desk)
    assert view["eligible"] == 1
    assert [data["party_id"] for _, data in await desk.events()] == [str(visited.party_id)]

    await desk.deliver("case", ("case.action_chosen", chosen(visited, 2, "offer_help")))
    name, withdrawn = (await desk.events())[-1]
    assert (name, withdrawn["cause"]) == ("visit.withdrawn", "action_changed")


async def test_expired_certificate_keeps_the_pair_at_home(desk: Desk) -> None:
    await register(desk, until="2026-03-04")
    await open_cases(desk, 2)
    view = await plan(desk)
    assert view["routes"] == []
    assert list(view["refused_pairs"].values()) == ["certificate_expired"]
    assert view["not_chosen"] == {"no_pair_ready": 2}


async def test_refused_window_is_a_reason_with_its_rule(desk: Desk, neighbours: Neighbours) -> None:
    await register(desk)
    cases = await open_cases(desk, 2)
    neighbours.refused.add(str(cases[0].party_id))
    view = await plan(desk)
    assert view["unassigned"] == [
        {"party_id": str(cases[0].party_id), "reason": "no_lawful_window", "rules": ["CN-PLAN-STOP"]}
    ]


async def test_stop_while_the_route_is_computed_leaves_the_party_out(desk: Desk, neighbours: Neighbours) -> None:
    await register(desk)
    cases = await open_cases(desk, 2)
    await desk.post(f"/v1/field-days/{DAY}/plan", {})
    await desk.work("field_day.select")
    await desk.deliver("stop", ("party.stopped", stopped(cases[0])))
    await desk.work("field_day.route")
    view = await field_day(desk)
    assert [each["reason"] for each in view["unassigned"]] == ["stopped:stop_request"]
    assert len(await desk.types()) == 1


async def test_planning_waits_for_compliance(desk: Desk, neighbours: Neighbours) -> None:
    await register(desk)
    await open_cases(desk, 1)
    neighbours.compliance.down = True
    view = await plan(desk)
    assert (view["status"], view["areas"]["planned"]) == ("routing", 0)
    assert await desk.types() == []


async def test_day_is_planned_once(desk: Desk) -> None:
    assert (await desk.post(f"/v1/field-days/{DAY}/plan", {}, key="k")).status_code == 202
    assert (await desk.post(f"/v1/field-days/{DAY}/plan", {}, key="k")).status_code == 202
    again = await desk.post(f"/v1/field-days/{DAY}/plan", {})
    assert (again.status_code, again.json()["type"].rsplit("/", 1)[1]) == (409, "field_day_exists")


@pytest.mark.parametrize("day", ["2026-02-27", "2026-04-01"])
async def test_day_out_of_reach_is_refused(desk: Desk, day: str) -> None:
    answer = await desk.post(f"/v1/field-days/{day}/plan", {})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/day")
