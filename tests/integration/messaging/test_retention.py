"""What the tables need not keep is forgotten, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.database import UnitOfWork
from shared.messaging import outbox
from shared.messaging.retention import INBOX_KEPT, Kept, Retention


async def test_old_inbox_rows_are_forgotten(bench: Any, record: Any, party: UUID, pulse: Any) -> None:
    plans = await bench()
    old, young = record(party, 1, offset=0), record(party, 2, offset=1)
    await plans.feed([old.record, young.record])
    await age(plans, "inbox", "recorded_at", old.id, INBOX_KEPT)
    await Retention(plans.database, pulse=pulse).trim_once()
    assert list(await plans.outcomes()) == [young.id]


async def test_an_event_that_is_not_acknowledged_is_kept(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    await plans.feed([record(party, 1, value=b"{}").record])  # its burial is announced
    assert await trim_outbox(plans) == 0
    async with plans.database.unit_of_work() as uow:
        await uow.sql.execute("DELETE FROM outbox_pending")
    assert await trim_outbox(plans) > 0
    assert await plans.emitted() == []


async def test_others_are_trimmed_by_their_own_period(bench: Any, pulse: Any) -> None:
    plans = await bench()
    asked: list[timedelta] = []

    async def trim(uow: UnitOfWork, *, before: datetime, limit: int) -> int:
        asked.append(uow.real_now - before)
        return limit if len(asked) == 1 else 0

    retention = Retention(plans.database, pulse=pulse, others=[Kept(trim, timedelta(days=3))])
    assert [await retention.trim_once(), await retention.trim_once()] == [True, False]
    assert asked == [timedelta(days=3)] * 2


async def trim_outbox(plans: Any) -> int:
    async with plans.database.unit_of_work() as uow:
        return await outbox.trim(uow, before=uow.real_now + timedelta(hours=1), limit=100)


async def age(plans: Any, table: str, column: str, event_id: str, period: timedelta) -> None:
    async with plans.database.unit_of_work() as uow:
        await uow.sql.execute(
            f"UPDATE {table} SET {column} = {column} - $1::interval WHERE event_id = $2",
            period + timedelta(hours=1),
            event_id,
        )
