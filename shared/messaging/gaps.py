"""Looks after sequence gaps: parks a party whose gap stays open, and lets it go once the gap is closed."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from shared.database.engine import Database
from shared.messaging import open_gaps
from shared.messaging.dead_letters import Replayer, ReplayFailedError
from shared.messaging.failures import is_transient
from shared.messaging.liveness import Pulse
from shared.messaging.parking import SEQUENCE_GAP
from shared.messaging.sequences import GAP_LIMIT_SECONDS, park_for_gap

log = logging.getLogger(__name__)

_PERIOD_SECONDS = 2.0
_CLOSED = """
SELECT p.party_id FROM parked_party p
WHERE p.cause = $1
  AND NOT EXISTS (SELECT FROM waiting_record w WHERE w.party_id = p.party_id AND w.behind = 'gap')
  AND NOT EXISTS (SELECT FROM dead_letter d WHERE d.party_id = p.party_id AND d.state = 'open')
LIMIT 100
"""


class GapKeeper:
    """One loop per process; several processes do no harm, for every step is taken under the party's lock."""

    def __init__(
        self, database: Database, replayer: Replayer, *, pulse: Pulse, limit_seconds: float = GAP_LIMIT_SECONDS
    ) -> None:
        self._database = database
        self._replayer = replayer
        self._pulse = pulse
        self._limit = timedelta(seconds=limit_seconds)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping.set()

    async def run(self) -> None:
        """Look after gaps until stopped."""
        while not self._stopping.is_set():
            self._pulse.beat("gaps")
            try:
                await self.look()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("gaps could not be looked after: %s", type(error).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(_PERIOD_SECONDS):
                    await self._stopping.wait()

    async def look(self) -> None:
        """One round."""
        async with self._database.read_only() as uow:
            overdue = await open_gaps.overdue(uow, before=uow.real_now - self._limit)
            closed: list[UUID] = [row[0] for row in await uow.sql.fetch(_CLOSED, SEQUENCE_GAP)]
        for gap in overdue:
            async with self._database.unit_of_work() as uow:
                await uow.lock_parties([gap.party_id])
                # Looked up again under the lock: the filler may have come.
                if await open_gaps.received_before_gap(uow, gap.topic, gap.stream) is not None:
                    await park_for_gap(uow, gap)
        for party_id in closed:
            try:
                await self._replayer.replay_party(party_id)
            except ReplayFailedError as error:
                log.error("a party stays parked after its gap was closed: %s", error.reason)
