"""Which batches share a transaction, and what becomes of them when one fails."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import TopicPartition

from shared.messaging import joint_transactions
from shared.messaging.joint_transactions import MOST_RECORDS, WORTH_ONE, Batch, JointTransactions, Partition
from shared.messaging.records import Entry, KeptRecord, Verdict


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a transaction of a hundredth of a second takes longer than small batches wait for it."""
    monkeypatch.setattr(joint_transactions, "LONGEST_WAIT_SECONDS", 60)


class Transactions:
    """Notes which partitions shared a transaction; the transactions of poisoned partitions fail."""

    def __init__(self, *, slots: int = 1) -> None:
        self.began: list[list[int]] = []
        self.ran: list[list[int]] = []
        self.poisoned: set[int] = set()
        self.stuck: int | None = None
        self.most_at_once = 0
        self._at_once = 0
        self.joint = JointTransactions(self.transact, slots=asyncio.Semaphore(slots))

    async def transact(self, batches: Sequence[Batch]) -> None:
        numbers = [batch.partition.place.partition for batch in batches]
        self.began.append(numbers)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(60 if self.stuck in numbers else 0.01)
        self._at_once -= 1
        self.ran.append(numbers)
        if self.poisoned & set(numbers):
            raise ValueError(f"poison in {numbers}")


async def test_the_first_goes_alone_and_the_waiting_together() -> None:
    it = Transactions()
    await asyncio.gather(*(it.joint.run(batch(number)) for number in range(5)))
    assert it.ran == [[0], [1, 2, 3, 4]]


async def test_as_many_as_fit() -> None:
    it = Transactions()
    sizes = {0: 1, 1: MOST_RECORDS - 1, 2: 1, 3: 1}
    await asyncio.gather(*(it.joint.run(batch(number, size)) for number, size in sizes.items()))
    assert it.ran == [[0], [1, 2], [3]]


async def test_a_batch_larger_than_the_limit_goes_alone() -> None:
    it = Transactions()
    await asyncio.gather(it.joint.run(batch(0)), it.joint.run(batch(1, MOST_RECORDS + 1)), it.joint.run(batch(2)))
    assert it.ran == [[0], [1], [2]]


async def test_a_suspect_takes_nobody_along_and_goes_with_nobody() -> None:
    it = Transactions()
    runs = [it.joint.run(batch(0)), it.joint.run(batch(1), alone=True), it.joint.run(batch(2)), it.joint.run(batch(3))]
    await asyncio.gather(*runs)
    assert it.ran == [[0], [1], [2, 3]]


async def test_a_failure_in_company_is_tried_alone() -> None:
    it = Transactions()
    it.poisoned = {2}
    results = await asyncio.gather(*(it.joint.run(batch(number)) for number in range(4)), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), type(None), ValueError, type(None)]
    assert it.ran == [[0], [1, 2, 3], [1], [2], [3]]


async def test_who_is_taken_along_by_a_cancelled_one_tries_again() -> None:
    it = Transactions()
    it.stuck = 1
    tasks = [asyncio.create_task(it.joint.run(batch(number))) for number in range(3)]
    while it.began != [[0], [1, 2]]:  # noqa: ASYNC110 - a few turns of the loop
        await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert it.ran == [[0], [2]]
    assert tasks[2].exception() is None


async def test_who_gives_up_waiting_is_not_run() -> None:
    it = Transactions()
    first, second = (asyncio.create_task(it.joint.run(batch(number))) for number in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await first
    with pytest.raises(asyncio.CancelledError):
        await second
    assert it.ran == [[0]]


async def test_slots_bound_what_runs_at_once() -> None:
    it = Transactions(slots=2)
    await asyncio.gather(*(it.joint.run(batch(number, WORTH_ONE)) for number in range(5)))
    assert it.ran == [[0], [1], [2, 3, 4]]


async def test_small_batches_wait_for_company_while_one_runs() -> None:
    it = Transactions(slots=3)
    await asyncio.gather(*(it.joint.run(batch(number)) for number in range(5)))
    assert it.ran == [[0], [1, 2, 3, 4]]
    assert it.most_at_once == 1


async def test_a_large_batch_goes_beside_a_small_one() -> None:
    it = Transactions(slots=3)
    await asyncio.gather(it.joint.run(batch(0)), it.joint.run(batch(1)), it.joint.run(batch(2, WORTH_ONE)))
    assert it.ran == [[0], [1, 2]]
    assert it.most_at_once == 2


async def test_a_stuck_transaction_keeps_small_batches_waiting_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joint_transactions, "LONGEST_WAIT_SECONDS", 0.05)
    it = Transactions(slots=3)
    it.stuck = 0
    stuck = asyncio.create_task(it.joint.run(batch(0)))
    await asyncio.gather(*(it.joint.run(batch(number)) for number in range(1, 3)))
    assert not stuck.done()
    stuck.cancel()


def batch(number: int, size: int = 1) -> Batch:
    record = KeptRecord(number, 0, 0, None, None, [])
    entry = Entry("case", record, Verdict.SKIP, "x", None)
    return Batch(Partition(TopicPartition("case", number), "case", 0, 0), [entry] * size, size)
