"""A cut-over through the APIs of the three services that take part."""

from __future__ import annotations

from typing import Any

import pytest

from services.compliance import erasure_desk
from shared.web.client import RemoteProblem
from tests.integration.cutover.conftest import World
from tests.unit.intake.identities import merged


async def test_what_was_announced_is_held_and_then_people_are_attested(world: World) -> None:
    report = await world.dry_run()
    assert (report["objections"], report["ready"]) == ([], True)
    assert report["expected"] == {"hold": 2, "complaint": 1, "contact": 2, "third_person": 1}
    run = world.run(report)
    read_back = await run.run(*world.terms(report))
    assert (run.differences(read_back), run.refused) == ([], [])
    assert read_back["plans"] == {"held": 1, "rests_minor": {"CNY": 50_000}}
    assert read_back["steps"] == {"held": 2, "of_nobody": 0}
    assert {await world.asked(f"P-{number}") for number in (1, 2, 3)} == {"unattested"}
    assert await world.accept(run, read_back) == 3
    assert {await world.asked(f"P-{number}") for number in (1, 2, 3)} & {"unattested"} == set()


async def test_a_killed_run_goes_on_and_imports_nothing_twice(world: World) -> None:
    report = await world.dry_run()
    first = world.run(report)
    calls = 0

    async def killed(*_: Any) -> Any:
        nonlocal calls
        calls += 1
        raise KeyboardInterrupt

    services = world.services
    object.__setattr__(services, "take_over_plans", killed)
    with pytest.raises(KeyboardInterrupt):
        await first.run(*world.terms(report))
    object.__delattr__(services, "take_over_plans")
    run = world.run(report)
    assert run.differences(await run.run(*world.terms(report))) == []
    assert run.differences(await run.run(*world.terms(report))) == []
    rows = await world.intake.fetch("SELECT count(*) FROM tape_file")
    assert (calls, rows[0][0]) == (1, 1)


async def test_a_plan_that_is_refused_for_good_leaves_no_hold_that_keeps_contact_away(world: World) -> None:
    world.files["plans"][0]["party_ref"] = "P-9"
    report = await world.dry_run()
    run = world.run(report)
    read_back = await run.run(*world.terms(report))
    assert [(one.kind, one.row) for one in run.refused] == [("plans", 1)]
    await world.plans.work()
    (held,) = (one for one in await world.held() if one["kind"] == "plan_active")
    assert held["ended_cause"] == "plan_not_imported"
    assert [one.what for one in run.differences(read_back)] == ["plans", "rests of plans, minor units"]
    again = world.run(report)
    await again.run(*world.terms(report))
    assert [one.kind for one in again.refused] == ["plans"], "still, and whatever became of the case"
    assert await world.accept(run, read_back) == 3, "the others need not wait"


async def test_who_is_erased_between_dry_run_and_import_does_not_make_it_begin_anew(world: World) -> None:
    report = await world.dry_run()
    party_id = (await world.services.ids("core-a", ["P-1"], reserve=True)).parties["P-1"]
    async with world.compliance.database.unit_of_work() as uow:
        await uow.lock_parties([party_id])
        await erasure_desk.erase_due(uow, world.compliance.instruments, [party_id])
    run = world.run(report)
    read_back = await run.run(*world.terms(report))
    assert run.differences(read_back) == []
    assert (read_back["erased"], read_back["left_out_plans"]["held"], read_back["plans"]["held"]) == ({"hold": 1}, 1, 0)
    assert await world.accept(run, read_back) == 2


async def test_rejected_rows_are_named_and_their_people_stay_refused(world: World) -> None:
    world.files["contacts"][0]["ended_at"] = "2026-03-01T00:00:00Z"
    world.files["holds"].append({"record_ref": "h-2", "party_ref": "P-1", "kind": "whim", "valid_from": "yesterday"})
    world.files["people"][2]["party_ref"] = "P-3"
    report = await world.dry_run()
    assert report["ready"], report["objections"]
    rejected = [line.split(",")[:2] for line in world.rejections.getvalue().splitlines()[1:]]
    assert rejected == [["holds", "2"], ["contacts", "1"]]
    assert report["history_incomplete"] == ["P-3"]
    run = world.run(report)
    read_back = await run.run(*world.terms(report))
    assert await world.accept(run, read_back) == 2
    assert await world.asked("P-3") == "unattested"


@pytest.mark.parametrize(
    ("kind", "change", "objection"),
    [
        ("contacts", {"party_ref": ""}, "names nobody"),
        ("plans", {"schedule": "2026-03-20=200.00"}, "the manifest says 500.00"),
        ("contacts", {"record_ref": "k-8"}, "repeat a reference"),
    ],
)
async def test_what_is_not_whole_cannot_be_signed(world: World, kind: str, change: Any, objection: str) -> None:
    world.files[kind][0] |= change
    report = await world.dry_run()
    assert not report["ready"]
    assert objection in " ".join(report["objections"])


async def test_nothing_begins_without_two_signatures(world: World) -> None:
    report = await world.dry_run()
    terms, signatures = world.terms(report)
    run = world.run(report)
    with pytest.raises(RemoteProblem, match="cutover-not-signed"):
        await run.run(terms, signatures[:1])
    assert await world.intake.fetch("SELECT 1 FROM tape_file") == []


async def merge(world: World, given_up: str, into: str) -> None:
    """The core says that two of its references are one person."""
    await world.intake.tell(merged(1, given_up=given_up, into=into))
    await world.carry()


async def test_a_plan_and_contacts_of_somebody_who_is_another_by_now_are_kept_with_who_remains(world: World) -> None:
    await merge(world, "P-1", "P-3")
    report = await world.dry_run()
    assert (report["ready"], report["one_person"], report["history_incomplete"]) == (True, {"P-1": "P-3"}, [])
    run = world.run(report)
    read_back = await run.run(*world.terms(report))
    assert (run.differences(read_back), run.refused) == ([], [])
    ids = (await world.services.ids("core-a", ["P-1", "P-3"], reserve=False)).parties
    (plan,) = (await world.plans.get("/v1/plans", party_id=str(ids["P-1"]))).json()["items"]
    ((case_id,),) = await world.intake.fetch("SELECT case_id FROM case_file WHERE party_id = $1", ids["P-3"])
    assert (plan["state"], plan["case_id"]) == ("imported", str(case_id))
    assert await world.asked("P-3") == "unattested"
    assert await world.accept(run, read_back) == 3
    assert await world.asked("P-3") != "unattested"


async def test_nobody_is_attested_of_whose_references_one_is_not_complete(world: World) -> None:
    await merge(world, "P-1", "P-3")
    world.files["people"][0]["history"] = "missing"
    second = {**world.files["plans"][0], "record_ref": "p-2", "party_ref": "P-3"}
    world.files["plans"].append(second)
    report = await world.dry_run()
    assert report["history_incomplete"] == ["P-1", "P-3"]
    assert report["files"]["plans"]["good"] == 1
    assert "is P-3, whose plan is in row 1" in world.rejections.getvalue()
    run = world.run(report)
    read_back = await run.run(*world.terms(report))
    assert await world.accept(run, read_back) == 1
    assert [await world.asked(one) for one in ("P-2", "P-3")] == ["deny", "unattested"]


async def test_a_total_of_thousands_that_differs_is_named(world: World) -> None:
    world.files["plans"][0] |= {"schedule": "2026-03-20=1234.00", "debt": "1234.00"}
    report = await world.dry_run()
    assert report["objections"] == ["plans.csv: CNY 1234.00, the manifest says 500.00"]
