"""Which rows of a tape say something new."""

from datetime import timedelta

import pytest

from services.intake.tapes.contract import read_contract
from services.intake.tapes.rows import fingerprints
from tests.unit.intake.tapes.tapes import DAY, contract_text, row, write

_COUNTING = read_contract(contract_text().replace(b"[[due_item]]", b'core_dpd = "seq"\n[[due_item]]', 1))


def digests(folder, days_past_due: int, *, nights: int = 0) -> list[str]:
    path = write(folder, f"{days_past_due}-{nights}.csv", "csv", [row(1, late=500, seq=str(days_past_due))])
    return [
        one
        for sheet in fingerprints(path, _COUNTING, b"key", DAY + timedelta(days=nights), after=0)
        for one in sheet.digests
    ]


@pytest.mark.parametrize(("days_past_due", "is_same"), [(10, True), (9, False), (11, False), (0, False)])
def test_days_that_grow_with_the_calendar_are_nothing_new(tmp_path, days_past_due, is_same):
    assert (digests(tmp_path, days_past_due, nights=1) == digests(tmp_path, 9)) is is_same


def test_a_loan_that_is_not_late_stays_the_same_every_night(tmp_path):
    assert digests(tmp_path, 0) == digests(tmp_path, 0, nights=1)
