"""The broker freezes for 30 s: the process stays, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from typing import Any

PARTIES = 1_000
PAUSE_SECONDS = 30


async def test_broker_paused(own_run: Any, until: Any, reaches: Any) -> None:
    """SIGSTOP in the middle of reading and publishing: connections stay open and nobody answers."""
    async with own_run(PARTIES) as it:
        await it.feed()
        await it.pay(30)
        await it.platform.start_services(["intake"])
        await reaches(it.read, it.sent // 10)
        kafka = it.platform.servers.kafka
        await asyncio.to_thread(kafka.pause)
        try:
            assert not await it.at_rest(), "paused too late to prove anything"
            await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await asyncio.to_thread(kafka.resume)
        await until(it.at_rest)
        assert not it.platform.processes["intake"].has_failed
        await it.judged()
