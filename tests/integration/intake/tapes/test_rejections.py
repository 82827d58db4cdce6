"""Refused rows: reported with their field, readable by name only, mended by a repair file; neighbours are processed."""

import pytest

from services.intake.store import tape_files
from services.intake.tapes.loading import Loader
from services.intake.tapes.rejected import rejected_rows
from tests.unit.intake.facts import due, payment
from tests.unit.intake.tapes.tapes import manifest, released, row, write
from tests.unit.intake.tapes.test_understanding import BAD

TOLERANT = {"refused_per_mille": 1000, "totals": "none"}


@pytest.fixture
def loader(intake):
    return Loader(intake.database, intake.folding, intake.sealer, facts_per_transaction=3)


@pytest.fixture
def load(loader, tmp_path):
    async def load(name, rows, **given):
        path = write(tmp_path, name, "csv", rows)
        return await loader.load(path, manifest(path, rows, totals=[], **given), released(**TOLERANT))

    return load


async def _report(intake, file, **given):
    return [one async for one in rejected_rows(intake.database, intake.sealer, file, **given)]


async def test_a_file_with_every_kind_of_bad_row(intake, loader, tmp_path):
    """Beside the rows of `BAD`: a repeated loan, bytes that are no text, NUL, and a line with too few columns."""
    rows = []
    for number, (changes, _) in enumerate(BAD.values()):
        rows += [row(2 * number + 100, late=50) | changes, row(2 * number + 101, late=50)]
    rows += [row(1, late=5), row(2, late=5, creditor="##"), row(3, late=5, party="P#3"), row(1, late=6), row(4, late=5)]
    path = write(tmp_path, "bad.csv", "csv", rows)
    content = path.read_bytes().replace(b"##", b"\xff\xfe").replace(b"P#3", b"P\x003")
    path.write_bytes(content + b"L-5,P-5,CNY\n")
    told = manifest(path, []).model_copy(update={"rows": len(rows) + 1})
    file = await loader.load(path, told, released(**TOLERANT))
    good = len(BAD) + 1
    assert (file.state, file.facts, file.refused_rows) == ("loaded", good, len(rows) + 1 - good)
    found = {one.number: (one.field, one.reason) for one in await _report(intake, file)}
    expected = {2 * number + 1: refusal for number, (_, refusal) in enumerate(BAD.values())}
    n = 2 * len(BAD)
    expected |= {
        n + 1: ("loan_ref", "repeated_loan"), n + 2: ("creditor", "wrong_encoding"), n + 3: ("party_ref", "nul_byte"),
        n + 4: ("loan_ref", "repeated_loan"), n + 6: ("row", "wrong_columns"),
    }  # fmt: skip
    assert found == expected
    assert len(await intake.fetch("SELECT FROM case_file")) == good


async def test_originals_are_masked_unless_somebody_reads_them_by_name(intake, load):
    file = await load("t.csv", [row(1, late=5, ccy="XXX"), row(2, late=5)])
    (masked,) = await _report(intake, file)
    assert masked.original.startswith("x-9,x-9,xxx,9999.99")
    (clear,) = await _report(intake, file, in_clear_for="ada")
    assert clear.original.startswith("L-1,P-1,XXX,1000.00")
    assert [tuple(one) for one in await intake.fetch("SELECT caller, rows FROM tape_reading")] == [("ada", 1)]


async def test_a_repair_replaces_rows_as_of_the_watermark_of_their_file(intake, load):
    file = await load("t.csv", [row(1, late=5, ccy="XXX"), row(2, late=5), row(3, late=5, product="Q")])
    await intake.tell(payment(150, 500, due(9, 500, 500), loan="L-1", party="P-1", balance=0))
    repair = await load("r.csv", [row(3, late=5), row(1, late=5)], repairs={"sha256": file.sha256, "rows": [3, 1]})
    assert (repair.state, repair.facts, repair.repairs) == ("loaded", 2, file.file_id)
    assert [(one.number, one.repaired, one.original) for one in await _report(intake, file)] == [
        (1, True, None), (3, True, None),
    ]  # fmt: skip
    cases = await intake.fetch(
        "SELECT a.party_ref, c.status FROM case_file c JOIN party_alias a USING (party_id) ORDER BY 1"
    )
    assert [tuple(one) for one in cases] == [("P-1", "cured"), ("P-2", "open"), ("P-3", "open")]
    second = await load("2.csv", [row(2, late=5), row(3, late=5), row(1, late=5)], sequence=2, core_sequence=200)
    assert second.facts == 1


@pytest.mark.parametrize(
    ("rows", "repairs", "code"),
    [
        ([row(2, late=5)], {"rows": [2]}, "row_not_open"),
        ([row(9, late=5)], {"rows": [1]}, "other_loan"),
        ([row(1, late=5)], {"rows": [1], "sha256": "0" * 64}, "unknown_original"),
        ([row(1, late=5)], {"rows": [1, 1]}, "rows_differ"),
    ],
)
async def test_repairs_that_mend_nothing(load, rows, repairs, code):
    file = await load("t.csv", [row(1, late=5, ccy="XXX"), row(2, late=5)])
    repair = await load("r.csv", rows, repairs={"sha256": file.sha256} | repairs)
    assert [reason.partition(":")[0] for reason in repair.reasons] == [code]


async def test_nobody_is_cured_while_a_row_names_no_loan(intake, load):
    await load("1.csv", [row(1, late=5), row(2, late=5), row(3, late=5)])
    file = await load("2.csv", [row(1, late=5), row(2, late=5), row(3, late=5, loan="?")], sequence=2, core_sequence=9)
    assert (file.state, file.nameless_rows, file.vanished) == ("loaded", 1, 0)
    assert "case.cured" not in await intake.types()


async def test_poison_stands_alone(intake, load, monkeypatch):
    """A fact that the fold cannot take is found by halving; the others are folded."""
    from services.intake.folding import Folding

    fold = Folding.fold

    async def poisoned(self, uow, events, parties):
        if any(event.data.loan_ref == "L-3" for event in events):
            raise ZeroDivisionError
        return await fold(self, uow, events, parties)

    monkeypatch.setattr(Folding, "fold", poisoned)
    file = await load("t.csv", [row(number, late=5) for number in range(6)])
    assert (file.state, file.facts) == ("loaded", 5)
    assert [(one.number, one.reason) for one in await _report(intake, file)] == [(4, "unprocessable")]


async def test_progress_of_another_loader_stops_this_one(intake, load, loader, monkeypatch):
    advance = tape_files.advance

    async def late(uow, file, before, after):
        await uow.sql.execute("UPDATE tape_file SET rows_done = 99")
        await advance(uow, file, before, after)

    monkeypatch.setattr(tape_files, "advance", late)
    with pytest.raises(tape_files.ProgressLostError):
        await load("t.csv", [row(1, late=5)])
    assert await intake.types() == []
