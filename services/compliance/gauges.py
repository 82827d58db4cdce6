"""What is watched of compliance's own tables: what is late, what stands open, what was looked at last."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from services.compliance import complaint_desk, duty_desk, fact_desk, feed_desk, retention_desk, sample_desk
from services.compliance.instruments import Instruments
from services.compliance.reconciliation_desk import Reconciliation
from shared.database import UnitOfWork
from shared.messaging.gauges import GaugeHook, seldom
from shared.messaging.intents import RetiredTimer

# They read what stands open of the whole portfolio.
_COUNTED_EVERY = timedelta(minutes=1)


def gauges(instruments: Instruments, reconciliation: Reconciliation) -> GaugeHook:
    """Sets the gauges that no batch of events sets."""
    portfolio = [
        seldom(count, every=_COUNTED_EVERY)
        for count in (
            partial(duty_desk.count_overdue, instruments=instruments),
            fact_desk.count_overdue,
            sample_desk.count_waiting,
            retention_desk.tell_retention,
        )
    ]
    counts = [feed_desk.count_behind, complaint_desk.count_due, reconciliation.tell, *portfolio]

    async def set_gauges(uow: UnitOfWork) -> None:
        for count in counts:
            await count(uow)

    return set_gauges


def retired_timers() -> list[RetiredTimer]:
    """They counted, in whichever process they came due."""
    kinds = ("compliance.fact_tasks_watch", "compliance.complaints_watch", "compliance.retention_gauges")
    return [RetiredTimer(kind) for kind in kinds]
