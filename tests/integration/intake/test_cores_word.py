"""What a record says beside its amounts: what contradicts them suspends, until a newer record agrees."""

import json
from datetime import timedelta

from services.intake.store import feed_suspensions
from tests.integration.intake.test_api import core_saying
from tests.integration.intake.test_control_totals import close
from tests.integration.intake.test_facts import case_of
from tests.integration.intake.test_reconciling import reconcile
from tests.unit.intake.facts import DAY, due, overdue


async def found(intake):
    async with intake.api() as api:
        answer = await api.get("/v1/reconciliations/differences")
    return [(one["loan_ref"], one["field"], one["ours"], one["cores"]) for one in answer.json()["items"]]


async def test_days_that_contradict_the_amounts_suspend_until_a_record_agrees(intake):
    await intake.tell(overdue(1, core_dpd=40), overdue(1, party="P-2", loan="L-2", core_dpd=10))
    assert await found(intake) == [("L-1", "stated_days_past_due", "10", "40")]
    assert (await case_of(intake))["suspended"] == ["core_differs"]
    assert (await case_of(intake, "P-2"))["suspended"] == []
    await reconcile(intake, core_saying(L_1=500, L_2=500))
    assert (await case_of(intake))["suspended"] == ["core_differs"], "the balances say nothing of it"
    await intake.tell(overdue(2, core_dpd=41))
    assert [one[3] for one in await found(intake)] == ["41"]
    await intake.tell(overdue(3, core_dpd=10, core_oldest_due_date=DAY - timedelta(days=10)))
    assert (await found(intake), (await case_of(intake))["suspended"]) == ([], [])
    told = [name for name in await intake.types() if name in {"case.suspended", "case.released"}]
    assert told == ["case.suspended", "case.released"]


async def test_too_many_of_them_are_one_incident_of_the_feed(intake):
    await intake.tell(*(overdue(1, party=f"P-{number}", loan=f"L-{number}", core_dpd=9) for number in range(1, 11)))
    await close(intake, loans=10, total=5_000, suspends=True)
    async with intake.database.read_only() as uow:
        assert await feed_suspensions.standing(uow) == {"core-a": "books_differ"}
    await intake.tell(*(overdue(2, party=f"P-{number}", loan=f"L-{number}", core_dpd=10) for number in range(1, 3)))
    await close(intake, loans=10, total=5_000, day=DAY + timedelta(days=1), suspends=True)
    async with intake.database.read_only() as uow:
        assert await feed_suspensions.standing(uow) == {}


async def test_which_of_two_records_came_first_is_asked_of_the_core(intake):
    await intake.tell(overdue(1), overdue(1, due(10, 300)), overdue(1, party="P-2", loan="L-2"))
    [(loan_ref, field, _, _)] = await found(intake)
    assert (loan_ref, field) == ("L-1", "order")
    assert ((await case_of(intake))["suspended"], (await case_of(intake, "P-2"))["suspended"]) == (["core_differs"], [])
    [(_, ours)] = json.loads((await case_of(intake))["overdue_minor"])
    await reconcile(intake, core_saying(L_1=800 - ours, L_2=500))
    assert ("L-1", "overdue_minor") in [one[:2] for one in await found(intake)], "it was the other one"
    assert (await case_of(intake))["suspended"] == ["core_differs"]
    await reconcile(intake, core_saying(L_1=ours, L_2=500))
    assert (await found(intake), (await case_of(intake))["suspended"]) == ([], [])


async def test_a_newer_record_settles_which_came_first(intake):
    await intake.tell(overdue(1), overdue(1, due(10, 300)))
    await intake.tell(overdue(2, due(10, 300)))
    assert (await found(intake), (await case_of(intake))["suspended"]) == ([], [])
