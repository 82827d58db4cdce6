"""Cells of an export."""

import pytest

from services.intake.case_export import decimal_text


@pytest.mark.parametrize(
    ("minor", "currency", "text"), [(125_000, "CNY", "1250.00"), (5, "JPY", "5"), (5, "KWD", "0.005")]
)
def test_amounts_have_the_decimals_of_their_currency(minor: int, currency: str, text: str) -> None:
    assert decimal_text(minor, currency) == text
