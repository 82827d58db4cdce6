"""Span and duration of the routes that are asked most: what the framework tells of a request, in fewer steps.

Names, units and attributes are the framework's own (OpenTelemetry, semantic conventions of HTTP), so dashboards see no
difference. Attributes of a span are made only where it is recorded.
"""

from __future__ import annotations

import time
from collections.abc import Container
from functools import cache
from typing import Final

import fastapi
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.44.0"
_BUCKETS_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


class Observed:
    """ASGI middleware, the outermost. `routes`: those that the framework's own telemetry leaves out."""

    def __init__(self, app: ASGIApp, *, routes: Container[tuple[str, str]]) -> None:
        self._app = app
        self._routes = routes
        self._tracer = trace.get_tracer("fastapi", fastapi.__version__, schema_url=_SCHEMA)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; tell of the routes' requests."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) not in self._routes:
            await self._app(scope, receive, send)
            return
        status = 500

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        with self._tracer.start_as_current_span(
            f"{scope['method']} {scope['path']}", context=_parent(scope), kind=SpanKind.SERVER, record_exception=False
        ) as span:
            try:
                await self._app(scope, receive, watched_send)
            finally:
                attributes = _attributes(scope["method"], scope["path"], scope["scheme"], scope["http_version"], status)
                if span.is_recording():
                    span.set_attributes({**attributes, "url.path": scope["path"]})
                    if status >= 500:
                        span.set_status(StatusCode.ERROR)
                _durations().record(time.perf_counter() - started, attributes)


def _parent(scope: Scope) -> Context:
    """The caller's span, as its header names it; none: a trace of its own."""
    told = {
        name.decode("latin-1"): text.decode("latin-1")
        for name, text in scope["headers"]
        if name in (b"traceparent", b"tracestate")
    }
    return _PROPAGATOR.extract(told, context=Context()) if told else Context()


@cache
def _attributes(method: str, path: str, scheme: str, version: str, status: int) -> dict[str, str | int]:
    """Not to be changed: the same for all requests that end so."""
    found: dict[str, str | int] = {
        "url.scheme": scheme, "http.request.method": method, "network.protocol.version": version, "http.route": path,
        "http.response.status_code": status,
    }  # fmt: skip
    return found | ({"error.type": str(status)} if status >= 500 else {})


@cache
def _durations() -> Histogram:
    return metrics.get_meter("fastapi", fastapi.__version__, schema_url=_SCHEMA).create_histogram(
        "http.server.request.duration", unit="s", description="Duration of HTTP server requests.",
        explicit_bucket_boundaries_advisory=_BUCKETS_SECONDS,
    )  # fmt: skip
