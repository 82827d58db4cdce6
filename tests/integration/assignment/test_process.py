"""The whole process: every role on the real broker, and a clean stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from services.assignment.app import define
from shared.service import ServiceDefinition, ServiceRuntime


@asynccontextmanager
async def running(definition: ServiceDefinition) -> AsyncIterator[tuple[ServiceRuntime, httpx.AsyncClient]]:
    """The process with all roles, until the test ends."""
    runtime = ServiceRuntime(definition)
    task = asyncio.create_task(runtime.run())
    try:
        async with asyncio.timeout(30):
            while runtime.http_port is None:
                assert not task.done(), task
                await asyncio.sleep(0.05)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{runtime.http_port}") as http:
            yield runtime, http
    finally:
        runtime.stop()
        await asyncio.wait_for(task, 30)


async def ready(http: httpx.AsyncClient) -> None:
    """Wait until the process says that it is ready."""
    for _ in range(150):
        if (await http.get("/health/ready")).status_code == 200:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("not ready after 30 s")


async def test_process_starts_answers_and_stops(service_settings: Any, topics: Any) -> None:
    await topics()
    settings = await service_settings("assignment", http_port=0)
    async with running(define(settings)) as (_, http):
        await ready(http)
        paths = (await http.get("/openapi.json")).json()["paths"]
        assert {"/v1/field-days/{day}/plan", "/v1/collectors", "/v1/pairs", "/v1/summary"} <= paths.keys()
        assert (await http.get("/v1/summary")).status_code == 401
