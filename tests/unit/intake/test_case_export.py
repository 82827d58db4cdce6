"""Cells of an export."""

import pytest

from services.intake.case_export import decimal_text, safe_cell


@pytest.mark.parametrize("text", ["=1+1", "+86", "-core", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


def test_other_cells_are_as_they_are() -> None:
    assert [safe_cell(text) for text in ("", "core-a", "12.50")] == ["", "core-a", "12.50"]


@pytest.mark.parametrize(
    ("minor", "currency", "text"), [(125_000, "CNY", "1250.00"), (5, "JPY", "5"), (5, "KWD", "0.005")]
)
def test_amounts_have_the_decimals_of_their_currency(minor: int, currency: str, text: str) -> None:
    assert decimal_text(minor, currency) == text
