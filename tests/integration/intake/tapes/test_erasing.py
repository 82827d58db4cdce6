"""Of an erased person tapes keep neither rows nor originals; others keep theirs."""

from services.intake.store.erasing import erase
from services.intake.tapes.loading import Loader
from tests.unit.intake.tapes.tapes import manifest, released, row, write


async def test_an_erased_person_leaves_the_tapes(intake, tmp_path):
    rows = [row(1, late=5), row(2, late=5), row(3, late=5, party="P-1", product="Q"), row(4, late=5, product="Q")]
    path = write(tmp_path, "t.csv", "csv", rows)
    loader = Loader(intake.database, intake.folding, intake.sealer)
    await loader.load(path, manifest(path, rows), released(refused_per_mille=1000))
    async with intake.database.unit_of_work() as uow:
        party_id = await uow.sql.fetchval("SELECT party_id FROM party_alias WHERE party_ref = 'P-1'")
        await erase(uow, intake.folding.cipher, [party_id])
    assert [one[0] for one in await intake.fetch("SELECT loan_ref FROM tape_loan")] == ["L-2"]
    assert [one[0] for one in await intake.fetch("SELECT loan_ref FROM tape_rejection")] == ["L-4"]
