"""What an SRE watches of visits' own tables."""

from __future__ import annotations

from services.visits.store import reports
from shared.database import UnitOfWork
from shared.telemetry import metrics


async def set_gauges(uow: UnitOfWork) -> None:
    """How long the oldest alarm has waited for somebody; 0 when none is open."""
    oldest = await reports.oldest_open_alarm(uow)
    age_seconds = 0.0 if oldest is None else (uow.real_now - oldest).total_seconds()
    metrics.set_gauge("doorstep.alarms.oldest_open.age", age_seconds)
