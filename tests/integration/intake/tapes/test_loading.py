"""Tapes into a real database: first night, second night, what vanished, what was refused, what came live in between."""

import random
from datetime import timedelta

import pytest

from services.intake.tapes.loading import FeedBusyError, Loader
from tests.unit.intake.facts import due, overdue, payment
from tests.unit.intake.tapes.tapes import DAY, FORMS, manifest, released, row, write


@pytest.fixture
def loader(intake):
    return Loader(intake.database, intake.folding, intake.sealer, facts_per_transaction=2)


@pytest.fixture
def night(loader, tmp_path):
    """Loads rows as the file of a night; `form` and what the contract says may differ."""

    async def load(number, rows, *, form="csv", agreed=None, **given):
        path = write(tmp_path, f"{number}.{form}", form, rows)
        given = {"sequence": number, "core_sequence": 100 * number, **given}
        return await loader.load(path, manifest(path, rows, **given), released(form, **(agreed or {})))

    return load


async def _statuses(intake):
    found = await intake.fetch(
        "SELECT a.party_ref, c.status FROM case_file c JOIN party_alias a USING (party_id) ORDER BY 1"
    )
    return dict(found)


@pytest.mark.parametrize("form", FORMS)
async def test_first_night(intake, night, form):
    rows = [row(1, late=500), row(2), row(3, late=20), row(4, late=70), row(5)]
    file = await night(1, rows, form=form, agreed={"population": "all"})
    assert (file.state, file.total_rows, file.rows_done, file.facts, file.refused_rows) == ("loaded", 5, 5, 3, 0)
    assert await _statuses(intake) == {"P-1": "open", "P-3": "open", "P-4": "open"}
    assert [kind for kind, _ in await intake.told()] == ["case.opened"] * 3
    assert {one["loans"][0]["overdue"]["amount_minor"] for _, one in await intake.told()} == {50_000, 2_000, 7_000}


async def test_the_same_file_again_has_no_effect(intake, night):
    rows = [row(1, late=500)]
    first = await night(1, rows)
    assert await night(1, rows) == first
    assert await intake.types() == ["case.opened"]


async def test_second_night_only_what_changed_has_an_effect(intake, night):
    await night(1, [row(1, late=500), row(2, late=80), row(3, late=80)])
    second = await night(2, [row(1, late=500), row(2, late=90), row(3), row(4, late=10)])
    assert (second.facts, second.vanished) == (3, 0)
    assert await _statuses(intake) == {"P-1": "open", "P-2": "open", "P-3": "cured", "P-4": "open"}
    assert (await intake.types())[3:] == ["case.updated", "case.cured", "party.stopped", "case.opened"]


@pytest.mark.parametrize("order", ["ascending", "shuffled"])
async def test_second_night_in_any_order(intake, night, order):
    """Rows in order of reference are compared along the index, others one by one: the same rows have changed."""
    agreed = {"population": "all"}
    numbers = list(range(100, 160))
    await night(1, [row(number, late=number % 2) for number in numbers], agreed=agreed)
    if order == "shuffled":
        random.Random(order).shuffle(numbers)
    changed = {103: 9, 104: 7, 117: 0}
    file = await night(2, [row(number, late=changed.get(number, number % 2)) for number in numbers], agreed=agreed)
    assert (file.facts, file.vanished) == (3, 0)
    statuses = await _statuses(intake)
    assert (statuses["P-103"], statuses["P-104"], statuses["P-117"], len(statuses)) == ("open", "open", "cured", 31)


async def test_vanished_loans_are_cured_as_the_contract_says(intake, night):
    rows = [row(number, late=50) for number in range(1, 6)]
    await night(1, rows)
    file = await night(2, rows[:3])
    assert file.vanished == 2
    statuses = await _statuses(intake)
    assert [one for one, status in statuses.items() if status == "cured"] == ["P-4", "P-5"]
    await night(3, rows[:4])
    assert (await _statuses(intake))["P-4"] == "open"


async def test_vanished_loans_are_kept_where_the_contract_says_so(intake, night):
    agreed = {"vanished": "kept"}
    rows = [row(number, late=50) for number in range(1, 4)]
    await night(1, rows, agreed=agreed)
    file = await night(2, rows[:2], agreed=agreed)
    assert file.vanished == 0
    assert set((await _statuses(intake)).values()) == {"open"}


async def test_a_truncated_tape_cures_nobody(intake, loader, tmp_path):
    rows = [row(number, late=50) for number in range(1, 9)]
    path = write(tmp_path, "tape.csv", "csv", rows)
    told = manifest(path, rows)
    path.write_bytes(path.read_bytes()[:-250])
    file = await loader.load(path, told, released())
    assert file.state == "refused"
    assert [reason.partition(":")[0] for reason in file.reasons] == [
        "other_content", "rows_differ", "totals_differ", "totals_differ", "too_many_refused",
    ]  # fmt: skip
    assert await intake.types() == []


async def test_an_implausible_drop_is_refused_and_the_whole_file_taken_later(intake, night):
    rows = [row(number, late=50) for number in range(1, 9)]
    await night(1, rows)
    file = await night(2, rows[:2])
    assert file.state == "refused"
    assert any("implausible_drop: overdue loans still named fell from 8 to 2" in reason for reason in file.reasons)
    assert set((await _statuses(intake)).values()) == {"open"}
    assert (await night(2, rows[:7])).state == "loaded"


async def test_a_gap_is_refused(night):
    await night(1, [row(1, late=50)])
    file = await night(3, [row(1, late=50)])
    assert file.reasons == ("gap: file 3 came after 1; 2 is next",)


async def test_a_contract_with_one_signature_is_no_contract(loader, tmp_path):
    rows = [row(1, late=50)]
    path = write(tmp_path, "tape.csv", "csv", rows)
    alone = released()
    file = await loader.load(path, manifest(path, rows), type(alone)(alone.contract, alone.sha256, ("ada",)))
    assert [reason.partition(":")[0] for reason in file.reasons] == ["not_released"]
    file = await loader.load(path, manifest(path, rows), alone)
    assert (file.state, file.total_rows, file.overdue_rows, file.reasons) == ("loaded", 1, 1, ())
    assert file.totals == (("CNY", "1000.00", "50.00"),)


async def test_a_stale_tape_does_not_undo_a_later_payment(intake, night):
    await intake.tell(overdue(10, due(9, 50_000)))
    await intake.tell(payment(150, 50_000, due(9, 50_000, 50_000), balance=0))
    assert (await _statuses(intake))["P-1"] == "cured"
    await night(1, [row(1, late=500)])  # extracted at the core's number 100
    assert (await _statuses(intake))["P-1"] == "cured"


async def test_an_unchanged_row_is_not_skipped_when_others_have_spoken_of_the_loan(intake, night):
    await night(1, [row(1, late=500), row(2, late=60)])
    await intake.tell(payment(150, 50_000, due(9, 50_000, 50_000), balance=0))
    assert (await _statuses(intake))["P-1"] == "cured"
    file = await night(2, [row(1, late=500), row(2, late=60)])
    assert file.facts == 1
    assert (await _statuses(intake))["P-1"] == "open"
    assert (await night(3, [row(1, late=500), row(2, late=60)])).facts == 0


async def test_a_loan_that_only_the_topic_called_overdue_is_cured_by_an_unchanged_row(intake, night):
    agreed = {"population": "all"}
    await night(1, [row(1), row(2, late=60)], agreed=agreed)
    await intake.tell(overdue(150, due(9, 50_000)))
    await night(2, [row(1), row(2, late=60)], agreed=agreed)
    assert await _statuses(intake) == {"P-1": "cured", "P-2": "open"}


async def test_rows_of_a_parked_party_wait(intake, night):
    async with intake.database.unit_of_work() as uow:
        from services.intake.store.parties import reserve
        from shared.messaging import parking

        party_id = (await reserve(uow, ["bank|core-a|P-1"])).ids["bank|core-a|P-1"]
        await parking.park(uow, party_id, cause="test", known=True, topic="loan", partition=0, offset=1)
    file = await night(1, [row(1, late=500), row(2, late=60)])
    assert (file.facts, file.refused_rows) == (1, 1)
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("DELETE FROM parked_party")
    assert (await night(2, [row(1, late=500), row(2, late=60)])).facts == 1


async def test_a_delta_puts_and_removes(intake, night):
    agreed = {"change": "delta", "vanished": "kept"}
    await night(1, [row(1, late=500), row(2, late=60)], agreed=agreed)
    gone = dict.fromkeys(row(1), "") | {"loan": "L-1", "op": "D"}
    rows = [gone, row(3, late=5)]
    path_rows = [{**gone, "balance": "0"}, rows[1]]
    file = await night(2, path_rows, agreed=agreed)
    assert (file.state, file.facts) == ("loaded", 2)
    assert await _statuses(intake) == {"P-1": "cured", "P-2": "open", "P-3": "open"}


async def test_an_unfinished_file_comes_first(intake, loader, night, tmp_path):
    await night(1, [row(1, late=500)])
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE tape_file SET state = 'loading'")
    with pytest.raises(FeedBusyError):
        await night(2, [row(1, late=500)])


async def test_a_file_of_the_future_is_refused(night):
    file = await night(1, [row(1, late=50)], business_date=(DAY + timedelta(days=5)).isoformat())
    assert [reason.partition(":")[0] for reason in file.reasons] == ["future_business_date"]
