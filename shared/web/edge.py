"""The outermost middleware: security headers on every response, and the last resort for faults."""

from __future__ import annotations

import logging
from typing import Final

from opentelemetry import trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.messaging.failures import is_transient
from shared.web.problem_responses import problem_response
from shared.web.problems import InternalError, Problem, TemporarilyUnavailable

log = logging.getLogger(__name__)

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Edge:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, *, production: bool) -> None:
        self._app = app
        headers = dict(_HEADERS)
        if production:
            headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
        self._headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add headers; turn any fault into a 500 or 503 problem that names the trace only."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                said = {name.lower() for name, _ in message["headers"]}
                ours = [header for header in self._headers if header[0] not in said]
                message["headers"] = [*message["headers"], *ours]
            await send(message)

        if scope.get("query_string"):
            # The framework's span keeps the query; ours hold no personal data by design, but a stray caller's might.
            trace.get_current_span().set_attribute("url.query", "REDACTED")
        asked = scope
        if scope["method"] == "HEAD":
            # RFC 9110, 9.3.2: what GET would answer, without its content; a route cannot tell the two apart.
            scope = {**scope, "method": "GET"}
            send = _without_content(send)
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:  # the one edge: what nobody classified becomes a 500 here
            trace.get_current_span().set_attribute("error.type", type(error).__qualname__)
            log.exception("request failed", extra={"http_method": asked["method"]})
            if started:
                raise
            # What passes by itself (a lost connection, a deadlock) may be repeated with the same key; the rest may not.
            transient = is_transient(error)
            problem: Problem = TemporarilyUnavailable(retry_after_seconds=1) if transient else InternalError()
            await problem_response(problem)(scope, receive, send_with_headers)


def _without_content(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return send_head
