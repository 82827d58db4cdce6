"""Forgets what need not be kept: acknowledged events, inbox rows older than any topic, intents long done."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta

from shared.database.engine import Database
from shared.events.topics import TOPICS
from shared.messaging import inbox, intent_store, outbox
from shared.messaging.failures import is_transient
from shared.messaging.liveness import Pulse

log = logging.getLogger(__name__)

OUTBOX_KEPT = timedelta(days=14)
# Longer than any topic can be read again: a repetition after that would be handled twice.
INBOX_KEPT = timedelta(days=max(spec.retention_days for spec in TOPICS.values()) + 7)
INTENTS_KEPT = timedelta(days=90)
_ROWS_AT_ONCE = 5_000
_PERIOD_SECONDS = 60.0


class Retention:
    """Deletes in small steps, so that it never holds anybody up."""

    def __init__(self, database: Database, *, pulse: Pulse) -> None:
        self._database = database
        self._pulse = pulse
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping.set()

    async def run(self) -> None:
        """Trim until stopped."""
        while not self._stopping.is_set():
            self._pulse.beat("retention")
            more = False
            try:
                more = await self.trim_once()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("retention: %s; trying again", type(error).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5 if more else _PERIOD_SECONDS):
                    await self._stopping.wait()

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
