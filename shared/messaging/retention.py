"""Forgets what need not be kept: acknowledged events, inbox rows older than any topic, intents long done."""

from __future__ import annotations

from datetime import timedelta

from shared.database.engine import Database
from shared.events.topics import TOPICS
from shared.messaging import inbox, intent_store, outbox
from shared.messaging.liveness import Pulse
from shared.messaging.periodic import Periodic

OUTBOX_KEPT = timedelta(days=14)
# Longer than any topic can be read again: a repetition after that would be handled twice.
INBOX_KEPT = timedelta(days=max(spec.retention_days for spec in TOPICS.values()) + 7)
INTENTS_KEPT = timedelta(days=90)
_ROWS_AT_ONCE = 5_000
_PERIOD_SECONDS = 60.0
_MORE_SECONDS = 0.5


class Retention(Periodic):
    """Deletes in small steps, so that it never holds anybody up."""

    def __init__(self, database: Database, *, pulse: Pulse) -> None:
        super().__init__("retention", period_seconds=_PERIOD_SECONDS, pulse=pulse)
        self._database = database

    async def once(self) -> float:
        """Trim one step; returns a short rest while there is more to do."""
        return _MORE_SECONDS if await self.trim_once() else _PERIOD_SECONDS

    async def trim_once(self) -> bool:
        """One step; true when there is more to do."""
        async with self._database.unit_of_work() as uow:
            now = uow.real_now
            trimmed = (
                await outbox.trim(uow, before=now - OUTBOX_KEPT, limit=_ROWS_AT_ONCE),
                await inbox.trim(uow, before=now - INBOX_KEPT, limit=_ROWS_AT_ONCE),
                await intent_store.trim(uow, before=now - INTENTS_KEPT, limit=_ROWS_AT_ONCE),
            )
        return max(trimmed) >= _ROWS_AT_ONCE
