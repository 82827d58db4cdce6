"""The gauges tell what the tables hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.database import UnitOfWork
from shared.messaging import NewIntent
from shared.messaging.gauges import Gauges
from shared.messaging.liveness import Pulse
from shared.telemetry import metrics


@pytest.fixture
def set_values(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, ...], float]:
    """Every gauge set in the test, by name and label values."""
    values: dict[tuple[str, ...], float] = {}

    def record(name: str, value: float, **labels: str) -> None:
        values[(name, *labels.values())] = value

    monkeypatch.setattr(metrics, "set_gauge", record)
    return values


async def test_an_intent_that_waits_is_seen_and_falls_to_zero_when_done(
    bench: Any, set_values: dict[tuple[str, ...], Any]
) -> None:
    plans = await bench()
    gauges = Gauges(plans.database, pulse=Pulse("relay"))
    async with plans.database.unit_of_work() as uow:
        uow.intend(NewIntent(kind="ask", key=str(uuid4()), due_at=uow.real_now - timedelta(minutes=5)))

    await gauges.once()
    seen = set_values[("doorstep.intents.due", "ask")]
    async with plans.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE intent SET done_at = $1", uow.real_now)
    await gauges.once()

    assert (seen, set_values[("doorstep.intents.due", "ask")]) == (1, 0)
    assert set_values[("doorstep.outbox.oldest_unpublished.age",)] == 0.0
    assert set_values[("doorstep.dead_letters.open",)] == 0


async def test_gauges_of_a_services_own_tables_are_set_with_the_others(bench: Any) -> None:
    plans = await bench()
    seen: list[str] = []

    async def hook(uow: UnitOfWork) -> None:
        seen.append(await uow.sql.fetchval("SELECT 'looked'"))

    await Gauges(plans.database, pulse=Pulse("relay"), hook=hook).once()
    assert seen == ["looked"]
