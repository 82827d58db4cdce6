"""A whole service process: roles together, quietness, graceful stop."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from shared.messaging.quiet import QuietProbe
from shared.service import ServiceDefinition, ServiceRuntime


async def test_a_service_runs_reads_and_stops(
    bench: Any, topics: Any, publish: Any, record: Any, eventually: Any, party: UUID
) -> None:
    await topics("case", "plan", "contact", "stop", "plans.dlq")
    plans = await bench(kafka=True, http_port=0, heartbeat_seconds=1)

    def build_api(runtime: ServiceRuntime) -> FastAPI:
        app = FastAPI()

        @app.get("/ping")
        async def ping() -> str:
            return runtime.definition.name

        return app

    definition = ServiceDefinition(
        name="plans", settings=plans.settings, build_api=build_api, subscriptions=[plans.subscription()]
    )
    runtime = ServiceRuntime(definition)
    running = asyncio.create_task(runtime.run())
    probe = QuietProbe(plans.database, reads=["case"])
    try:
        await eventually(lambda: _listens(runtime))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{runtime.http_port}") as client:
            assert (await client.get("/ping")).json() == "plans"
            assert (await client.get("/internal/quiet")).status_code >= 400
        await publish([record(party, 1), record(party, 2)])
        unread = (await probe.ask()).unread
        assert unread or await _handled(plans, 2)
        await eventually(lambda: _handled(plans, 2))
        await eventually(lambda: _quiet(probe))
    finally:
        await probe.close()
        runtime.stop()
        async with asyncio.timeout(60):
            await running


async def test_unread_records_are_not_quiet(bench: Any, topics: Any, publish: Any, record: Any, party: UUID) -> None:
    await topics("case")
    plans = await bench(kafka=True)
    await publish([record(party, 1)])
    probe = QuietProbe(plans.database, reads=["case"])
    wanted = plans.database.positions_wanted.listen()
    left = await probe.ask()
    await probe.close()
    assert (left.unread, left.quiet) == (1, False)
    assert wanted.is_set()  # the consumer writes at once how far it is


async def _listens(runtime: ServiceRuntime) -> bool:
    return runtime.http_port is not None


async def _handled(plans: Any, expected: int) -> bool:
    return len(await plans.handled()) == expected


async def _quiet(probe: QuietProbe) -> bool:
    return (await probe.ask()).quiet
