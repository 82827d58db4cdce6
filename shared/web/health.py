"""Liveness, readiness and metrics. Readiness asks the database only: while Kafka is away, writes still land in the
outbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

import asyncpg
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.middleware import Middleware
from starlette.responses import Response

from shared.database import Database
from shared.telemetry.setup import metrics_exposition
from shared.web.edge import Edge
from shared.web.examples import JSON
from shared.web.problem_responses import add_problem_handlers
from shared.web.problems import TemporarilyUnavailable

PROBE_TIMEOUT_SECONDS: Final = 2.0
# What a probe may raise to say "not now"; anything else is a fault of the probe.
NOT_READY: Final = (OSError, TimeoutError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError)
Probe = Callable[[], Awaitable[None]]


class Health(BaseModel):
    """The service's own word about itself."""

    status: Literal["live", "ready"] = Field(description="What was asked and holds.")
    service: str = Field(description="Name of the service.")


def health_router(*, service: str, database: Database, probes: Mapping[str, Probe]) -> APIRouter:
    """Routes `/health/live`, `/health/ready`, `/metrics`. A probe raises when its part is not ready."""
    router = APIRouter(tags=["operation"])

    async def database_reachable() -> None:
        async with database.read_only() as uow:
            await uow.sql.fetchval("SELECT 1")

    checks: dict[str, Probe] = {"database": database_reachable, **probes}

    @router.get(
        "/health/live",
        summary="Is the process alive?",
        operation_id="probe_liveness",
        responses=_shown({"status": "live", "service": service}),
    )
    async def live() -> Health:
        """Answers as long as the event loop turns."""
        return Health(status="live", service=service)

    @router.get(
        "/health/ready",
        summary="Can the service take requests?",
        operation_id="probe_readiness",
        responses=_shown({"status": "ready", "service": service}),
    )
    async def ready() -> Health:
        """Answers 503, naming the missing part, while the database cannot be reached."""
        for name, check in checks.items():
            try:
                async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
                    await check()
            except NOT_READY as error:
                raise TemporarilyUnavailable(f"{name} does not answer", retry_after_seconds=1, part=name) from error
        return Health(status="ready", service=service)

    @router.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Prometheus text format."""
        content, media_type = metrics_exposition()
        return Response(content, media_type=media_type)

    return router


def _shown(example: dict[str, str]) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {JSON: {"example": example}}}}


def create_probe_app(service: str, database: Database) -> FastAPI:
    """Liveness, readiness and metrics only: for processes that run other roles than `api`."""
    app = FastAPI(
        title=service,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        middleware=[Middleware(Edge, production=False)],
    )
    add_problem_handlers(app)
    app.include_router(health_router(service=service, database=database, probes={}))
    return app
