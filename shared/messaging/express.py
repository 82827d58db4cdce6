"""Lets facts that reduce contact go first: the bulk topics wait, a bounded time, while express ones have a backlog."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

EXPRESS = "express"
BULK = "bulk"
_AT_START_SECONDS = 10.0
_LATER_SECONDS = 0.25


class ExpressGate:
    """Shared by the topic groups of one process."""

    def __init__(self, *, has_express: bool) -> None:
        self._open = asyncio.Event()
        self._until = time.monotonic() + _AT_START_SECONDS
        self._has_express = has_express

    def caught_up(self, value: bool) -> None:
        """The express group says whether it has read all there is (or does not read at all)."""
        if value:
            self._open.set()
        else:
            self._open.clear()

    async def wait_turn(self) -> None:
        """Wait for the express group: at the start until it has caught up, later only briefly."""
        if not self._has_express:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(max(_LATER_SECONDS, self._until - time.monotonic())):
                await self._open.wait()
        self._until = 0.0
