"""Deaths that no event of Fineract tells: the clients of open cases are asked for."""

from datetime import timedelta
from uuid import uuid4

import pytest

from services.intake.fineract import people_watch
from services.intake.fineract.people_watch import PeopleWatch
from shared.messaging import intent_store
from tests.integration.intake.test_fineract import DUES, Core, core

__all__ = ["core"]


def watch_of(core: Core) -> PeopleWatch:
    adapter = core.adapter
    return PeopleWatch(adapter._tenancy, adapter._port, core.intake.folding, timedelta(hours=1))


async def one_round(core: Core, watch: PeopleWatch) -> int:
    """Carry out a round; how many pages it had."""
    async with core.intake.database.unit_of_work() as uow:
        first = watch.next_round(uow)
        uow.intend(first)
    pages = 0
    while True:
        core.intake.clock.real = core.intake.clock.real_now() + watch.every
        lease_id = uuid4()
        async with core.intake.database.unit_of_work() as uow:
            (leased,) = await intent_store.lease(
                uow, watch.kind, limit=1, lease_id=lease_id, duration=timedelta(minutes=1)
            )
        if pages and leased.payload["next"] is None:
            return pages
        (answer,) = await watch.call([leased])
        assert answer is not None
        async with core.intake.database.unit_of_work() as uow:
            await watch.commit(uow, [(leased, answer)])
            await intent_store.finish(uow, [leased.id], lease_id=lease_id)
        pages += 1


async def test_a_death_is_learnt_while_the_loans_are_silent(core, monkeypatch):
    monkeypatch.setattr(people_watch, "_PAGE", 1)
    core.books.lend(7, 43, DUES)
    core.books.lend(6, None, DUES, group=5)
    await core.send(core.late(9), core.late(7), core.late(6))
    core.books.clients[43] = {"subStatus": {"id": 17}}
    core.books.questions.clear()
    assert await one_round(core, watch_of(core)) >= 3
    causes = [data["cause"] for name, data in await core.intake.told() if name == "party.stopped"]
    assert causes == ["deceased"]
    assert sorted(core.books.questions) == ["/api/v1/clients/42", "/api/v1/clients/43"]


async def test_who_has_died_is_not_asked_for_again_and_one_bad_answer_hides_no_other(core):
    core.books.lend(7, 43, DUES)
    await core.send(core.late(9), core.late(7))
    core.books.clients |= {42: {"displayName": ""}, 43: {"subStatus": {"id": 17}}}
    await one_round(core, watch_of(core))
    core.books.questions.clear()
    watch = watch_of(core)
    await watch.port.clients([42])
    assert [name for name in await core.intake.types() if name == "party.stopped"] == ["party.stopped"]
    async with core.intake.database.read_only() as uow:
        rows = await people_watch.store.people_in_cases(uow, "fineract", after=None, limit=10)
    assert list(rows.values()) == ["42"]


async def test_a_core_that_is_away_is_asked_again(core):
    core.books.is_away = True
    async with core.intake.database.unit_of_work() as uow:
        intent = watch_of(core).next_round(uow)
    asked = type("Asked", (), {"payload": intent.payload | {"people": [42]}})()
    assert await watch_of(core).call([asked]) == [None]  # type: ignore[list-item]


@pytest.mark.parametrize("statuses", [frozenset(), frozenset({17})])
async def test_without_a_word_for_deaths_nobody_is_asked(core, statuses):
    settings = type(
        "Settings", (), {"people_every_seconds": 0 if statuses else 60, "deceased_sub_statuses": statuses}
    )()
    assert PeopleWatch.of(settings, core.adapter._port, core.intake.folding, tenant="bank") is None  # type: ignore[arg-type]
