"""Reads topic `case` as the oracle does, beside the service that writes it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events.topics import PARTITIONS


@dataclass
class CaseWatch:
    """What has been published, in the order of each partition."""

    options: dict[str, Any]
    topic: str
    sequences: dict[str, list[int]] = field(default_factory=dict)
    """Sequences by case, in order of offset; repeated records (relay after a crash) would show."""
    overdue: dict[str, int] = field(default_factory=dict)
    """Last overdue amount by loan reference."""
    received_at: dict[str, float] = field(default_factory=dict)
    """Monotonic seconds at which the first effect of an event was read, by the event's id."""
    opened: int = 0
    records: int = 0
    last_written_ms: int = 0

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(**self.options, enable_auto_commit=False, auto_offset_reset="earliest")
        await self._consumer.start()
        self._consumer.assign([TopicPartition(self.topic, number) for number in range(PARTITIONS)])
        await self._consumer.seek_to_beginning()
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()

    async def wait_for(self, records: int, *, seconds: float) -> None:
        """Until so many case events were read. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while self.records < records:
                if self._task.done():
                    await self._task
                await asyncio.sleep(0.02)

    async def _read(self) -> None:
        while True:
            fetched = await self._consumer.getmany(timeout_ms=100, max_records=2_000)
            now = time.perf_counter()
            for records in fetched.values():
                for record in records:
                    self._note(record, now)

    def _note(self, record: Any, now: float) -> None:
        headers = dict(record.headers)
        name = headers["ce_type"]
        # What happens next is chosen by itself, a little after the case is told.
        if not name.startswith(b"case.") or name == b"case.action_chosen":
            return
        self.records += 1
        self.last_written_ms = max(self.last_written_ms, record.timestamp)
        self.sequences.setdefault(headers["ce_aggregateid"].decode(), []).append(int(headers["ce_sequence"]))
        self.received_at.setdefault(headers["ce_causationid"].decode(), now)
        if name in (b"case.opened", b"case.updated"):
            self.opened += name == b"case.opened"
            for loan in json.loads(record.value)["loans"]:
                self.overdue[loan["loan_ref"]] = loan["overdue"]["amount_minor"]
