"""The whole process: every role on the real broker, and a clean stop."""

from __future__ import annotations

from typing import Any

from services.plans.app import define
from tests.integration.assignment.test_process import ready, running


async def test_process_starts_answers_and_stops(service_settings: Any, topics: Any) -> None:
    await topics()
    settings = await service_settings("plans", http_port=0)
    async with running(define(settings)) as (_, http):
        await ready(http)
        paths = (await http.get("/openapi.json")).json()["paths"]
        assert {"/v1/plans", "/v1/plans/{plan_id}", "/v1/plans/{plan_id}/sign", "/v1/summary"} <= paths.keys()
        assert (await http.get("/v1/summary")).status_code == 401
