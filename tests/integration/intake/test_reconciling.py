"""Reconciliation with the core: looked at twice, marked, freed; too much is one incident."""

from datetime import timedelta

import httpx

from services.intake import reconciling
from services.intake.reconciling import Looking, LookingAgain
from services.intake.store import findings
from shared.messaging.liveness import Pulse
from shared.messaging.worker import Worker
from tests.integration.intake.test_api import core_saying
from tests.integration.intake.test_facts import case_of, party_of
from tests.unit.intake.facts import DAY, obligors, overdue
from tests.unit.intake.identities import merged, unmerged


async def reconcile(intake, core, *, settled=None, on=DAY):
    """A whole run; `settled`: what the core says when it is asked again. Returns the run."""
    intake.core = core
    async with intake.database.unit_of_work() as uow:
        run_id = await reconciling.start(uow, core="core-a", business_date=on)
    worker = Worker(intake.database, [], pulse=Pulse("worker"))
    while await worker.work_once(Looking(intake.folding, intake.core_port())):
        pass
    intake.core = settled or core
    intake.clock.real += timedelta(seconds=11)
    while await worker.work_once(LookingAgain(intake.folding, intake.core_port())):
        pass
    async with intake.database.read_only() as uow:
        return await findings.run(uow, run_id)


async def test_agreement_leaves_nothing(intake):
    await intake.tell(overdue(1))
    run = await reconcile(intake, core_saying(L_1=500))
    assert (run["state"], run["compared"], run["differing"]) == ("agrees", 1, 0)
    assert await intake.fetch("SELECT 1 FROM reconciliation_finding") == []


async def test_what_differs_twice_suspends_and_agreement_releases(intake):
    await intake.tell(overdue(1), overdue(2, party="P-2", loan="L-2"))
    run = await reconcile(intake, core_saying(L_1=400, L_2=500))
    assert (run["state"], run["differing"]) == ("differs", 1)
    assert (await case_of(intake))["suspended"] == ["core_differs"]
    assert (await case_of(intake, "P-2"))["suspended"] == []
    await reconcile(intake, core_saying(L_1=500, L_2=500))
    assert (await case_of(intake))["suspended"] == []
    assert [name for name in await intake.types() if name in {"case.suspended", "case.released"}] == [
        "case.suspended", "case.released",
    ]  # fmt: skip
    assert await intake.fetch("SELECT 1 FROM reconciliation_finding WHERE closed_at IS NULL") == []


async def test_what_was_found_of_a_reference_follows_whose_loan_it_is(intake):
    await intake.tell(overdue(1), overdue(2, party="P-2", loan="L-2"))
    await reconcile(intake, core_saying(L_1=500, L_2=400))
    await intake.tell(merged(5, "P-1", "P-2"))
    await reconcile(intake, core_saying(L_1=500, L_2=400))
    assert await of_open(intake) == {("P-1", "L-2")}, "compared with who stands for both"
    await intake.tell(unmerged(6, "P-1", "P-2"))
    run = await reconcile(intake, core_saying(L_1=500, L_2=400))
    assert (run["differing"], await of_open(intake)) == (1, {("P-2", "L-2")})
    await reconcile(intake, core_saying(L_1=500, L_2=500))
    assert await of_open(intake) == set()


async def of_open(intake):
    names = {await party_of(intake, reference): reference for reference in ("P-1", "P-2")}
    rows = await intake.fetch("SELECT party_id, loan_ref FROM reconciliation_finding WHERE closed_at IS NULL")
    return {(names[row["party_id"]], row["loan_ref"]) for row in rows}


async def test_a_loan_that_has_left_is_compared_where_it_went(intake):
    await intake.tell(overdue(1), obligors(2, "P-2"), overdue(3, party="P-2"))
    run = await reconcile(intake, core_saying(L_1=500))
    assert (run["state"], run["compared"], run["differing"]) == ("agrees", 1, 0)


async def test_a_fact_on_its_way_suspends_nothing(intake):
    await intake.tell(overdue(1))
    run = await reconcile(intake, core_saying(L_1=400), settled=core_saying(L_1=500))
    assert run["state"] == "differs"
    assert (await case_of(intake))["suspended"] == []


async def test_too_much_is_one_incident_and_marks_no_loan(intake):
    await intake.tell(*(overdue(1, party=f"P-{number}", loan=f"L-{number}") for number in range(1, 13)))
    run = await reconcile(intake, core_saying(L_1=500))
    assert (run["state"], run["differing"]) == ("incident", 11)
    assert (await case_of(intake, "P-2"))["suspended"] == []


async def test_a_core_at_another_date_ends_the_run(intake):
    await intake.tell(overdue(1))
    run = await reconcile(intake, core_saying(L_1=400), on=DAY - timedelta(days=1))
    assert run["state"] == "core_moved"


async def test_a_core_that_does_not_answer_is_asked_again(intake):
    await intake.tell(overdue(1))
    intake.core = httpx.MockTransport(lambda _: httpx.Response(503))
    handler = Looking(intake.folding, intake.core_port())
    async with intake.database.unit_of_work() as uow:
        run_id = await reconciling.start(uow, core="core-a", business_date=DAY)
    worker = Worker(intake.database, [], pulse=Pulse("worker"))
    assert await worker.work_once(handler)
    async with intake.database.read_only() as uow:
        assert (await findings.run(uow, run_id))["state"] == "running"


async def test_runs_and_differences_over_http(intake):
    await intake.tell(overdue(1))
    await reconcile(intake, core_saying(L_1=400))
    async with intake.api() as api:
        [run] = (await api.get("/v1/reconciliations")).json()["items"]
        [found] = (await api.get("/v1/reconciliations/differences")).json()["items"]
    assert (run["state"], run["core"]) == ("differs", "core-a")
    assert (found["field"], found["ours"], found["cores"]) == ("overdue_minor", "500", "400")
    assert found["confirmed_at"] is not None
