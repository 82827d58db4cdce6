"""The core's control totals of a closed day: what differs is named and stands until a close agrees."""

from datetime import timedelta

import pytest

from services.intake.ageing import DayClose
from services.intake.control_totals import CompareTotals
from services.intake.store import feed_suspensions
from tests.integration.intake.conftest import Service, carry_out
from tests.unit.intake.facts import DAY, day_closed, due, overdue, payment


async def close(intake: Service, *, loans: int, total: int, day=DAY, next_day=(), suspends: bool = False) -> None:
    """The core closes `day` with its totals, and tells of the next one before ours are summed."""
    closed = day_closed(day).model_copy(update={"open_loans": loans, "overdue_total": {"CNY": total}})
    await intake.tell(closed)
    await carry_out(intake, DayClose(intake.folding))
    if next_day:
        await intake.tell(*next_day)
    intake.clock.real += timedelta(seconds=61)
    assert await carry_out(intake, CompareTotals(intake.folding.policy, suspends=suspends)) == 1


async def differing(intake: Service, *, standing: str = "true") -> list[tuple[str, int, int]]:
    async with intake.api() as api:
        answer = await api.get("/v1/reconciliations/total-differences", params={"standing": standing})
    return [(one["field"], one["ours"], one["cores"]) for one in answer.json()["items"]]


@pytest.fixture
async def owed(intake) -> int:
    """Two people are late; how much both owe."""
    await intake.tell(overdue(1), overdue(1, party="P-2", loan="L-2"))
    rows = await intake.fetch("SELECT overdue_minor::jsonb -> 0 ->> 1 FROM case_file")
    return sum(int(row[0]) for row in rows)


async def test_what_differs_is_named_and_a_close_that_agrees_ends_it(intake, owed):
    await close(intake, loans=3, total=owed + 700)
    assert sorted(await differing(intake)) == [("open_loans", 2, 3), ("overdue_total.CNY", owed, owed + 700)]
    await close(intake, loans=2, total=owed + 700, day=DAY + timedelta(days=1))
    assert await differing(intake) == [("overdue_total.CNY", owed, owed + 700)]
    await close(intake, loans=2, total=owed, day=DAY + timedelta(days=2))
    assert await differing(intake) == []
    assert len(await differing(intake, standing="false")) == 2


async def test_money_of_the_next_day_does_not_count(intake, owed):
    tomorrow = DAY + timedelta(days=1)
    paid = payment(2, 500, due(33, 500, 500), business_date=tomorrow, value_date=tomorrow)
    await close(intake, loans=2, total=owed, next_day=[paid])
    assert sorted(row[0] for row in await intake.fetch("SELECT status FROM case_file")) == ["cured", "open"]
    assert await differing(intake) == []


async def test_without_books_to_compare_too_much_suspends_the_core(intake):
    await intake.tell(*(overdue(1, party=f"P-{number}", loan=f"L-{number}") for number in range(1, 13)))
    await close(intake, loans=13, total=1, suspends=True)
    async with intake.database.read_only() as uow:
        assert await feed_suspensions.standing(uow) == {"core-a": "books_differ"}
    rows = await intake.fetch("SELECT sum((overdue_minor::jsonb -> 0 ->> 1)::bigint)::bigint FROM case_file")
    await close(intake, loans=12, total=rows[0][0], day=DAY + timedelta(days=1), suspends=True)
    async with intake.database.read_only() as uow:
        assert await feed_suspensions.standing(uow) == {}


async def test_a_case_whose_past_is_not_known_is_not_compared_at_all(intake, owed):
    tomorrow = DAY + timedelta(days=1)
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("DELETE FROM loan_fact")
    await close(intake, loans=9, total=1, next_day=[payment(2, 100, business_date=tomorrow)])
    assert await differing(intake) == []
