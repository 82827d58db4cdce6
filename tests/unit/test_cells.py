"""Cells of files that people open in a spreadsheet."""

import pytest

from cli.attached import printable
from shared.cells import safe_cell


@pytest.mark.parametrize("text", ["=1+1", "+86", "-core", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


def test_other_cells_are_as_they_are() -> None:
    assert [safe_cell(text) for text in ("", "core-a", "12.50")] == ["", "core-a", "12.50"]


def test_a_row_of_a_bank_moves_no_cursor() -> None:
    assert printable("张三,\x1b[2J\u202eL-1") == r"张三,\x1b[2J\u202eL-1"
