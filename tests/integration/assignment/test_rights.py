"""What a person is told, and what of them stays."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from services.assignment.access_desk import LISTS
from shared.events.compliance import PartyErased
from tests.integration.assignment.days import (
    NOW,
    open_cases,
    plan,
    register,
    stopped,
)
from tests.integration.assignment.harness import Desk


async def test_nothing_of_an_erased_person_stays(desk: Desk) -> None:
    [case] = await open_cases(desk, 1)
    await desk.deliver("stop", ("party.stopped", stopped(case)))
    erased = PartyErased(party_id=case.party_id, erasure_id=uuid4(), erased_at=NOW, complete_from=NOW)
    await desk.deliver("compliance", ("compliance.party_erased", erased))
    async with desk.database.read_only() as uow:
        for table in ("candidate", "block", "visit"):
            assert await uow.sql.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def access_lists(desk: Desk, party_id: UUID) -> Any:
    return await desk.get(f"/v1/parties/{party_id}/access-lists", received_at=NOW.isoformat())


async def test_person_is_told_why_a_visit_was_planned_or_not_and_nothing_of_staff(desk: Desk) -> None:
    await register(desk)
    [case, other] = await open_cases(desk, 2)
    await plan(desk)
    answer = await access_lists(desk, case.party_id)
    lists = {one["name"]: one["rows"] for one in answer.json()["lists"]}
    assert list(lists)[: len(LISTS)] == list(LISTS)
    assert (len(lists["candidacy"]), len(lists["visits"]), len(lists["areas"])) == (1, 1, 1)
    assert lists["candidacy"][0]["values"]["why_not"] == "already_planned"
    assert "a visit is planned already" in lists["candidacy"][0]["words"]["en"]
    assert lists["visits"][0]["values"]["crew_size"] == 2
    async with desk.database.read_only() as uow:
        staff = await uow.sql.fetch("SELECT collector_id::text, name, staff_ref, device_id FROM collector, pair")
    for secret in (str(other.party_id), *(value for row in staff for value in row)):
        assert secret not in answer.text


async def test_withdrawn_visit_is_told_with_its_cause(desk: Desk) -> None:
    await register(desk)
    [case] = await open_cases(desk, 1)
    await plan(desk)
    await desk.deliver("stop", ("party.stopped", stopped(case)))
    lists = {one["name"]: one["rows"] for one in (await access_lists(desk, case.party_id)).json()["lists"]}
    assert [row["values"]["state"] for row in lists["visits"]] == ["withdrawn"]
    assert lists["blocks"][0]["values"]["cause"] == lists["visits"][0]["values"]["cause"]


async def test_who_was_erased_is_told_just_that(desk: Desk) -> None:
    [case] = await open_cases(desk, 1)
    erased = PartyErased(party_id=case.party_id, erasure_id=uuid4(), erased_at=NOW, complete_from=NOW)
    await desk.deliver("compliance", ("compliance.party_erased", erased))
    answer = await access_lists(desk, case.party_id)
    assert (answer.status_code, answer.json()["type"].rsplit("/", 1)[-1]) == (410, "party-erased")
