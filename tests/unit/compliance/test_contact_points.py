"""One contact point has one form, however it is written."""

import pytest

from services.compliance.domain.contact_points import normalised


@pytest.mark.parametrize(
    "written", ["+86 138 0000 0000", "0086-138-0000-0000", "+86(138)00000000", "＋86 138 0000 0000"]
)
def test_a_number_is_its_digits(written: str) -> None:
    assert normalised(written) == "+8613800000000"


def test_an_e_mail_and_an_address_lose_case_and_gaps() -> None:
    assert normalised(" Ann@Example.COM ") == "ann@example.com"
    assert normalised("12, Long Road") == normalised("12 long road") == "12longroad"


def test_numbers_with_and_without_the_country_differ() -> None:
    assert normalised("138 0000 0000") != normalised("+86 138 0000 0000")
