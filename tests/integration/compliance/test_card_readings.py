"""Readings of contact data reach compliance: each a leaf, those without a permit findings, readers on a list."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from services.compliance.store.leaves import erase_people
from shared.events.case import CaseOpened, PartyCardRead

from .conftest import NOW, Desk, visit_contact, visit_request

INSIDE = NOW.replace(hour=6, minute=5)


async def read(desk: Desk, case: CaseOpened, permit_id: str | None, **changes: Any) -> None:
    values: dict[str, Any] = {
        "reading_id": uuid4(), "party_id": case.party_id, "reader": "collector-1", "client": "visits",
        "purpose": "visit", "what": "card", "fields": ["home", "name"], "channel": "visit",
        "permit_id": None if permit_id is None else UUID(permit_id), "read_at": INSIDE, "read_real": desk.clock.real,
    }  # fmt: skip
    await desk.deliver("case", ("party.card_read", PartyCardRead(**(values | changes))))


async def permitted(desk: Desk) -> tuple[CaseOpened, dict[str, Any]]:
    case = await desk.open_case()
    [answer] = await desk.ask(visit_request(case))
    assert "permit_id" in answer, answer
    return case, answer


async def listed(desk: Desk, **which: Any) -> list[dict[str, Any]]:
    return (await desk.get("/v1/card-readings", **which)).json()["items"]  # type: ignore[no-any-return]


async def test_a_reading_on_a_permit_is_a_leaf_and_no_finding(desk: Desk) -> None:
    case, permit = await permitted(desk)
    await read(desk, case, permit["permit_id"])
    assert (await desk.get("/v1/findings", party_id=str(case.party_id))).json()["items"] == []
    [leaf] = await desk.leaves("card_reading")
    assert (leaf["purpose"], leaf["fields"]) == ("visit", ["home", "name"])
    assert "collector-1" not in json.dumps(leaf)


async def test_a_reading_without_permit_is_found_and_listed(desk: Desk) -> None:
    case, permit = await permitted(desk)
    await read(desk, case, permit["permit_id"])
    await read(desk, case, str(uuid4()))
    await read(desk, case, None, what="refused", fields=[], refused_for="no_permit")
    findings = (await desk.get("/v1/findings", party_id=str(case.party_id))).json()["items"]
    assert [(one["rule"], one["severity"]) for one in findings] == [("CARD-WITHOUT-PERMIT", "high")]
    assert {one["what"] for one in await listed(desk, lacking="permit")} == {"card", "refused"}
    assert len(await listed(desk, reader="collector-1")) == 3
    assert await listed(desk, reader="nobody") == []


async def test_a_reading_to_which_no_contact_follows_is_listed_after_a_day(desk: Desk) -> None:
    case, permit = await permitted(desk)
    other, _ = await permitted(desk)
    await read(desk, case, permit["permit_id"])
    await read(desk, other, None, purpose="recognition", what="masked_card", fields=[], channel=None)
    assert await listed(desk, lacking="contact") == [], "the contact may still come"
    desk.clock.business = NOW + timedelta(days=2)
    assert [one["party_id"] for one in await listed(desk, lacking="contact")] == [str(case.party_id)]
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit)))
    assert await listed(desk, lacking="contact") == []


async def test_readers_of_a_day_are_listed_with_what_led_nowhere(desk: Desk) -> None:
    for reader, people in (("anna", 2), ("bert", 1)):
        for _ in range(people):
            case, permit = await permitted(desk)
            await read(desk, case, permit["permit_id"], reader=reader)
    desk.clock.business = NOW + timedelta(days=2)
    first = (await desk.get("/v1/card-readers", day="2026-03-02", limit=1)).json()
    then = (await desk.get("/v1/card-readers", day="2026-03-02", limit=1, cursor=first["next"])).json()
    told = [
        (one["reader"], one["people"], one["without_contact"], one["much"]) for one in first["items"] + then["items"]
    ]
    assert told == [("anna", 2, 2, False), ("bert", 1, 1, False)]
    assert then["next"] is None


async def test_readings_go_with_the_person(desk: Desk) -> None:
    case, permit = await permitted(desk)
    await read(desk, case, permit["permit_id"])
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([case.party_id])
        await erase_people(uow, desk.instruments.cipher, [case.party_id])
    assert await listed(desk) == []
