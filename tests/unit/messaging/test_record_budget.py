"""How much may be in memory at once."""

import asyncio

from shared.messaging.partition_reader import RecordBudget


async def test_batches_wait_until_the_budget_allows_them():
    budget, order = RecordBudget(10), []

    async def batch(name, records, hold):
        async with budget.taking(records):
            order.append(name)
            await hold.wait()

    first, second = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(batch("first", 7, first))
        await asyncio.sleep(0)
        group.create_task(batch("second", 7, second))
        await asyncio.sleep(0.01)
        assert order == ["first"]
        first.set()
        second.set()
    assert order == ["first", "second"]


async def test_a_batch_larger_than_the_budget_goes_alone():
    budget = RecordBudget(10)
    async with asyncio.timeout(30), budget.taking(500):
        pass
    async with asyncio.timeout(30), budget.taking(10):
        pass


async def test_a_failed_batch_gives_its_share_back():
    budget = RecordBudget(10)
    for _ in range(2):
        try:
            async with budget.taking(10):
                raise ValueError
        except ValueError:
            continue
    async with asyncio.timeout(30), budget.taking(10):
        pass
