"""Traces and bound sources: what nobody reported is found; nobody speaks for the source of another."""

from datetime import timedelta
from typing import Any

import pytest

from services.compliance.trace_desk import due_timer
from shared.events.case import CaseOpened
from shared.messaging.liveness import Pulse
from shared.messaging.worker import Worker

from .conftest import Desk
from .test_contacts import RANG, call, declare_source, report, terms, total


def told(case: CaseOpened, number: int = 1, **changes: Any) -> dict[str, Any]:
    """A call record of the carrier, two minutes into the call."""
    values = {
        "source": "carrier-1", "record_id": f"cdr-{number}", "number": number, "party_id": str(case.party_id),
        "channel": "call", "seen_at": (RANG + timedelta(minutes=2)).isoformat(),
    }  # fmt: skip
    return values | changes


async def tell(desk: Desk, *items: dict[str, Any], **by: Any) -> list[dict[str, Any]]:
    desk.clock.business = max(desk.clock.business, RANG + timedelta(hours=1))
    response = await desk.post("/v1/traces", {"items": list(items)}, **by)
    assert response.status_code == 200, response.text
    return response.json()["items"]  # type: ignore[no-any-return]


async def a_day_later(desk: Desk) -> None:
    """The time to report is over; the timers ring."""
    desk.clock.business += timedelta(hours=27)
    await Worker(desk.database, [], pulse=Pulse("worker")).work_once(due_timer(desk.instruments))


async def unreported(desk: Desk) -> list[tuple[str, bool]]:
    items = (await desk.get("/v1/findings", rule="CONTACT-UNREPORTED")).json()["items"]
    return [(one["state"], one["harm"]) for one in items]


@pytest.fixture(autouse=True)
async def carrier(desk: Desk) -> None:
    await declare_source(desk, "carrier-1", kind="carrier_calls")


async def test_a_call_that_nobody_reported_is_a_finding(desk: Desk) -> None:
    case = await desk.open_case()
    (result,) = await tell(desk, told(case))
    assert result["status"] == "recorded"
    assert await unreported(desk) == []
    await a_day_later(desk)
    assert await unreported(desk) == [("open", True)]
    (event,) = await desk.events("compliance.violation_found")
    assert (event["rule"], event["party_id"]) == ("CONTACT-UNREPORTED", str(case.party_id))


@pytest.mark.parametrize("trace_first", [True, False])
async def test_a_reported_call_explains_its_record_in_either_order(desk: Desk, trace_first: bool) -> None:
    case = await desk.open_case()
    if trace_first:
        await tell(desk, told(case))
        await report(desk, call(case))
    else:
        await report(desk, call(case))
        await tell(desk, told(case))
    await a_day_later(desk)
    assert await unreported(desk) == []


async def test_a_late_report_closes_the_finding(desk: Desk) -> None:
    case = await desk.open_case()
    await tell(desk, told(case))
    await a_day_later(desk)
    await report(desk, call(case))
    assert await unreported(desk) == [("remedied", False)]


async def test_a_call_to_somebody_else_explains_nothing(desk: Desk) -> None:
    await tell(desk, told(await desk.open_case()))
    await report(desk, call(await desk.open_case()))
    await a_day_later(desk)
    assert await unreported(desk) == [("open", True)]


async def test_a_trace_sent_again_counts_once_and_never_changes(desk: Desk) -> None:
    case = await desk.open_case()
    (first,) = await tell(desk, told(case))
    (again,) = await tell(desk, told(case))
    (changed,) = await tell(desk, told(case, channel="sms"))
    (taken,) = await tell(desk, told(case, record_id="cdr-9"))
    assert (again["status"], again["trace_id"]) == ("repeated", first["trace_id"])
    assert changed["problem"]["type"].endswith("/contact-record-changed")
    assert taken["problem"]["type"].endswith("/feed-number-taken")


async def test_the_numbers_of_a_source_are_gapless(desk: Desk) -> None:
    case = await desk.open_case()
    await tell(desk, told(case, 1), told(case, 3, record_id="cdr-3"))
    closed = await desk.post("/v1/feeds/carrier-1/days", total("carrier-1", "2026-03-02", 3, 3))
    assert closed.json()["missing"] == [[2, 2]]


@pytest.mark.parametrize(
    ("client", "source", "refused"),
    [("visits", "carrier-1", "feed-foreign"), ("demo-driver", "carrier-9", "feed-unknown"),
     ("demo-driver", "dialler-1", "feed-unknown")],
)  # fmt: skip
async def test_traces_only_of_ones_own_declared_source(desk: Desk, client: str, source: str, refused: str) -> None:
    await declare_source(desk, "dialler-1")
    (result,) = await tell(desk, told(await desk.open_case(), source=source), client=client)
    assert result["status"] == "refused"
    assert result["problem"]["type"].endswith(f"/{refused}")


async def test_contacts_only_of_ones_own_declared_source(desk: Desk) -> None:
    case = await desk.open_case()
    await declare_source(desk, "dialler-1", client_id="core")
    desk.clock.business = RANG + timedelta(hours=1)
    items = [call(case), call(case, 2, source="dialler-9"), call(case, 3, source="carrier-1")]
    results = (await desk.post("/v1/contacts", {"items": items})).json()["items"]
    assert [one["problem"]["status"] for one in results] == [403, 404, 404]
    own = (await desk.post("/v1/contacts", {"items": items}, client="core")).json()["items"]
    assert [one["status"] for one in own] == ["recorded", "refused", "refused"]


async def test_a_day_is_closed_by_the_bound_client_only(desk: Desk) -> None:
    await declare_source(desk, "dialler-1", client_id="core")
    body = total("dialler-1", "2026-03-01", 0, 0)
    assert (await desk.post("/v1/feeds/dialler-1/days", body)).status_code == 403
    assert (await desk.post("/v1/feeds/dialler-1/days", body, client="core")).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [{"client_id": "examiner"}, {"client_id": "nobody"}, {"kind": "door_code"}, {"channels": ["visit"]},
     {"kind": "device_track", "channels": ["visit"], "client_id": "dispatcher"}],
)  # fmt: skip
async def test_a_source_that_cannot_be_is_not_declared(desk: Desk, changes: dict[str, Any]) -> None:
    assert (await desk.post("/v1/feeds", terms("odd", client_id="core") | changes)).status_code == 422


async def test_a_source_of_visits_is_declared_with_its_kind(desk: Desk) -> None:
    await declare_source(desk, "tracks", kind="device_track", channels=["visit"], silent_after_hours=1)
    feeds = {one["source"]: one for one in (await desk.get("/v1/feeds")).json()["items"]}
    assert (feeds["tracks"]["kind"], feeds["tracks"]["channels"]) == ("device_track", ["visit"])
