"""Figures of the whole portfolio, from sums that every transaction keeps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.intake.domain.rolling import Amount, Cell, matrix
from services.intake.portfolio_schemas import (
    BucketSum,
    CurrencyBuckets,
    CurrencyRolls,
    Portfolio,
    RollMatrix,
    RollRow,
)
from services.intake.store import days, portfolio
from shared.database import Database
from shared.security.callers import scope

_READ = [Depends(scope("intake.read"))]
_LAST_MONTH = 999_912


def portfolio_router(database: Database) -> APIRouter:
    """`GET /v1/portfolio` and `GET /v1/portfolio/rolls`."""
    router = APIRouter(prefix="/v1/portfolio", tags=["portfolio"], dependencies=_READ)

    @router.get("", summary="Loans by bucket")
    async def read_portfolio() -> Portfolio:
        """Counts and sums per currency, in one read however large the portfolio is."""
        async with database.read_only() as uow:
            stock = await portfolio.stock(uow, until=_LAST_MONTH)
            heard_up_to, read_at = await days.read_up_to(uow), uow.real_now
        return Portfolio(
            currencies=[
                CurrencyBuckets(currency=currency, buckets=[_sum(state, states[state]) for state in sorted(states)])
                for currency, states in sorted(stock.items())
            ],
            read_at=read_at,
            heard_up_to=heard_up_to,
            age_seconds=_age_seconds(heard_up_to, read_at),
        )

    @router.get("/rolls", summary="Roll rates of a month")
    async def read_rolls(
        month: Annotated[
            str, Query(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", description="The month.", examples=["2026-03"])
        ],
    ) -> RollMatrix:
        """Of the loans in each state at the month's beginning: where they stand now. With the exits it sums to 1."""
        number = int(month.replace("-", ""))
        async with database.read_only() as uow:
            stock = await portfolio.stock(uow, until=number - 1)
            moved = await portfolio.moved(uow, number)
            heard_up_to, read_at = await days.read_up_to(uow), uow.real_now
        currencies = sorted({*stock, *(cell.currency for cell in moved)})
        return RollMatrix(
            month=month,
            currencies=[_rolls(currency, stock.get(currency, {}), moved) for currency in currencies],
            read_at=read_at,
            heard_up_to=heard_up_to,
            age_seconds=_age_seconds(heard_up_to, read_at),
        )

    return router


def _age_seconds(heard_up_to: datetime | None, read_at: datetime) -> float | None:
    return None if heard_up_to is None else max(0.0, (read_at - heard_up_to).total_seconds())


def _sum(state: str, amount: Amount) -> BucketSum:
    return BucketSum(state=state, loans=amount.loans, overdue_minor=amount.overdue_minor)


def _rolls(currency: str, stock: Mapping[str, Amount], moved: Mapping[Cell, Amount]) -> CurrencyRolls:
    ours = {cell: amount.loans for cell, amount in moved.items() if cell.currency == currency}
    moves = {(cell.opening, cell.state): loans for cell, loans in ours.items() if cell.measure == "move"}
    rolls = matrix({state: amount.loans for state, amount in stock.items()}, moves)
    return CurrencyRolls(
        currency=currency,
        rows=[
            RollRow(opening=roll.opening, loans=roll.loans, ended_in=roll.ended_in, rates=roll.rates, **roll.directions)
            for roll in rolls
        ],
        redefaults=sum(loans for cell, loans in ours.items() if cell.measure == "redefault"),
    )
