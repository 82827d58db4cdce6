"""What visits knows of crews at doors reaches compliance: without gaps, each day closed, while nobody waits."""

import base64
from datetime import timedelta
from typing import Any

from services.compliance.domain.feeds import total_statement
from services.compliance.schemas.feeds import CloseFeedDay
from services.compliance.schemas.traces import ToldTraces
from services.visits import trace_intents
from shared.security.note_keys import NoteKey


def told(world: Any) -> list[tuple[str, int]]:
    """Source and number of every trace that compliance was told, in order; each body is one that it reads."""
    bodies = [ToldTraces.model_validate(body) for path, body in world.others.asked if path == "/v1/traces"]
    return [(one.source, one.number) for body in bodies for one in body.items]


def totals(world: Any) -> list[tuple[str, str, int, int]]:
    """Source, day, last number and count of every total; each is signed as compliance demands it."""
    closed = [
        (path.split("/")[3], CloseFeedDay.model_validate(body))
        for path, body in world.others.asked
        if path.endswith("/days")
    ]
    for source, one in closed:
        statement = total_statement(source, one.day, last_number=one.last_number, records=one.records)
        assert NoteKey(source, world.total_key.public_bytes).verifies(statement, base64.b64decode(one.signature or ""))
    return [(source, one.day.isoformat(), one.last_number, one.records) for source, one in closed]


async def begin(world: Any) -> None:
    async with world.database.unit_of_work() as uow:
        await trace_intents.begin(uow)


async def work(world: Any) -> None:
    """Number, then tell."""
    for _ in range(3):
        await world.work()


async def test_each_source_tells_under_its_own_numbers(world: Any) -> None:
    await begin(world)
    token = await world.offered()
    await world.post(f"/v1/visits/{world.visit_id}/answer", {"answer": "agree", "link_token": token})
    await world.deliver("visit", world.assignment())
    await work(world)
    world.clock.business = world.window.start
    await world.heartbeat()
    assert (await world.check_in()).status_code == 200
    code = (await world.get(f"/v1/visits/{world.visit_id}"))["door_code"]
    for _ in range(2):
        await world.get(f"/v1/door/{code}")
    world.clock.business += timedelta(minutes=6)
    await world.get(f"/v1/door/{code}")
    came = {"came_at": (world.clock.business - timedelta(minutes=5)).isoformat(), "link_token": token}
    assert (await world.post(f"/v1/visits/{world.visit_id}/someone-came", came)).status_code == 200
    await work(world)
    assert sorted(told(world)) == [
        ("visits-devices", 1), ("visits-door", 1), ("visits-door", 2), ("visits-link", 1),
    ]  # fmt: skip


async def test_a_refused_check_in_is_no_arrival(world: Any) -> None:
    await begin(world)
    await world.assigned()
    assert (await world.check_in(permit=None)).status_code == 403
    await work(world)
    assert told(world) == []


async def test_a_foreign_link_says_nothing(world: Any) -> None:
    await begin(world)
    await world.offered()
    refused = await world.post(f"/v1/visits/{world.visit_id}/someone-came", {"link_token": "A" * 50})
    assert refused.status_code == 403
    await work(world)
    assert told(world) == []


async def test_traces_wait_for_compliance_and_nobody_waits_for_them(world: Any) -> None:
    await begin(world)
    await world.assigned()
    assert (await world.check_in()).status_code == 200
    world.others.down = True
    await work(world)
    assert told(world) == []
    world.others.down = False
    await work(world)
    assert told(world) == [("visits-devices", 1)]


async def test_what_an_undeclared_source_told_is_told_again(world: Any) -> None:
    await begin(world)
    await world.assigned()
    world.others.trace_problem = "feed-unknown"
    await world.check_in()
    await work(world)
    assert told(world) == [("visits-devices", 1)]
    world.others.trace_problem = None
    await work(world)
    assert told(world) == [("visits-devices", 1)], "an hour has not passed"
    world.clock.real += timedelta(hours=1, seconds=1)
    await work(world)
    assert told(world) == [("visits-devices", 1)] * 2


async def test_each_day_is_closed_with_its_total_after_its_traces(world: Any) -> None:
    await begin(world)
    await world.assigned()
    world.others.trace_problem = "feed-unknown"
    await world.check_in()
    first_day = world.clock.business.date()
    world.clock.business += timedelta(days=1)
    await work(world)
    await work(world)
    assert {one for one in totals(world) if one[1] == first_day.isoformat()} == {
        ("visits-door", first_day.isoformat(), 0, 0), ("visits-link", first_day.isoformat(), 0, 0),
    }  # fmt: skip
    world.others.trace_problem = None
    for _ in range(3):
        world.clock.real += timedelta(hours=1, seconds=1)
        await work(world)
    world.clock.business += timedelta(days=30)
    await work(world)
    await work(world)
    of_devices = [one for one in totals(world) if one[0] == "visits-devices"]
    assert of_devices[0] == ("visits-devices", first_day.isoformat(), 1, 1)
    yesterday = world.clock.business.date() - timedelta(days=1)
    assert of_devices[-1] == ("visits-devices", yesterday.isoformat(), 1, 0)
    assert len(of_devices) < 6, "a standstill is closed at once"


async def test_sources_are_shown_with_their_key(world: Any) -> None:
    items = (await world.get("/v1/trace-sources"))["items"]
    assert {one["source"]: one["kind"] for one in items} == {
        "visits-devices": "device_track", "visits-door": "door_code", "visits-link": "someone_came",
    }  # fmt: skip
    assert all(NoteKey.parse(one["total_key"]).public_key == world.total_key.public_bytes for one in items)


async def test_a_total_under_a_key_that_is_not_declared_yet_is_told_again(world: Any) -> None:
    await begin(world)
    world.others.day_problem = "feed-total-unsigned"
    world.clock.business += timedelta(days=1)
    await work(world)
    first = len(totals(world))
    assert first == 3
    world.others.day_problem = None
    world.clock.real += timedelta(hours=1, seconds=1)
    await work(world)
    assert len(totals(world)) == 2 * first
