"""What a device holds unused counts as used until the device has told everything, or somebody answers for it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.events.compliance import PermitReleased

from .conftest import DRIVER

SYNC = "/v1/devices/device-1/sync"


async def released(world: Any) -> bool:
    """Whether compliance was asked to give the permit back."""
    await world.work()
    return f"/v1/permits/{world.permit_id}/release" in world.others.paths()


async def nobody_came(world: Any) -> None:
    await world.assigned()
    world.clock.business = world.window.end
    await world.work()


async def sync(world: Any, **ago: int) -> Any:
    synced_to = world.clock.business - timedelta(**ago)
    return (await world.post(SYNC, {"synced_to": synced_to.isoformat()})).raise_for_status().json()


async def test_permit_goes_back_when_its_device_has_synced_past_its_end(world: Any) -> None:
    await nobody_came(world)
    assert not await released(world)
    await sync(world, minutes=1)
    assert not await released(world), "the device was silent in the window's last minute"
    [listed] = (await world.get("/v1/devices/unsynced"))["items"]
    assert (listed["device_id"], listed["permits"]) == ("device-1", 1)
    await sync(world)
    assert await released(world)
    assert (await world.get("/v1/devices/unsynced"))["items"] == []


async def test_another_device_says_nothing(world: Any) -> None:
    await nobody_came(world)
    other = {"synced_to": world.clock.business.isoformat()}
    assert (await world.post("/v1/devices/device-2/sync", other)).status_code == 200
    assert not await released(world)


async def test_device_that_synced_before_the_timer_came_is_known(world: Any) -> None:
    await world.assigned()
    world.clock.business = world.window.end
    await sync(world)
    await world.work()
    assert await world.state() == "expired"
    assert await released(world)


async def test_no_device_has_told_the_future_nor_takes_back_what_it_told(world: Any) -> None:
    await world.assigned()
    assert (await sync(world, hours=-5))["synced_to"] == world.clock.business.isoformat().replace("+00:00", "Z")
    assert (await sync(world, hours=5))["synced_to"] == world.clock.business.isoformat().replace("+00:00", "Z")


async def test_what_compliance_gave_back_waits_for_no_device(world: Any) -> None:
    """A named person answered for a device that never came back."""
    await nobody_came(world)
    gone = PermitReleased(
        permit_id=world.permit_id, party_id=world.party_id, channel="visit", purpose="collection",
        subject_id=world.visit_id, cause="lost_device_closed",
    )  # fmt: skip
    await world.deliver("compliance", ("compliance.permit_released", gone))
    assert (await world.get("/v1/devices/unsynced"))["items"] == []


@pytest.mark.parametrize(("collector_id", "status"), [(UUID(int=0xA), 200), (UUID(int=0xC), 403)])
async def test_a_collector_speaks_for_devices_of_the_own_crew(world: Any, collector_id: UUID, status: int) -> None:
    await world.assigned()
    body = {"synced_to": world.clock.business.isoformat()}
    assert (await world.api.post(SYNC, json=body, headers=by_collector(world, collector_id))).status_code == status


async def test_a_collector_of_another_crew_at_the_door_leaves_a_trace(world: Any) -> None:
    """The permit would be good: it is not theirs. Nothing is said of the visit or the person."""
    await world.assigned()
    tried = world.arrival(device_id="device-9")
    path, headers = f"/v1/visits/{world.visit_id}/check-in", by_collector(world, UUID(int=0xC))
    answer = (await world.api.post(path, json=tried, headers=headers)).json()
    assert (answer["status"], answer["reason"]) == (403, "not_of_crew")
    assert [one["reason"] for one in answer["reasons"]] == ["not_of_crew"]
    [refused] = [data for name, data in await world.published() if name == "visit.check_in_refused"]
    assert (refused["device_id"], refused["reasons"]) == ("device-9", ["not_of_crew"])
    assert await world.state() == "assigned"
    own = await world.api.post(path, json=world.arrival(), headers=by_collector(world, UUID(int=0xA)))
    assert own.status_code == 200


def by_collector(world: Any, collector_id: UUID) -> dict[str, str]:
    """The headers of a person's device."""
    form = {"grant_type": "client_credentials", "subject": "collector"}
    token = world.issuer.issue(DRIVER, form | {"attributes": json.dumps({"collector_id": str(collector_id)})})
    return {"Authorization": f"Bearer {token['access_token']}", "Idempotency-Key": f'"{uuid4()}"'}
