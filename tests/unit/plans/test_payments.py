"""FIFO matching: money is neither made nor lost, whatever is paid and reversed."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.plans.domain.affordability import Affordability, solve
from services.plans.domain.payments import Payment, allocate, paid_minor
from shared.events.plan import Instalment
from shared.money import Money

LOAN = UUID(int=7)


def instalments(debt: int, monthly: int) -> tuple[Instalment, ...]:
    surplus = Money(amount_minor=monthly, currency="CNY")
    result = Affordability(protected_minimum=surplus, surplus=surplus, table_id="t")
    return solve(Money(amount_minor=debt, currency="CNY"), result, wished=None, start=date(2026, 1, 1)).instalments


def payment(position: int, amount: int, *, is_reversed: bool = False) -> Payment:
    return Payment(
        transaction_ref=f"t{position}", loan_id=LOAN, amount_minor=amount, position=position, reversed=is_reversed
    )


def test_oldest_instalment_first() -> None:
    result = allocate(instalments(300, 100), [payment(1, 150), payment(2, 60)])
    assert [(a.matched_minor, a.instalments) for a in result] == [(150, (1, 2)), (60, (2, 3))]


def test_overpayment_is_not_the_plans() -> None:
    assert allocate(instalments(100, 50), [payment(1, 130)])[0].matched_minor == 100


def test_reversal_moves_later_payments_forward() -> None:
    result = allocate(instalments(300, 100), [payment(1, 100, is_reversed=True), payment(2, 100)])
    assert [(a.matched_minor, a.instalments) for a in result] == [(0, ()), (100, (1,))]


@given(
    debt=st.integers(1, 10_000),
    monthly=st.integers(170, 5_000),
    paid=st.lists(st.tuples(st.integers(1, 5_000), st.booleans()), max_size=12),
)
def test_matched_is_what_stands_up_to_the_total(debt: int, monthly: int, paid: list[tuple[int, bool]]) -> None:
    schedule = instalments(debt, monthly)
    payments = [payment(i, amount, is_reversed=gone) for i, (amount, gone) in enumerate(paid)]
    standing = sum(amount for amount, gone in paid if not gone)
    assert paid_minor(schedule, payments) == min(standing, debt)
    touched = [number for a in allocate(schedule, payments) for number in a.instalments]
    assert touched == sorted(touched)
