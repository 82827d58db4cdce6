"""The pace of a run: business time advances only when every service is quiet."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from shared.clock import SteppedClock
from simulation.api import Api
from simulation.portfolio.people import TIME_ZONE

SERVICES = ("intake", "assignment", "visits", "plans", "compliance")
_TIMEOUT_SECONDS = 90
_LOOK_AGAIN_SECONDS = 0.05


class NotQuiet(RuntimeError):  # noqa: N818  # reads as a fact at the call site
    """Work did not come to an end; the message says who has what left."""


class Pace:
    """The driver's clock. The only writer of the run's clock file."""

    def __init__(self, api: Api, clock: SteppedClock) -> None:
        self._api = api
        self._clock = clock
        self.waited_seconds = 0.0

    @property
    def now(self) -> datetime:
        """Business time, UTC."""
        return self._clock.business_now()

    @property
    def local(self) -> datetime:
        """Business time where the customers live."""
        return self.now.astimezone(ZoneInfo(TIME_ZONE))

    async def advance_to(self, moment: datetime) -> None:
        """Let everything come to rest, then step business time forward. Timers that fall due then run beside what
        people do at the new time, as in life; before the next step they have run.
        """
        await self.settle()
        self._clock.advance_to(moment)

    async def settle(self, *, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """Wait until all services are quiet in two looks in a row. Raises NotQuiet.

        One look is not enough: an event may pass from a service not yet asked to one already asked.
        """
        began, quiet_looks = time.monotonic(), 0
        while quiet_looks < 2:
            answers = await asyncio.gather(*(self._ask(service) for service in SERVICES))
            quiet_looks = quiet_looks + 1 if all(answer["quiet"] for answer in answers) else 0
            if time.monotonic() - began > timeout_seconds:
                left = dict(zip(SERVICES, answers, strict=True))
                raise NotQuiet(f"after {timeout_seconds:.0f} s something is still on its way: {left}")
            if not quiet_looks:
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        self.waited_seconds += time.monotonic() - began

    async def _ask(self, service: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await self._api.get(service, "/internal/quiet")).expected()
        return answer
