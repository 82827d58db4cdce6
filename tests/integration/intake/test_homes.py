"""Homes of people whom the core described before homes were committed to."""

from dataclasses import replace

from services.intake.homes import LEARN_HOMES, LearnHomes, learn_homes
from tests.unit.intake.facts import overdue, person

from .conftest import carry_out
from .test_facts import party_of

FORGET = "UPDATE person SET profile = (profile::jsonb - 'household')::text"


async def work(intake, *, page=500) -> int:
    """Carry out what is intended, page by page; how many pages there were."""
    settings = intake.folding.settings.model_copy(update={"ageing_batch": page})
    return await carry_out(intake, LearnHomes(replace(intake.folding, settings=settings)))


async def start(intake, **options) -> int:
    async with intake.database.unit_of_work() as uow:
        uow.intend(learn_homes(uow))
    return await work(intake, **options)


async def test_a_home_of_before_is_learnt_from_the_card_and_announced(intake):
    await intake.tell(person(1), overdue(2), person(1, party="P-2"), overdue(2, party="P-2", loan="L-2"))
    told = {data["party_id"]: data["household"] for name, data in await intake.told() if name == "case.opened"}
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute(FORGET)
    before = len(await intake.types())
    assert await start(intake, page=1) == 3, "the third finds nobody"
    learnt = [data for _, data in (await intake.told())[before:]]
    assert {one["party_id"]: one["household"] for one in learnt} == told
    assert {one["cause"] for one in learnt} == {LEARN_HOMES}
    assert len(set(told.values())) == 1, "one address, one home"
    reading = await intake.fetch(
        "SELECT caller, purpose FROM contact_reading WHERE party_id = $1", await party_of(intake)
    )
    assert [tuple(row) for row in reading] == [("/services/intake", "household_commitment")]


async def test_it_is_done_once(intake):
    await intake.tell(person(1), overdue(2))
    assert await start(intake) == 1
    assert await start(intake) == 0
    assert await intake.types() == ["case.opened"]


async def test_whoever_has_no_home_stays_unknown_and_ends_the_round(intake):
    homeless = person(1).model_copy(update={"contact_points": []})
    await intake.tell(homeless, overdue(2))
    assert await start(intake) == 1
    assert (await intake.told())[0][1].get("household") is None
