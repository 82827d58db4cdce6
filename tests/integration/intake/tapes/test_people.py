"""Tapes of people: cards sealed per person, exactly once, behind what a core says live, and of strangers nothing."""

from datetime import date

import pytest

from services.intake.store import cards
from services.intake.store.erasing import erase
from services.intake.tapes.applying import Applying
from services.intake.tapes.loading import Loader
from services.intake.tapes.rejected import rejected_rows
from tests.unit.intake.facts import due, overdue
from tests.unit.intake.facts import person as told_live
from tests.unit.intake.tapes.people import people_manifest, people_released, person, write_people

BORN = date(1980, 5, 1)


@pytest.fixture
def loader(intake):
    return Loader(intake.database, intake.folding, intake.sealer, facts_per_transaction=2)


@pytest.fixture
def night(loader, tmp_path):
    """Loads rows as the file of a night."""

    async def load(number, rows, *, agreed=None, **given):
        path = write_people(tmp_path, f"{number}.csv", "csv", rows)
        given = {"sequence": number, "core_sequence": 100 * number, **given}
        return await loader.load(path, people_manifest(path, rows, **given), people_released(**(agreed or {})))

    return load


async def _cards(intake):
    async with intake.database.read_only() as uow:
        references = dict(await uow.sql.fetch("SELECT party_id, party_ref FROM party_alias"))
        known = await cards.load(uow, intake.folding.cipher, list(references))
    return {references[party_id]: card for party_id, card in known.items()}


async def test_a_row_becomes_a_sealed_card_that_name_and_birthday_find(intake, night):
    file = await night(1, [person(number) for number in range(1, 6)])
    assert (file.state, file.total_rows, file.facts, file.refused_rows) == ("loaded", 5, 5, 0)
    found = await _cards(intake)
    assert (found["P-3"].name, found["P-3"].born_on) == ("王小明3", BORN)
    assert [one.kind for one in found["P-3"].contacts] == ["mobile", "home"]
    async with intake.database.read_only() as uow:
        assert len(await cards.find_by_name(uow, intake.folding.cipher, "王 小明3", BORN, limit=5)) == 1
    kept = await intake.fetch("SELECT t::text || coalesce(p.profile, '') FROM tape_person t, person p")
    assert not any("王小明" in text or BORN.isoformat() in text for (text,) in kept)


async def test_second_night_only_whose_data_changed(intake, night):
    await night(1, [person(1), person(2), person(3)])
    second = await night(2, [person(1), person(2, mobile="+86 139 1111 2222"), person(4)])
    assert second.facts == 2
    assert (await _cards(intake))["P-2"].mobiles == ("+8613911112222",)
    assert "P-3" in await _cards(intake), "from silence nothing is concluded about a person"


async def test_a_later_live_word_stays_on_top_until_a_later_tape_says_otherwise(intake, night):
    await night(1, [person(1)])
    await intake.tell(told_live(150, party="P-1"))
    live = (await _cards(intake))["P-1"]
    stale = await night(2, [person(1, name="旧名")], core_sequence=120)
    assert (stale.state, (await _cards(intake))["P-1"]) == ("loaded", live)
    later = await night(3, [person(1, name="旧名")])
    assert (later.facts, (await _cards(intake))["P-1"].name) == (1, "旧名")
    assert (await night(4, [person(1, name="旧名")])).facts == 0


async def test_of_customers_without_a_late_loan_nothing_is_kept(intake, night):
    await intake.tell(overdue(5, due(9, 500), loan="L-1", party="P-1"))
    rows = [person(1), person(2), person(3)]
    assert (await night(1, rows, agreed={"population": "all"})).facts == 1
    for table in ("tape_person", "party_alias"):
        assert [row[0] for row in await intake.fetch(f"SELECT party_ref FROM {table}")] == ["P-1"]
    await intake.tell(overdue(6, due(9, 500), loan="L-2", party="P-2"))
    assert (await night(2, rows, agreed={"population": "all"})).facts == 1
    assert set(await _cards(intake)) == {"P-1", "P-2"}


async def test_refused_rows_are_reported_and_mended(intake, night):
    tolerant = {"refused_per_mille": 1000}
    rows = [person(1, born="1980-13-01"), person(2), person(3), person(3), person(4, zone="Mars")]
    file = await night(1, rows, agreed=tolerant)
    report = [one async for one in rejected_rows(intake.database, intake.sealer, file)]
    assert [(one.number, one.field, one.reason) for one in report] == [
        (1, "born_on", "not_a_date"), (3, "party_ref", "repeated_person"), (4, "party_ref", "repeated_person"),
        (5, "time_zone", "unknown_time_zone"),
    ]  # fmt: skip
    assert "王" not in report[0].original
    other = await night(1, [person(9)], agreed=tolerant, repairs={"sha256": file.sha256, "rows": [1]})
    assert [reason.partition(":")[0] for reason in other.reasons] == ["other_person"]
    mended = await night(1, [person(1)], agreed=tolerant, repairs={"sha256": file.sha256, "rows": [1]})
    assert (mended.state, mended.facts) == ("loaded", 1)
    assert (await _cards(intake))["P-1"].born_on == BORN


async def test_wrong_counts_refuse_the_file_before_its_first_effect(intake, night):
    file = await night(1, [person(1), person(2)], counts={"name": 2, "born_on": 9})
    assert file.state == "refused"
    assert [reason for reason in file.reasons if "born_on" in reason] == [
        "totals_differ: born_on is filled in 2 rows, the manifest says 9"
    ]
    assert await _cards(intake) == {}


async def test_an_interrupted_load_goes_on_behind_its_last_commit(intake, night, monkeypatch):
    rows, commit, begun = [person(number) for number in range(7)], Applying._commit, []

    async def killed(self, part):
        if len(begun) == 2:
            raise KeyboardInterrupt
        begun.append(part)
        await commit(self, part)

    monkeypatch.setattr(Applying, "_commit", killed)
    with pytest.raises(KeyboardInterrupt):
        await night(1, rows)
    monkeypatch.setattr(Applying, "_commit", commit)
    file = await night(1, rows)
    assert (file.state, file.facts, len(await _cards(intake))) == ("loaded", 7, 7)


async def test_an_erased_person_leaves_the_tapes(intake, night):
    await night(1, [person(1), person(2)])
    async with intake.database.unit_of_work() as uow:
        party_id = await uow.sql.fetchval("SELECT party_id FROM party_alias WHERE party_ref = 'P-1'")
        await erase(uow, intake.folding.cipher, [party_id])
    assert [row[0] for row in await intake.fetch("SELECT party_ref FROM tape_person")] == ["P-2"]
