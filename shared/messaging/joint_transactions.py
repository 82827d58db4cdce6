"""Batches of several partitions in one transaction, whenever they wait at the same time.

A transaction costs as much as handling some fifty events. With few events per partition, one transaction for each would
be most of the work; who comes first therefore takes along what waits behind it, and a small batch does not begin beside
another transaction of small ones: it waits for company meanwhile (Nagle's algorithm, RFC 896). A batch that fails in
company is tried again alone, so that no partition answers for another's records.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiokafka import TopicPartition

from shared.messaging.records import Entry

MOST_RECORDS = 1_000
WORTH_ONE = 250
"""Records of a batch that are worth a transaction beside others."""
LONGEST_WAIT_SECONDS = 0.5


@dataclass(slots=True)
class Partition:
    """One assigned partition. `position` stands in PostgreSQL; `read_to` may be ahead by records without effect."""

    place: TopicPartition
    topic: str
    position: int
    read_to: int
    last_timestamp_ms: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def last_read_at(self) -> datetime | None:
        """Kafka's time of the last record read."""
        return datetime.fromtimestamp(self.last_timestamp_ms / 1000, UTC) if self.last_timestamp_ms else None


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of one partition in offset order, and the position after them."""

    partition: Partition
    entries: Sequence[Entry]
    upto: int


@dataclass(slots=True, eq=False)
class _Waiting:
    batch: Batch
    alone: bool
    done: asyncio.Future[bool]
    """True: committed. False: whoever took it along was cancelled, so it is to be tried again."""

    def settle(self, *, committed: bool) -> None:
        if not self.done.done():
            self.done.set_result(committed)

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # its owner may be gone; then nobody asks


class JointTransactions:
    """Runs batches of one topic; at most one batch per partition at a time. `slots` bounds the transactions in flight.

    `transact` runs one transaction over the batches it gets, and has moved their positions when it returns.
    """

    def __init__(self, transact: Callable[[Sequence[Batch]], Awaitable[None]], *, slots: asyncio.Semaphore) -> None:
        self._transact = transact
        self._slots = slots
        self._queue: list[_Waiting] = []
        self._small = asyncio.Lock()

    async def run(self, batch: Batch, *, alone: bool = False) -> None:
        """Return when `batch` is committed. Raises what failed when it was alone in its transaction.

        `alone`: it has failed before, and would only make others do their work twice.
        """
        while True:
            waiting = _Waiting(batch, alone, asyncio.get_running_loop().create_future())
            self._queue.append(waiting)
            try:
                async with self._turn(batch), self._slots:
                    if waiting in self._queue:
                        await self._run_together(self._take())
                if await waiting.done:
                    return
            finally:
                if waiting in self._queue:
                    self._queue.remove(waiting)

    @asynccontextmanager
    async def _turn(self, batch: Batch) -> AsyncIterator[None]:
        """A small batch's wait for company: while others' transaction runs, but not for one that is stuck."""
        async with AsyncExitStack() as turn:
            if len(batch.entries) < WORTH_ONE:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                        await turn.enter_async_context(self._small)
            yield

    def _take(self) -> list[_Waiting]:
        """The first of the queue, and those after it that fit into its transaction."""
        taken = [self._queue.pop(0)]
        records = len(taken[0].batch.entries)
        while self._queue and not taken[0].alone and not self._queue[0].alone:
            records += len(self._queue[0].batch.entries)
            if records > MOST_RECORDS:
                break
            taken.append(self._queue.pop(0))
        return taken

    async def _run_together(self, taken: Sequence[_Waiting]) -> None:
        try:
            if len(taken) > 1 and await self._succeeds([waiting.batch for waiting in taken]):
                for waiting in taken:
                    waiting.settle(committed=True)
                return
            for waiting in taken:
                await self._run_alone(waiting)
        finally:
            for waiting in taken:
                waiting.settle(committed=False)

    async def _succeeds(self, batches: Sequence[Batch]) -> bool:
        try:
            await self._transact(batches)
        except Exception:  # whose fault it is shows when each is alone
            return False
        return True

    async def _run_alone(self, waiting: _Waiting) -> None:
        try:
            await self._transact([waiting.batch])
        except Exception as error:  # its owner decides
            waiting.fail(error)
        else:
            waiting.settle(committed=True)
