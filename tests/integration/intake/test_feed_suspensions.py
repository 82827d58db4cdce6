"""An incident suspends the whole feed: one row, told with each heartbeat, until it agrees or a person releases it."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from services.intake.feed_recalls import RecallPlanned
from services.intake.store import feed_suspensions
from services.intake.tape_watch import Promises, TapeWatch
from services.intake.tapes.agreement import Promised
from services.intake.tapes.loading import Loader
from shared.events.compliance import PermitReleased
from tests.integration.intake.test_api import core_saying
from tests.integration.intake.test_cards import permit_for
from tests.integration.intake.test_facts import carry_out, party_of
from tests.integration.intake.test_reconciling import reconcile
from tests.unit.intake.facts import overdue
from tests.unit.intake.tapes.tapes import DAY, contract, manifest, released, row, write


async def standing(intake):
    async with intake.database.read_only() as uow:
        return await feed_suspensions.standing(uow)


async def incident(intake):
    await intake.tell(*(overdue(1, party=f"P-{number}", loan=f"L-{number}") for number in range(1, 13)))
    await reconcile(intake, core_saying(L_1=500))


async def test_too_much_that_differs_suspends_the_core_until_it_agrees(intake):
    await incident(intake)
    assert await standing(intake) == {"core-a": "books_differ"}
    types = await intake.types()
    await reconcile(intake, core_saying(**{f"L_{number}": 500 for number in range(1, 13)}))
    assert await standing(intake) == {}
    assert await intake.types() == types, "no event per case"
    async with intake.api() as api:
        (one,) = (await api.get("/v1/feed-suspensions", params={"standing": "false"})).json()["items"]
    assert (one["released_by"], one["detail"]) == ("reconciliation", "11 of 12 loans differ on 2026-03-10")


async def permit(intake, reference, *, hours):
    """Compliance has granted somebody a visit, from now for so long."""
    return await permit_for(intake, await party_of(intake, reference), hours=hours)


async def stopped(intake):
    told = await intake.told()
    return [data["party_id"] for name, data in told if name == "party.stopped" and data["cause"] == "feed_suspended"]


async def test_what_is_planned_is_recalled_once_and_what_was_granted_meanwhile_too(intake):
    await intake.tell(*(overdue(1, party=f"P-{number}", loan=f"L-{number}") for number in range(1, 13)))
    planned, given_back = await permit(intake, "P-3", hours=2), await permit(intake, "P-2", hours=2)
    await permit(intake, "P-1", hours=0)
    await intake.hear(PermitReleased(**given_back, cause="moved"), topic="compliance")
    await reconcile(intake, core_saying(L_1=500))
    assert await carry_out(intake, RecallPlanned()) == 1
    assert await stopped(intake) == [str(planned["party_id"])]
    await intake.hear(PermitReleased(**planned, cause="feed_suspended"), topic="compliance")
    late = await permit(intake, "P-4", hours=1)
    intake.clock.real += timedelta(seconds=60)
    assert await carry_out(intake, RecallPlanned()) == 1
    assert await stopped(intake) == [str(planned["party_id"]), str(late["party_id"])]
    await reconcile(intake, core_saying(L_1=500))
    assert await carry_out(intake, RecallPlanned()) == 0, "one incident, one recall"


async def test_a_suspension_that_is_over_recalls_nobody(intake):
    await incident(intake)
    await permit(intake, "P-1", hours=2)
    async with intake.database.unit_of_work() as uow:
        await feed_suspensions.release(uow, "core-a", "books_differ", by="tester", reason="found out in time")
    await carry_out(intake, RecallPlanned())
    assert await stopped(intake) == []


async def test_a_balance_of_a_suspended_core_says_so_under_the_signature(intake):
    await incident(intake)
    (found,) = await intake.fetch("SELECT party_id, case_id FROM case_file LIMIT 1")
    body = {"items": [{"party_id": str(found[0]), "case_id": str(found[1])}]}
    async with intake.api() as api:
        answer = (await api.post("/v1/balance-checks", json=body)).json()["items"][0]
    assert answer["suspended"] == "books_differ"


async def test_a_named_person_releases_it(intake):
    await incident(intake)
    body = {"cause": "books_differ", "reason": "the core's extract was of another day"}
    async with intake.api() as api:
        done = await api.post("/v1/feed-suspensions/core-a/release", json=body, headers={"Idempotency-Key": "k"})
        again = await api.post("/v1/feed-suspensions/core-a/release", json=body, headers={"Idempotency-Key": "l"})
        (one,) = (await api.get("/v1/feed-suspensions", params={"standing": "false"})).json()["items"]
    assert (done.status_code, again.status_code) == (200, 404)
    assert (one["released_by"], one["reason"]) == ("tester", "the core's extract was of another day")
    assert await standing(intake) == {}


@pytest.mark.parametrize(
    ("now", "days", "due"),
    [
        (datetime(2026, 3, 11, 4, 59, tzinfo=UTC), "every", date(2026, 3, 9)),
        (datetime(2026, 3, 11, 5, 0, tzinfo=UTC), "every", date(2026, 3, 10)),
        (datetime(2026, 3, 9, 6, 0, tzinfo=UTC), "every", date(2026, 3, 8)),
        (datetime(2026, 3, 9, 6, 0, tzinfo=UTC), "weekdays", date(2026, 3, 6)),
    ],
)
def test_which_tape_is_due(now, days, due):
    assert Promised(by=time(5), days=days).due_date(now) == due


async def test_a_promised_tape_that_is_missing_suspends_until_it_is_loaded(intake, tmp_path):
    promised = contract(more="[promised]\nby = 05:00:00\n")
    watch = TapeWatch(intake.folding.settings, tmp_path)

    async def look():
        async with intake.database.unit_of_work() as uow:
            await watch.commit(uow, [(None, Promises(contracts=(promised,)))])

    # Six in the morning in Shanghai, on the day after the tape's.
    intake.clock.business = datetime(2026, 3, 10, 22, tzinfo=UTC)
    await look()
    assert await standing(intake) == {"core-a": "tape_missing"}
    loans = [row(1, late=5)]
    path = write(tmp_path, "loans.csv", "csv", loans)
    loader = Loader(intake.database, intake.folding, intake.sealer)
    assert (await loader.load(path, manifest(path, loans), released())).state == "loaded"
    assert date(2026, 3, 10) == DAY
    await look()
    assert await standing(intake) == {}


async def test_a_folder_without_contracts_promises_nothing(intake, tmp_path):
    watch = TapeWatch(intake.folding.settings, tmp_path)
    (answer,) = await watch.call([None])
    assert answer == Promises(contracts=())
