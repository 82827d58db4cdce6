"""The broker freezes for 30 s, PostgreSQL dies for 16 s: the processes stay, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

from simulation.demo import START
from simulation.story import FIRST_DAY

PARTIES = 1_000
PAUSE_SECONDS = 30
# Long enough for a backoff without a limit to have grown far beyond what recovery may take.
OUTAGE_SECONDS = 16
# Each loop looks again within 3 s; the rest is for a busy machine.
RECOVERY_SECONDS = 8
AGED_TO = FIRST_DAY + timedelta(days=9)


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


async def test_postgres_killed(own_postgres_run: Any, until: Any, reaches: Any) -> None:
    """While intake folds payments, ages its cases and publishes, and compliance reads: every role goes on by itself."""
    async with own_postgres_run(PARTIES // 3, ("intake", "compliance")) as it:

        async def aged() -> int:
            return int(await it.value(f"SELECT count(*) FROM case_file WHERE as_of >= '{AGED_TO}'"))

        async def known() -> int:
            return int(await it.value("SELECT count(*) FROM party_fact", service="compliance"))

        async def recovered() -> bool:
            return await it.at_rest() and await aged() == cases and await known() == cases

        postgres = it.platform.servers.postgres
        await it.platform.start_services(["intake", "compliance"])
        await it.feed()
        await until(it.at_rest)
        cases = await it.value("SELECT count(*) FROM case_file WHERE status = 'open'")
        it.clock.advance_to(START + timedelta(days=9))
        it.ledger.business_date = AGED_TO
        await it.core.close_day(AGED_TO + timedelta(days=1), at=it.clock.business_now())
        it.sent += 1
        await reaches(aged, cases // 10)
        paying = asyncio.create_task(it.pay(PARTIES))
        await asyncio.to_thread(postgres.kill)
        await paying
        await asyncio.sleep(OUTAGE_SECONDS)
        await asyncio.to_thread(postgres.start)
        started = time.monotonic()
        assert not await recovered(), "killed too late to prove anything"
        assert await aged() < cases, "killed too late to prove anything"
        await until(recovered)
        seconds = time.monotonic() - started
        for name in ("intake", "compliance"):
            assert not it.platform.processes[name].has_failed
            await it.platform.processes[name].wait_until_ready(timeout_seconds=5)
        await it.judged()
    assert seconds <= RECOVERY_SECONDS, f"recovered after {seconds:.1f} s"
