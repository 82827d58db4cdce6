"""Somebody who is not of age: told when it is known, over on the birthday by itself, and never with the birthday."""

from datetime import UTC, date, datetime, timedelta

from services.intake.minors import WatchMinors, look_at_everybody, next_midnight
from services.intake.store.erasing import erase
from tests.integration.intake.conftest import Service, carry_out
from tests.unit.intake.facts import person

BIRTHDAY = date(2008, 3, 12)  # of age two days after the tests' date


async def told(intake: Service) -> list[bool]:
    """Whether each change said that somebody is a minor, in order."""
    return [data["is_minor"] for name, data in await intake.told() if name == "party.minority_changed"]


def watch(intake: Service) -> WatchMinors:
    return WatchMinors(intake.folding.cipher, "Asia/Shanghai", page=1)


async def test_a_minor_is_told_once_and_is_of_age_by_the_clock_alone(intake):
    await intake.tell(person(1, born_on=BIRTHDAY), person(2, born_on=BIRTHDAY))
    assert await told(intake) == [True]
    async with intake.database.unit_of_work() as uow:
        uow.intend(next_midnight(uow, "Asia/Shanghai"))
    for day in (11, 12):
        intake.clock.business = datetime(2026, 3, day, 1, tzinfo=UTC) - timedelta(hours=8)
        assert await told(intake) == [True]
        await carry_out(intake, watch(intake))
    assert await told(intake) == [True, False]
    assert not await intake.fetch("SELECT FROM minor_person")
    rows = await intake.fetch("SELECT value FROM outbox")
    assert not [row for row in rows if b"2008-03" in bytes(row[0])]


async def test_a_corrected_birthday_ends_it_and_an_unknown_one_does_not(intake):
    await intake.tell(person(1, born_on=BIRTHDAY), person(2))
    assert await told(intake) == [True]
    await intake.tell(person(3, born_on=date(1988, 3, 12)))
    assert await told(intake) == [True, False]


async def test_people_of_before_are_walked_through_once(intake):
    await intake.tell(person(1, born_on=BIRTHDAY), person(1, party="P-2", born_on=date(1990, 1, 1)))
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("DELETE FROM minor_person")
        uow.intend(look_at_everybody(uow))
    await carry_out(intake, watch(intake))
    async with intake.database.unit_of_work() as uow:
        uow.intend(look_at_everybody(uow))
    assert await carry_out(intake, watch(intake)) == 0
    assert await told(intake) == [True, True]
    assert len(await intake.fetch("SELECT FROM minor_person")) == 1


async def test_who_is_erased_is_no_minor_of_ours(intake):
    await intake.tell(person(1, born_on=BIRTHDAY))
    async with intake.database.unit_of_work() as uow:
        party_id = await uow.sql.fetchval("SELECT party_id FROM minor_person")
        await uow.lock_parties([party_id])
        await erase(uow, intake.folding.cipher, [party_id])
    assert not await intake.fetch("SELECT FROM minor_person")
