"""A loop that does one thing again and again, outlives passing faults and ends when asked."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress

from shared.messaging.failures import is_transient
from shared.messaging.liveness import Pulse

log = logging.getLogger(__name__)


class Periodic(ABC):
    """Base of the housekeeping loops: `once` works and says how many seconds to rest."""

    def __init__(self, name: str, *, period_seconds: float, pulse: Pulse) -> None:
        self._name = name
        self._period_seconds = period_seconds
        self._pulse = pulse
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until stopped. Raises what is not a passing fault."""
        while not self._stopping.is_set():
            self._pulse.beat(self._name)
            rest_seconds = self._period_seconds
            try:
                rest_seconds = await self.once()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("%s: %s; trying again", self._name, type(error).__name__)
            await pause(self._stopping, rest_seconds)

    @abstractmethod
    async def once(self) -> float:
        """Do it once; returns the seconds to rest."""


async def pause(until: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most that long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await until.wait()
