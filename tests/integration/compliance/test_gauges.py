"""What is watched of compliance's tables is told by every process, however long ago it last did something."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from services.compliance.gauges import gauges, retired_timers
from services.compliance.reconciliation_desk import Reconciliation
from shared.messaging import NewIntent
from shared.messaging.gauges import Gauges
from shared.messaging.liveness import Pulse
from shared.messaging.worker import Worker
from shared.telemetry import metrics
from tests.integration.compliance.conftest import Desk
from tests.integration.compliance.test_complaints import complain


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Every gauge set in the test, by name and label values."""
    values: dict[str, float] = {}

    def gauge(name: str) -> Any:
        def record(value: float, labels: dict[str, str]) -> None:
            values[" ".join([name.removeprefix("doorstep."), *labels.values()])] = value

        return SimpleNamespace(set=record)

    monkeypatch.setattr(metrics, "_gauge", gauge)
    return values


async def test_a_late_complaint_is_told_by_every_process_until_it_is_answered(
    desk: Desk, told: dict[str, float]
) -> None:
    hooks = [gauges(desk.instruments, Reconciliation(desk.instruments, {}, {})) for _ in range(2)]
    processes = [Gauges(desk.database, pulse=Pulse("relay"), hook=hook) for hook in hooks]
    complaint = await complain(desk, await desk.open_case())
    desk.clock.business += timedelta(days=15)
    for process in processes:
        told.clear()
        await process.once()
        assert told["complaints.due late"] == 1
        assert {name.split()[0] for name in told} >= {
            "duties.overdue", "fact_tasks.overdue", "samples.waiting", "people.restricted", "retention.looked.until",
            "feeds.silent", "feeds.unclosed", "feeds.incomplete", "reconciliation.compared.until",
            "reconciliation.differences",
        }  # fmt: skip
    told.clear()
    for step in ("receive", "answer", "close"):
        await desk.post(f"/v1/complaints/{complaint['complaint_id']}/{step}", {"words": "Sorry."})
    for process in processes:
        await process.once()
        assert told["complaints.due late"] == 0
    assert "duties.overdue institution" not in told, "what costs more is counted once a minute"


async def test_timers_of_an_earlier_release_end(desk: Desk) -> None:
    handlers = retired_timers()
    async with desk.database.unit_of_work() as uow:
        for one in handlers:
            uow.intend(NewIntent(kind=one.kind, key="slot", due_at=uow.real_now - timedelta(minutes=1)))
    worker = Worker(desk.database, handlers, pulse=Pulse("worker"))
    for one in handlers:
        assert await worker.work_once(one)
    async with desk.database.read_only() as uow:
        assert await uow.sql.fetchval("SELECT count(*) FROM intent WHERE done_at IS NULL AND key = 'slot'") == 0
