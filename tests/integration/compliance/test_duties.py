"""Duties over HTTP: owed, overdue with a finding, done by a person's word, which is a leaf."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.compliance import duty_desk

from .conftest import Desk

RULE = "CN-CBA2026-VENDOR"
START = datetime(2027, 1, 14, 4, tzinfo=UTC)


async def look(desk: Desk, *, days: int) -> None:
    desk.clock.business = START + timedelta(days=days)
    async with desk.database.unit_of_work() as uow:
        await duty_desk.look(uow, desk.instruments)


async def duty(desk: Desk, subject: str = "institution") -> dict[str, Any]:
    items = (await desk.get("/v1/duties", limit="200")).json()["items"]
    [found] = [one for one in items if (one["rule"], one["subject"]) == (RULE, subject)]
    return found  # type: ignore[no-any-return]


async def findings(desk: Desk) -> list[tuple[str, str]]:
    items = (await desk.get("/v1/control-findings", rule=RULE)).json()["items"]
    return [(one["subject"], one["state"]) for one in items]


async def test_an_overdue_duty_is_a_finding_until_a_person_records_it(desk: Desk) -> None:
    await look(desk, days=0)
    assert (await duty(desk))["due_on"] == "2027-02-13"
    await look(desk, days=31)
    await look(desk, days=32)
    assert ((await duty(desk))["late"], await findings(desk)) == (1, [("duty:institution", "open")])
    body = {"subject": "agency-7", "done_on": "2027-02-01", "reference": "inspection report 2027-2"}
    for _ in range(2):
        done = await desk.post(f"/v1/duties/{RULE}/done", body, by="auditor-3", client="auditor")
        assert (done.status_code, done.json()["due_on"]) == (200, "2028-02-01"), done.text
    assert ((await duty(desk))["late"], await findings(desk)) == (0, [("duty:institution", "remedied")])
    [leaf] = await desk.leaves("duty")
    assert (leaf["rule"], leaf["subject"], leaf["by_whom"]) == (RULE, "agency-7", "auditor-3")


async def test_what_is_not_recorded_by_people_is_refused(desk: Desk) -> None:
    desk.clock.business = START
    body = {"done_on": "2027-01-15", "reference": "report 1"}
    early = await desk.post(f"/v1/duties/{RULE}/done", body, client="auditor")
    other = await desk.post("/v1/duties/BANK-COMPLAINT-ACK/done", body, client="auditor")
    assert (early.status_code, other.status_code) == (422, 404)
