"""What people wish is honoured, unless nobody could; what they ask for themselves covers one contact."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from .conftest import NOW, Desk, visit_request


def wishes(party_id: UUID, *told: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"party_id": str(party_id), "wishes": list(told), "told_at": NOW.isoformat()} | changes


def never(channel: str, opens: str | None = None, closes: str | None = None) -> dict[str, Any]:
    return {"wish": "never", "channels": [channel], "opens": opens, "closes": closes}


def only(channel: str, opens: str, closes: str) -> dict[str, Any]:
    return {"wish": "only", "channels": [channel], "opens": opens, "closes": closes}


async def british_call(desk: Desk, hour: int) -> tuple[dict[str, Any], dict[str, Any]]:
    case = await desk.open_case(jurisdiction="GB", time_zones=["Europe/London"])
    window = {"start": f"2026-03-02T{hour:02}:00:00Z", "end": f"2026-03-02T{hour:02}:30:00Z"}
    return {"party_id": case.party_id}, visit_request(
        case, channel="call", jurisdiction="GB", time_zones=["Europe/London"], window=window
    )


async def may_i(desk: Desk, asked: dict[str, Any]) -> dict[str, Any]:
    response = await desk.post("/v1/decisions", {"items": [asked | {"request_id": str(uuid4())}]})
    return response.json()["items"][0]  # type: ignore[no-any-return]


async def test_inconvenient_hours_are_denied_until_they_end(desk: Desk) -> None:
    person, asked = await british_call(desk, 10)
    await desk.post("/v1/preferences", wishes(person["party_id"], never("call", "09:00", "12:00")))
    answer = await may_i(desk, asked)
    assert (answer["decision"], [one["rule"] for one in answer["reasons"]]) == ("deny", ["UK-CONC-TIMES-WISH"])
    assert answer["earliest_lawful"] == "2026-03-02T12:00:00Z"


async def test_only_hours_leave_the_rest_of_the_day(desk: Desk) -> None:
    person, asked = await british_call(desk, 10)
    response = await desk.post("/v1/preferences", wishes(person["party_id"], only("call", "13:00", "15:00")))
    assert [(one["opens"], one["closes"][:5]) for one in response.json()["avoided"]] == [
        ("00:00:00", "13:00"),
        ("15:00:00", "23:59"),
    ]
    assert (await may_i(desk, asked))["earliest_lawful"] == "2026-03-02T13:00:00Z"


@pytest.mark.parametrize(
    "told",
    [
        [never("call", "09:00", "12:00"), only("call", "10:00", "11:00")],
        [never("call"), only("call", "10:00", "11:00")],
        [never("call", "07:00", "21:30")],
        [never("call", "00:00", "12:00"), never("call", "12:00", "00:00")],
        [only("call", "22:00", "23:00")],
        [only("call", "10:00", "10:10")],
    ],
)
async def test_contradictory_wishes_are_refused_and_nothing_changes(desk: Desk, told: list[dict[str, Any]]) -> None:
    person, asked = await british_call(desk, 10)
    await desk.post("/v1/preferences", wishes(person["party_id"]))
    response = await desk.post("/v1/preferences", wishes(person["party_id"], *told))
    assert (response.status_code, response.json()["type"].rsplit("/", 1)[1]) == (422, "contradictory-preferences")
    assert (await may_i(desk, asked))["decision"] == "allow"


async def test_a_closed_channel_is_no_contradiction(desk: Desk) -> None:
    person, asked = await british_call(desk, 10)
    response = await desk.post("/v1/preferences", wishes(person["party_id"], never("call")))
    assert response.status_code == 200
    assert (await may_i(desk, asked))["lawful_after"] == "customer.requested"


async def test_new_wishes_replace_the_old(desk: Desk) -> None:
    person, asked = await british_call(desk, 10)
    await desk.post("/v1/preferences", wishes(person["party_id"], never("call")))
    desk.clock.business += timedelta(minutes=5)
    await desk.post("/v1/preferences", wishes(person["party_id"], told_at=desk.clock.business.isoformat()))
    assert (await may_i(desk, asked))["decision"] == "allow"


async def test_wish_revokes_the_permit_at_that_time(desk: Desk) -> None:
    person, asked = await british_call(desk, 10)
    await desk.post("/v1/preferences", wishes(person["party_id"]))
    (granted,) = await desk.ask(asked)
    assert granted["decision"] == "allow"
    desk.clock.business += timedelta(minutes=5)
    later = {"told_at": desk.clock.business.isoformat()}
    await desk.post("/v1/preferences", wishes(person["party_id"], never("call", "15:00", "16:00"), **later))
    assert await desk.events("compliance.permit_revoked") == []
    desk.clock.business += timedelta(minutes=5)
    later = {"told_at": desk.clock.business.isoformat()}
    await desk.post("/v1/preferences", wishes(person["party_id"], never("call", "10:00", "11:00"), **later))
    (revoked,) = await desk.events("compliance.permit_revoked")
    assert (revoked["permit_id"], revoked["cause"]) == (granted["permit_id"], "UK-CONC-TIMES-WISH")


async def test_a_token_speaks_for_its_person_only(desk: Desk) -> None:
    person, _ = await british_call(desk, 10)
    response = await desk.post(
        "/v1/preferences", wishes(person["party_id"]), client="customer-portal", attributes={"party_id": str(uuid4())}
    )
    assert response.status_code == 403


async def test_request_covers_one_contact(desk: Desk) -> None:
    case = await desk.open_case()
    asked = visit_request(case, channel="call", purpose="customer_requested")
    assert (await may_i(desk, asked))["lawful_after"] == "customer.requested"
    body = {
        "party_id": str(case.party_id), "channels": ["call"], "requested_at": NOW.isoformat(), "reference": "portal-1"
    }  # fmt: skip
    assert (await desk.post("/v1/customer-requests", body)).status_code == 200
    (granted,) = await desk.ask(asked)
    assert granted["decision"] == "allow", granted
    again = await may_i(desk, asked)
    assert (again["decision"], [one["rule"] for one in again["reasons"]]) == ("needs-fact", ["FACTS-REQUEST"])


async def test_request_is_for_its_channels_and_seven_days(desk: Desk) -> None:
    case = await desk.open_case()
    body = {
        "party_id": str(case.party_id), "channels": ["call"], "requested_at": NOW.isoformat(), "reference": "portal-1"
    }  # fmt: skip
    await desk.post("/v1/customer-requests", body)
    other = await may_i(desk, visit_request(case, channel="sms", purpose="customer_requested"))
    assert "FACTS-REQUEST" in [one["rule"] for one in other["reasons"]]
    window = {"start": "2026-03-09T06:00:00Z", "end": "2026-03-09T07:00:00Z"}
    late = await may_i(desk, visit_request(case, channel="call", purpose="customer_requested", window=window))
    assert "FACTS-REQUEST" in [one["rule"] for one in late["reasons"]]
