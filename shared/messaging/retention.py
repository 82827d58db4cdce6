"""Forgets what need not be kept: acknowledged events, inbox rows older than any topic, intents long done."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from shared.database.engine import Database
from shared.database.unit_of_work import UnitOfWork
from shared.events.topics import TOPICS
from shared.messaging import inbox, intent_store, outbox
from shared.messaging.liveness import Pulse
from shared.messaging.periodic import Periodic

_ROWS_AT_ONCE = 5_000
_PERIOD_SECONDS = 60.0
_MORE_SECONDS = 0.5


class Trim(Protocol):
    """Deletes up to `limit` rows recorded before `before` (real time); returns how many."""

    def __call__(self, uow: UnitOfWork, *, before: datetime, limit: int) -> Awaitable[int]: ...


class Kept(NamedTuple):
    """How long the rows that `trim` deletes are kept."""

    trim: Trim
    period: timedelta


OUTBOX_KEPT = timedelta(days=14)
# Longer than any topic can be read again: a repetition after that would be handled twice.
INBOX_KEPT = timedelta(days=max(spec.retention_days for spec in TOPICS.values()) + 7)
INTENTS_KEPT = timedelta(days=90)
_OURS = (Kept(outbox.trim, OUTBOX_KEPT), Kept(inbox.trim, INBOX_KEPT), Kept(intent_store.trim, INTENTS_KEPT))


class Retention(Periodic):
    """Deletes in small steps, so that it never holds anybody up."""

    def __init__(self, database: Database, *, pulse: Pulse, others: Sequence[Kept] = ()) -> None:
        super().__init__("retention", period_seconds=_PERIOD_SECONDS, pulse=pulse)
        self._database = database
        self._kept = (*_OURS, *others)

    async def once(self) -> float:
        """Trim one step; returns a short rest while there is more to do."""
        return _MORE_SECONDS if await self.trim_once() else _PERIOD_SECONDS

    async def trim_once(self) -> bool:
        """One step; true when there is more to do."""
        async with self._database.unit_of_work() as uow:
            trimmed = [
                await trim(uow, before=uow.real_now - period, limit=_ROWS_AT_ONCE) for trim, period in self._kept
            ]
        return max(trimmed) >= _ROWS_AT_ONCE
