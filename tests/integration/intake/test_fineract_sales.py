"""Loans that a Fineract core sells and buys back, and clients who have died."""

from datetime import date

import pytest

from services.intake.fineract.adapter import TOPIC
from shared.messaging.foreign_places import UnsettledLettersError, begin_anew
from simulation.fineract import wire
from tests.integration.intake.test_fineract import DAY, DUES, core

__all__ = ["core"]


async def test_a_sold_loan_leaves_the_case_whatever_its_servicer_goes_on_telling(core):
    await core.send(core.late())
    await core.send(core.sender.message(9, wire.transferred(9, on=DAY)))
    assert await core.case() == ["closed"]
    assert "party.stopped" in await core.intake.types()
    before = len(await core.facts())
    await core.send(core.late(), core.sender.message(9, wire.loan_event("LoanAccountSnapshot", 9)))
    assert (await core.case(), len(await core.facts())) == (["closed"], before)
    await core.send(core.sender.message(9, wire.transferred(9, kind="BUYBACK", on=DAY)))
    assert await core.case() == ["open"]


async def test_a_loan_that_was_sold_before_it_was_late_is_nobody_s_here(core):
    core.books.lend(5, 43, [(date(2026, 4, 5), 100_00)])
    await core.send(core.sender.message(5, wire.transferred(5, on=DAY, with_groups=True)))
    core.books.lend(5, 43, DUES)
    await core.send(core.late(5), core.late(9))
    assert [name for _, name in await core.facts()] == ["loan.overdue"]
    people = await core.intake.fetch("SELECT a.party_ref FROM person JOIN party_alias a USING (party_id)")
    assert [row[0] for row in people] == ["42"]


async def test_what_is_sold_in_the_batch_that_tells_of_it(core):
    late, sold = core.late(), core.sender.message(9, wire.transferred(9, on=DAY))
    await core.send(late, sold, core.late())
    assert [name for _, name in await core.facts()] == ["loan.overdue", "loan.transferred"]
    assert await core.case() == ["closed"]


async def test_positions_are_not_given_up_while_a_letter_is_open(core):
    core.books.lend(5, 42, DUES, product=99)
    await core.send(core.late(5))
    async with core.intake.database.unit_of_work() as uow:
        with pytest.raises(UnsettledLettersError):
            await begin_anew(uow, TOPIC, beginnings={0: 0}, cluster_id="new")
    async with core.intake.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE dead_letter SET state = 'discarded'")
        await begin_anew(uow, TOPIC, beginnings={0: 0}, cluster_id="new")
    rows = await core.intake.fetch("SELECT split_part(topic, '@', 1), topic = 'fineract' FROM dead_letter")
    assert [tuple(row) for row in rows] == [("fineract", False)]


async def test_a_death_stops_everything(core):
    core.books.clients[42] = {"subStatus": {"id": 17, "name": "Deceased"}}
    await core.send(core.late())
    assert "party.deceased" in [name for _, name in await core.facts()]
    causes = [data["cause"] for name, data in await core.intake.told() if name == "party.stopped"]
    assert causes == ["deceased"]
