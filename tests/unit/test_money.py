from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.money import EXPONENTS, MAX_AMOUNT_MINOR, Money, parse_money

amounts = st.integers(-MAX_AMOUNT_MINOR // 2, MAX_AMOUNT_MINOR // 2)


@given(amounts, st.sampled_from(sorted(EXPONENTS)))
def test_decimal_text_round_trips(amount_minor: int, currency: str) -> None:
    text = str(Decimal(amount_minor).scaleb(-EXPONENTS[currency]))

    assert parse_money(text, currency) == Money(amount_minor=amount_minor, currency=currency)


@given(amounts, amounts)
def test_addition_and_subtraction_are_inverse(left: int, right: int) -> None:
    a, b = Money(amount_minor=left, currency="CNY"), Money(amount_minor=right, currency="CNY")

    assert a + b - b == a


@pytest.mark.parametrize(("text", "currency"), [("1.005", "CNY"), ("0.1", "JPY"), ("1.0005", "KWD"), ("NaN", "CNY")])
def test_inexact_amount_is_refused(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match="not exact"):
        parse_money(text, currency)


@pytest.mark.parametrize("text", ["", "12,50", "ten", "1e"])
def test_text_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a decimal"):
        parse_money(text, "CNY")


def test_unknown_currency_is_refused() -> None:
    with pytest.raises(ValidationError, match="unknown currency"):
        Money(amount_minor=1, currency="XXX")


def test_two_currencies_are_never_added() -> None:
    with pytest.raises(ValueError, match="cannot combine"):
        Money(amount_minor=1, currency="CNY") + Money(amount_minor=1, currency="TWD")


def test_a_float_is_no_amount() -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount_minor": 1.0, "currency": "CNY"})


@pytest.mark.parametrize(("amount", "currency", "text"), [(125_000, "CNY", "CNY 1,250.00"), (7, "JPY", "JPY 7")])
def test_text_form_uses_the_exponent(amount: int, currency: str, text: str) -> None:
    assert str(Money(amount_minor=amount, currency=currency)) == text
