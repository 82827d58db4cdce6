"""The portfolio's figures: sums that every transaction keeps, equal to a recount."""

import asyncio
from datetime import timedelta
from uuid import uuid4

from services.intake.store import portfolio
from shared.events.compliance import PartyErased
from tests.integration.intake.conftest import NOW
from tests.integration.intake.test_api import item, post
from tests.unit.intake.facts import DAY, due, overdue, payment, sold


async def sums(intake):
    async with intake.database.read_only() as uow:
        stock = await portfolio.stock(uow, until=999_912)
    return {(state, amount.loans, amount.overdue_minor) for state, amount in stock["CNY"].items()}


async def recount(intake):
    rows = await intake.fetch(
        "SELECT place::json ->> 2, count(*), sum((place::json ->> 3)::bigint)::bigint FROM loan GROUP BY 1"
    )
    return set(map(tuple, rows))


async def test_the_sums_equal_a_recount_before_and_after_gathering(intake):
    await intake.tell(overdue(1), overdue(2, due(40, 700), loan="L-2"), overdue(3, party="P-2"))
    await intake.tell(payment(4, 500, due(10, 500, 500)), sold(5, loan="L-2"))
    assert await sums(intake) == await recount(intake) == {("current", 1, 0), ("sold", 1, 0), ("B1", 1, 500)}
    async with intake.database.unit_of_work() as uow:
        await portfolio.gather(uow)
        await portfolio.gather(uow)
    assert await sums(intake) == await recount(intake)


async def test_each_change_of_bucket_is_kept(intake):
    await intake.tell(overdue(1), overdue(2, due(10, 400)))
    await intake.tell(overdue(3, due(40, 400), business_date=DAY + timedelta(days=1)))
    history = await intake.fetch("SELECT before, state, as_of FROM bucket_change ORDER BY change_id")
    assert list(map(tuple, history)) == [("new", "B1", DAY), ("B1", "B2", DAY + timedelta(days=1))]


async def test_who_is_erased_leaves_the_sums(intake):
    await intake.tell(overdue(1), overdue(2, party="P-2"))
    party = (await intake.fetch("SELECT party_id FROM party_alias WHERE party_ref = 'P-1'"))[0][0]
    erased = PartyErased(party_id=party, erasure_id=uuid4(), erased_at=NOW, complete_from=NOW + timedelta(days=90))
    await intake.hear(erased, topic="compliance")
    assert await sums(intake) == {("B1", 1, 500), ("erased", 1, 0)}
    assert len(await intake.fetch("SELECT 1 FROM bucket_change")) == 1


async def test_rolls_of_a_month_over_http(intake):
    await intake.tell(overdue(1, due(5, 500, day=DAY - timedelta(days=20)), business_date=DAY - timedelta(days=20)))
    await intake.tell(overdue(2, due(40, 900)), overdue(3, party="P-2"))
    async with intake.api() as api:
        answer = await api.get("/v1/portfolio/rolls", params={"month": "2026-03"})
    [rolls] = answer.json()["currencies"]
    assert [(row["opening"], row["ended_in"]) for row in rolls["rows"]] == [("B1", {"B2": 1}), ("new", {"B1": 1})]
    assert rolls["rows"][0]["forward"] == 1


async def test_buckets_over_http(intake):
    await intake.tell(overdue(1))
    async with intake.api() as api:
        [buckets] = (await api.get("/v1/portfolio")).json()["currencies"]
    assert buckets == {"currency": "CNY", "buckets": [{"state": "B1", "loans": 1, "overdue_minor": 500}]}


async def test_a_month_that_is_none_is_refused(intake):
    async with intake.api() as api:
        assert (await api.get("/v1/portfolio/rolls", params={"month": "2026-13"})).status_code == 422


# One statement, so that both sides are of one moment: what the sums say, and what the loans are.
_BOTH = """
SELECT 'kept' AS side, currency, state, sum(loans)::bigint AS loans, sum(overdue_minor)::bigint AS overdue_minor
FROM portfolio_entry WHERE measure = 'stock' GROUP BY 2, 3 HAVING sum(loans) <> 0
UNION ALL
SELECT 'counted', terms::json ->> 'currency', place::json ->> 2, count(*), sum((place::json ->> 3)::bigint)::bigint
FROM loan WHERE place IS NOT NULL GROUP BY 2, 3
"""


async def write(intake, api, writer):
    """Thirty batches of one writer: loans open, age, are paid, and are late again."""
    for step in range(30):
        facts = [
            overdue(step + 1, due(10 + 20 * (step % 5), 100 * (step % 3)), party=f"P-{writer}-{one}", loan=f"L-{one}")
            for one in range(3)
        ]
        assert {result["outcome"] for result in await post(api, *map(item, facts))} <= {"applied", "ignored"}


async def test_the_sums_equal_a_recount_at_any_moment_while_writers_write(intake):
    compared = 0
    async with intake.api() as api:
        writers = asyncio.gather(*(write(intake, api, writer) for writer in range(4)))
        while not writers.done():
            async with intake.database.unit_of_work() as uow:
                if compared % 3 == 0:
                    await portfolio.gather(uow)
            rows = await intake.fetch(_BOTH)
            sides = {side: {tuple(row)[1:] for row in rows if row["side"] == side} for side in ("kept", "counted")}
            assert sides["kept"] == sides["counted"]
            compared += 1
            await asyncio.sleep(0.01)
        await writers
    assert compared > 5
    assert sum(amount for _, amount, _ in await sums(intake)) == 12


async def test_the_figures_show_their_age(intake):
    await intake.tell(overdue(1))
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE consumer_position SET caught_up_to = $1", uow.real_now - timedelta(seconds=40))
    async with intake.api() as api:
        for path in ("/v1/portfolio", "/v1/portfolio/rolls?month=2026-03"):
            assert (await api.get(path)).json()["age_seconds"] == 40
