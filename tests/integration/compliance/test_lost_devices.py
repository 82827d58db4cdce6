"""Lost devices: what one holds stays counted until a named person closes it, or it is heard again."""

import json
from datetime import timedelta
from typing import Any

from .conftest import Desk, visit_request

LOSS = "/v1/devices/device-1/loss"


async def lost(desk: Desk) -> tuple[Any, dict[str, Any]]:
    """A visit permit, window 14:00 to 16:00, on a device that is lost at ten."""
    case = await desk.open_case()
    [granted] = await desk.ask(visit_request(case))
    body = {"lost_at": desk.clock.business.isoformat(), "cause": "lost"}
    response = await desk.post(LOSS, body)
    assert response.json() == {"device_id": "device-1", "permit_ids": [granted["permit_id"]]}
    return case, granted


async def state_of(desk: Desk, granted: dict[str, Any]) -> tuple[str, str | None]:
    view = (await desk.get(f"/v1/permits/{granted['permit_id']}")).json()
    return view["state"], view["revoke_cause"]


async def later(desk: Desk) -> None:
    desk.clock.business += timedelta(hours=8)
    await desk.hear()


async def test_what_a_lost_device_holds_is_revoked_and_stays_counted(desk: Desk) -> None:
    case, granted = await lost(desk)
    await later(desk)
    response = await desk.post(f"/v1/permits/{granted['permit_id']}/release", {"cause": "permit_expired"})
    assert (response.status_code, response.json()["state"]) == (200, "granted")
    assert await state_of(desk, granted) == ("granted", "device_lost")
    window = {"start": "2026-03-10T06:00:00Z", "end": "2026-03-10T08:00:00Z"}
    [again] = await desk.ask(visit_request(case, window=window, device_id="device-2"))
    assert [one["rule"] for one in again["reasons"]] == ["BANK-VISIT-30D"]


async def test_a_named_person_closes_it_once_its_window_is_over(desk: Desk) -> None:
    case, granted = await lost(desk)
    closing = {"reason": "police-report-4711"}
    response = await desk.post(f"{LOSS}/close", closing, by="zoe")
    assert response.json() == {"closed": [], "still_running": [granted["permit_id"]]}
    await later(desk)
    response = await desk.post(f"{LOSS}/close", closing, by="zoe")
    assert response.json() == {"closed": [granted["permit_id"]], "still_running": []}
    assert (await state_of(desk, granted))[0] == "released"
    window = {"start": "2026-03-10T06:00:00Z", "end": "2026-03-10T08:00:00Z"}
    assert (await desk.ask(visit_request(case, window=window, device_id="device-2")))[0]["decision"] == "allow"
    [leaf] = await desk.leaves("release")
    assert leaf["cause"] == "lost_device_closed"
    assert "by_whom" in leaf["committed"]
    assert "zoe" not in json.dumps(leaf)


async def test_a_collector_closes_nothing(desk: Desk) -> None:
    await lost(desk)
    body = {"reason": "police-report-4711"}
    response = await desk.post(f"{LOSS}/close", body, attributes={"collector_id": "c-1"})
    assert response.status_code == 403


async def test_a_device_heard_past_the_window_gives_back_what_it_did_not_use(desk: Desk) -> None:
    _, granted = await lost(desk)
    await later(desk)
    early = {"synced_to": "2026-03-02T08:00:00Z"}
    assert (await desk.post("/v1/devices/device-1/heard", early)).json() == {"released": []}
    assert (await state_of(desk, granted))[0] == "granted"
    past = {"synced_to": "2026-03-02T08:00:01Z"}
    assert (await desk.post("/v1/devices/device-1/heard", past)).json() == {"released": [granted["permit_id"]]}
    assert (await state_of(desk, granted))[0] == "released"


async def test_a_device_that_was_not_lost_is_not_closed(desk: Desk) -> None:
    for path, body in (
        (f"{LOSS}/close", {"reason": "r-1"}),
        ("/v1/devices/device-1/heard", {"synced_to": "2026-03-02T08:00:00Z"}),
    ):
        response = await desk.post(path, body)
        assert response.json()["type"].endswith("device-not-lost")
