"""The same history told in two orders, with repetitions: the same findings stand and the same is allowed next."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from shared.events.case import CaseOpened

from .conftest import Desk, visit_contact, visit_request
from .test_contacts import call, declare_source
from .test_preferences import never, wishes
from .test_traces import a_day_later, told

# Eleven o'clock in London, days before anything is told.
BEGAN = datetime(2026, 2, 23, 11, tzinfo=UTC)
DAY = timedelta(days=1)
# When one call is permitted.
PERMITTED = BEGAN + DAY * 2.1
SEED = 20260302

Telling = Callable[[Desk, CaseOpened], Awaitable[Any]]


def reported(number: int, days: float, **changes: Any) -> Telling:
    async def tell(desk: Desk, case: CaseOpened) -> None:
        name = str(case.party_id)
        record = call(case, number, started=BEGAN + DAY * days, source=f"dialler-{name}", **changes)
        response = await desk.post("/v1/contacts", {"items": [record]})
        assert response.json()["items"][0]["status"] != "refused", response.text

    return tell


def visited(days: float, number: int) -> Telling:
    async def tell(desk: Desk, case: CaseOpened) -> None:
        start = BEGAN + DAY * days
        contact = visit_contact(
            case, None, contact_id=UUID(int=case.case_id.int ^ number), started_at=start,
            ended_at=start + timedelta(minutes=20), identity_shown=number > 1,
            started_real=desk.clock.real - (desk.clock.business - start),
        )  # fmt: skip
        await desk.deliver("contact", ("contact.recorded", contact))

    return tell


def permitted(number: int, minutes: int, *, only_used: bool = False) -> Telling:
    """A call on the one permit, or only its use."""

    async def tell(desk: Desk, case: CaseOpened) -> None:
        start = PERMITTED + timedelta(minutes=minutes)
        async with desk.database.read_only() as uow:
            permit_id = await uow.sql.fetchval("SELECT permit_id FROM permit WHERE party_id = $1", case.party_id)
        contact_id = UUID(int=case.case_id.int ^ (100 + number))
        if only_used:
            body = {"contact_id": str(contact_id), "used_at": start.isoformat()}
            response = await desk.post(f"/v1/permits/{permit_id}/use", body)
            assert response.status_code in (200, 409), response.text
        else:
            contact = visit_contact(
                case, {"permit_id": permit_id}, contact_id=contact_id, channel="call", started_at=start,
                ended_at=start + timedelta(minutes=5),
                started_real=desk.clock.real - (desk.clock.business - start),
            )  # fmt: skip
            await desk.deliver("contact", ("contact.recorded", contact))

    return tell


async def permitted_case(desk: Desk) -> CaseOpened:
    """Somebody who may be called once: asked for while nothing is known yet that stands in the way."""
    case = await desk.open_case(jurisdiction="GB", time_zones=["Europe/London"])
    start = PERMITTED
    await wished(0)(desk, case)
    request = visit_request(
        case, channel="call", jurisdiction="GB", time_zones=["Europe/London"],
        window={"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat()},
    )  # fmt: skip
    (answer,) = await desk.ask(request)
    assert answer["decision"] == "allow", answer
    return case


def held(kind: str, days: float) -> Telling:
    async def tell(desk: Desk, case: CaseOpened) -> None:
        since = (BEGAN + DAY * days).isoformat()
        body = {"party_id": str(case.party_id), "kind": kind, "source_ref": f"{kind}-{days}", "valid_from": since}
        response = await desk.post("/v1/holds", body)
        assert response.is_success, response.text

    return tell


def wished(days: float, *wish: dict[str, Any]) -> Telling:
    async def tell(desk: Desk, case: CaseOpened) -> None:
        told_at = (BEGAN + DAY * days).isoformat()
        response = await desk.post("/v1/preferences", wishes(case.party_id, *wish, told_at=told_at))
        assert response.is_success, response.text

    return tell


def traced(number: int, days: float) -> Telling:
    async def tell(desk: Desk, case: CaseOpened) -> None:
        seen = (BEGAN + DAY * days + timedelta(minutes=1)).isoformat()
        record = told(case, number, source=f"carrier-{case.party_id}", seen_at=seen)
        response = await desk.post("/v1/traces", {"items": [record]})
        assert response.json()["items"][0]["status"] != "refused", response.text

    return tell


TELLINGS: list[Telling] = [
    reported(1, 0), reported(2, 1, reached="household"), reported(3, 2), reported(4, 2.5, debt_disclosed_to_third=True),
    visited(1, 1), visited(3, 2), held("dispute", 1.9), held("complaint", 4),
    wished(0.5, never("call", "10:00", "12:00")), wished(1.5, never("visit", "10:00", "12:00")),
    traced(1, 0), traced(2, 5),
    permitted(1, 20), permitted(2, 10), permitted(3, 5, only_used=True), permitted(4, 30, only_used=True),
]  # fmt: skip


async def ends_as(desk: Desk, case: CaseOpened, order: list[Telling]) -> tuple[Any, ...]:
    await declare_source(desk, f"dialler-{case.party_id}")
    await declare_source(desk, f"carrier-{case.party_id}", kind="carrier_calls")
    for tell in order:
        desk.clock.real += timedelta(seconds=2)
        desk.clock.business += timedelta(seconds=2)
        await tell(desk, case)
    await a_day_later(desk)
    await desk.hear()
    found = (await desk.get("/v1/findings", party_id=str(case.party_id), limit=100)).json()["items"]
    stands = sorted(
        (one["rule"], one["conduct"], one["harm"], one["severity"], one["state"])
        for one in found
        # Whether a report came too late is about its telling.
        if one["harm"] or (one["conduct"] and one["rule"] != "CONTACT-UNREPORTED")
    )
    asked = [
        visit_request(
            case, channel=channel, jurisdiction="GB", time_zones=["Europe/London"], request_id=str(case.case_id),
            window={"start": "2026-03-04T11:00:00Z", "end": "2026-03-04T11:30:00Z"},
        )
        for channel in ("visit", "call")
    ]  # fmt: skip
    answers = [(await desk.post("/v1/decisions", {"items": [one]})).json()["items"][0] for one in asked]
    may = [(one["decision"], sorted(reason["rule"] for reason in one["reasons"])) for one in answers]
    return stands, may


async def test_the_order_and_number_of_tellings_change_nothing(desk: Desk) -> None:
    draw = Random(SEED)
    other = [*TELLINGS, *draw.sample(TELLINGS, 4)]
    draw.shuffle(other)
    until = desk.clock.business - BEGAN
    desk.clock.business = BEGAN
    one, another = await permitted_case(desk), await permitted_case(desk)
    desk.clock.business += until
    first = await ends_as(desk, one, TELLINGS)
    assert {rule for rule, *_ in first[0]} >= {
        "UK-CONC-TIMES-WISH", "CONTACT-UNREPORTED", "PERMIT-MISSING", "PERMIT-REUSED"
    }  # fmt: skip
    desk.clock.business -= timedelta(hours=28)
    assert await ends_as(desk, another, other) == first
