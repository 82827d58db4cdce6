"""What an SRE watches of the tables: the age of what waits, and how much stands open.

Read from PostgreSQL, so that every process of a service says the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from shared.database.engine import Database
from shared.database.unit_of_work import UnitOfWork
from shared.messaging.liveness import Pulse
from shared.messaging.periodic import Periodic
from shared.telemetry import metrics

_PERIOD_SECONDS: Final = 10.0
_UNPROCESSED = "SELECT topic, partition, caught_up_to FROM consumer_position WHERE caught_up_to IS NOT NULL"
_UNPUBLISHED = """
SELECT min(created_at) FROM outbox WHERE seq = (SELECT min(seq) FROM outbox_pending WHERE NOT housekeeping)
"""
_OPEN = """
SELECT (SELECT count(*) FROM outbox_blocked), (SELECT count(*) FROM dead_letter WHERE state = 'open'),
       (SELECT count(*) FROM parked_party)
"""
_DUE = """
SELECT kind, count(*) FILTER (WHERE due_at <= CASE clock WHEN 'real' THEN $1::timestamptz ELSE $2::timestamptz END),
       min(greatest(due_at, recorded_at)) FILTER (WHERE clock = 'real' AND due_at <= $1)
FROM intent WHERE done_at IS NULL GROUP BY kind
"""

GaugeHook = Callable[[UnitOfWork], Awaitable[None]]
"""Sets gauges of the service's own tables; must be cheap, for it is called every ten seconds."""


def seldom(hook: GaugeHook, *, every: timedelta) -> GaugeHook:
    """The hook, but not more often than that in one process: for what costs more than a count."""
    looked: datetime | None = None

    async def look(uow: UnitOfWork) -> None:
        nonlocal looked
        if looked is None or uow.real_now - looked >= every:
            await hook(uow)
            looked = uow.real_now

    return look


class Gauges(Periodic):
    """Sets the gauges of a service every ten seconds: those of every service, and its own (`hook`)."""

    def __init__(self, database: Database, *, pulse: Pulse, hook: GaugeHook | None = None) -> None:
        super().__init__("gauges", period_seconds=_PERIOD_SECONDS, pulse=pulse)
        self._database = database
        self._hook = hook
        self._kinds: set[str] = set()

    async def once(self) -> float:
        """Read and set them all; returns the period."""
        async with self._database.read_only() as uow:
            await self._set_streams(uow)
            await self._set_intents(uow)
            if self._hook is not None:
                await self._hook(uow)
        return _PERIOD_SECONDS

    async def _set_streams(self, uow: UnitOfWork) -> None:
        for topic, partition, caught_up_to in await uow.sql.fetch(_UNPROCESSED):
            age_seconds = max(0.0, (uow.real_now - caught_up_to).total_seconds())
            metrics.set_gauge(
                "doorstep.consumer.oldest_unprocessed.age", age_seconds, topic=topic, partition=str(partition)
            )
        oldest = await uow.sql.fetchval(_UNPUBLISHED)
        unpublished_seconds = 0.0 if oldest is None else max(0.0, (uow.real_now - oldest).total_seconds())
        metrics.set_gauge("doorstep.outbox.oldest_unpublished.age", unpublished_seconds)
        blocked, dead, parked = await uow.sql.fetchrow(_OPEN)
        metrics.set_gauge("doorstep.outbox.blocked_keys", blocked)
        metrics.set_gauge("doorstep.dead_letters.open", dead)
        metrics.set_gauge("doorstep.parties.parked", parked)

    async def _set_intents(self, uow: UnitOfWork) -> None:
        rows = {kind: (due, oldest) for kind, due, oldest in await uow.sql.fetch(_DUE, uow.real_now, uow.now)}
        # A kind that has run dry must fall to zero: a gauge that is not set keeps its last value for ever.
        self._kinds |= set(rows)
        for kind in self._kinds:
            due, oldest = rows.get(kind, (0, None))
            metrics.set_gauge("doorstep.intents.due", due, kind=kind)
            late_seconds = 0.0 if oldest is None else max(0.0, (uow.real_now - oldest).total_seconds())
            metrics.set_gauge("doorstep.intents.oldest_due.age", late_seconds, kind=kind)
