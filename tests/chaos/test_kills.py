"""`kill -9` of intake's consumer and relays in the middle of their work: nothing lost, nothing doubled, order kept."""

from __future__ import annotations

import asyncio
from typing import Any

PARTIES = 1_500


async def test_killed_consumer(run: Any, until: Any, reaches: Any) -> None:
    async with run(PARTIES) as it:
        await it.feed()
        await it.pay(60)
        await it.platform.start_service("intake", name="intake-relay", roles=["relay"])
        await it.platform.start_service("intake", name="intake-consumer", roles=["consumer"])
        for share in (0.1, 0.5):
            await reaches(it.read, int(it.sent * share))
            it.platform.kill_service("intake-consumer")
            assert await it.read() < it.sent, "killed too late to prove anything"
            await it.platform.restart_service("intake-consumer")
        await until(it.at_rest)
        await it.judged()


async def test_killed_relays_two_at_once(run: Any, until: Any, reaches: Any) -> None:
    async with run(PARTIES) as it:
        await it.feed()
        await it.pay(60)
        await it.platform.start_service("intake", name="intake-consumer", roles=["consumer"])
        await reaches(it.read, it.sent)
        waiting = await it.unpublished()

        async def published() -> int:
            return int(waiting - await it.unpublished())

        relays = ("intake-relay-1", "intake-relay-2")
        starting = [asyncio.create_task(it.platform.start_service("intake", name=n, roles=["relay"])) for n in relays]
        await reaches(published, 1)
        await asyncio.gather(*starting)
        for name in relays:
            it.platform.kill_service(name)
            await it.platform.restart_service(name)
        await until(it.at_rest)
        await it.judged()
