"""The pace of a run: business time advances only when every service is quiet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shared.clock import SteppedClock
from simulation.api import Api
from simulation.portfolio.people import TIME_ZONE

SERVICES = ("intake", "assignment", "visits", "plans", "compliance")
_TIMEOUT_SECONDS = 90
_LOOK_AGAIN_SECONDS = 0.05
_FRESH = timedelta(seconds=15)  # half of the age at which compliance refuses


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

        One look is not enough: an event may pass from a service not yet asked to one already asked. Between looks at
        all, only those at work are asked: questions cost the others processor time that the work needs.
        """
        began, quiet_looks = time.monotonic(), 0
        asked: Sequence[str] = SERVICES
        while quiet_looks < 2:
            answers = dict(zip(asked, await asyncio.gather(*map(self._ask, asked)), strict=True))
            busy = {service: answer for service, answer in answers.items() if not answer["quiet"]}
            if busy:
                if time.monotonic() - began > timeout_seconds:
                    raise NotQuiet(f"after {timeout_seconds:.0f} s something is still on its way: {busy}")
                quiet_looks = 0
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            elif asked == SERVICES:
                quiet_looks += 1
            asked = tuple(busy) or SERVICES
        self.waited_seconds += time.monotonic() - began

    async def until_fresh(self, *, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """Wait until compliance has heard lately from all whose facts it needs: before that it grants nothing.

        A service that joins its consumer group late is heard late. Raises NotQuiet.
        """
        began = time.monotonic()
        while True:
            listed = await self._api.get("compliance", "/v1/revocations", device_id="nobody")
            as_of = listed.expected()["as_of"]
            if as_of is not None and datetime.now(UTC) - datetime.fromisoformat(as_of) < _FRESH:
                return
            if time.monotonic() - began > timeout_seconds:
                raise NotQuiet(f"after {timeout_seconds:.0f} s compliance's facts are still of {as_of}")
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _ask(self, service: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await self._api.get(service, "/internal/quiet")).expected()
        return answer
