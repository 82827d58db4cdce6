"""What changes while a day is planned: another planner, a home, a core that is not believed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from shared.events.case import CaseUpdated
from shared.messaging.liveness import Pulse
from shared.messaging.worker import Worker
from tests.integration.assignment.days import (
    DAY,
    NEXT_DAY,
    chosen,
    field_day,
    heartbeat,
    open_cases,
    opened_case,
    plan,
    register,
)
from tests.integration.assignment.harness import Desk


class Together:
    """A step of planning that ends its reading only when another planner has ended its own, too."""

    batch_size = 1

    def __init__(self, handler: Any, barrier: asyncio.Barrier) -> None:
        self.kind, self.commit = handler.kind, handler.commit
        self._handler, self._barrier = handler, barrier

    async def call(self, intents: Any) -> Any:
        answers = await self._handler.call(intents)
        await self._barrier.wait()
        return answers


async def test_two_planners_at_once_choose_nobody_twice_and_one_of_each_home(desk: Desk) -> None:
    await register(desk)
    homes = [opened_case(household=f"{number // 2:032x}") for number in range(6)]
    await desk.deliver("case", *(("case.opened", case) for case in homes))
    await desk.deliver("case", *(("case.action_chosen", chosen(case, 1, "field_visit")) for case in homes))
    for day in (DAY, NEXT_DAY):
        assert (await desk.post(f"/v1/field-days/{day}/plan", {})).status_code == 202
    barrier = asyncio.Barrier(2)
    planners = [Worker(desk.database, [], pulse=Pulse("planner")) for _ in range(2)]
    await asyncio.gather(*(planner.work_once(Together(desk.handlers[0], barrier)) for planner in planners))
    async with desk.database.read_only() as uow:
        areas = await uow.sql.fetch("SELECT party_ids FROM field_area")
    picked = [party_id for area in areas for party_id in area["party_ids"]]
    home_of = {case.party_id: case.household for case in homes}
    assert len({home_of[party_id] for party_id in picked}) == len(picked) == 3
    views = [(await desk.get(f"/v1/field-days/{day}")).json() for day in (DAY, NEXT_DAY)]
    assert sorted(view["not_chosen"].get("chosen_for_another_day", 0) for view in views) == [0, 3]


async def test_a_home_that_is_learned_while_two_days_are_routed_is_visited_once(desk: Desk) -> None:
    await register(desk)
    first, second = await open_cases(desk, 2)
    for day in (DAY, NEXT_DAY):
        assert (await desk.post(f"/v1/field-days/{day}/plan", {"max_visits": 1})).status_code == 202
    await desk.work("field_day.select")
    one_home = {"version": 2, "household": "a" * 32}
    moved = [CaseUpdated(**(case.model_dump() | one_home), cause="party.updated") for case in (first, second)]
    await desk.deliver("case", *(("case.updated", case) for case in moved))
    barrier = asyncio.Barrier(2)
    planners = [Worker(desk.database, [], pulse=Pulse("planner")) for _ in range(2)]
    await asyncio.gather(*(planner.work_once(Together(desk.handlers[1], barrier)) for planner in planners))
    assert await desk.types() == ["visit.proposed"]
    views = [(await desk.get(f"/v1/field-days/{day}")).json() for day in (DAY, NEXT_DAY)]
    assert [each["reason"] for view in views for each in view["unassigned"]] == ["one_visit_for_all"]


async def test_what_waits_is_taken_back_while_a_core_is_not_believed_and_planned_anew_afterwards(desk: Desk) -> None:
    await register(desk)
    (ours,), others = await open_cases(desk, 1, core="core-a"), await open_cases(desk, 1, core="core-b")
    await plan(desk)
    await heartbeat(desk, 1, **{"core-a": "books_differ"})
    await desk.work("visit.withdraw_of_feed")
    name, withdrawn = (await desk.events())[-1]
    assert (name, withdrawn["party_id"], withdrawn["cause"]) == (
        "visit.withdrawn", str(ours.party_id), "feed_suspended",
    )  # fmt: skip

    await heartbeat(desk, 0)  # older: still on its way when the newer one came
    desk.clock.business += timedelta(days=4)
    late, *_ = await open_cases(desk, 1, core="core-a")
    assert (await desk.post("/v1/field-days/2026-03-09/plan", {})).status_code == 202
    await desk.work("field_day.select")
    view = (await desk.get("/v1/field-days/2026-03-09")).json()
    assert (view["eligible"], view["not_chosen"]) == (0, {"feed_suspended": 2})

    await heartbeat(desk, 2)
    assert (await desk.post("/v1/field-days/2026-03-10/plan", {})).status_code == 202
    await desk.work("field_day.select")
    async with desk.database.read_only() as uow:
        chosen_anew = await uow.sql.fetchval(
            "SELECT array_agg(p) FROM field_area, unnest(party_ids) p WHERE status = 'waiting'"
        )
    assert set(chosen_anew) == {ours.party_id, late.party_id}
    assert str(others[0].party_id) not in map(str, chosen_anew), "planned already, and never taken back"


async def test_a_core_that_is_disbelieved_while_the_route_is_computed_gets_no_proposal(desk: Desk) -> None:
    await register(desk)
    await open_cases(desk, 1)  # nobody said of which core: any that is not believed counts
    await desk.post(f"/v1/field-days/{DAY}/plan", {})
    await desk.work("field_day.select")
    await heartbeat(desk, 1, **{"core-a": "tape_missing"})
    await desk.work("field_day.route", "visit.withdraw_of_feed")
    assert [each["reason"] for each in (await field_day(desk))["unassigned"]] == ["feed_suspended"]
    assert await desk.types() == []
