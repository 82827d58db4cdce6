"""HTTP between services: typed answers, bounded retries, one deadline, the trace passed on."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Self, TypeVar

import httpx
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind
from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.security.authorities import trusted_authorities
from shared.security.token_source import TokenSource, TokenUnavailableError
from shared.web.idempotency_key import HEADER
from shared.web.problems import TYPE_BASE

A = TypeVar("A")
Params = Mapping[str, str | int | Sequence[str]]
"""Query parameters; one with several values is repeated."""
RETRIED_STATUSES: Final = frozenset({502, 503, 504})
_tracer = trace.get_tracer(__name__)


class RemoteUnavailable(Exception):  # noqa: N818  # reads as a fact at the call site
    """No answer within the deadline: the effect is unknown; repeat later with the same Idempotency-Key."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"{service}: {reason}")
        self.service = service
        self.reason = reason


class RemoteProblem(Exception):  # noqa: N818
    """The other service refused, with a meaning: branch on `kind` (the end of the problem's type)."""

    def __init__(
        self, service: str, status: int, document: Mapping[str, Any], retry_after_seconds: float | None
    ) -> None:
        self.service = service
        self.status = status
        self.kind = str(document.get("type", "")).removeprefix(TYPE_BASE)
        self.document = document
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"{service} answered {status} {self.kind}")


class RemoteAnswerInvalid(RemoteUnavailable):
    """The answer does not have the agreed form; treated like no answer, and never quoted."""


class ServiceClient:
    """Calls one service. Safe to share; keeps a connection pool; close it with the app."""

    def __init__(
        self,
        *,
        service: str,
        base_url: str,
        token_source: TokenSource,
        deadline_seconds: float = 10.0,
        attempt_timeout_seconds: float = 5.0,
        max_attempts: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._service = service
        self._tokens = token_source
        self._deadline_seconds = deadline_seconds
        self._max_attempts = max_attempts
        self._jitter = jitter
        self._base_url = base_url
        self._attempt_timeout_seconds = attempt_timeout_seconds
        self._transport = transport

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        """Made by the first call: a service defines a client of every other one, and each role calls few of them."""
        return httpx.AsyncClient(
            base_url=self._base_url,
            transport=self._transport,
            verify=trusted_authorities(),
            timeout=self._attempt_timeout_seconds,
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=20),
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if "_http" in self.__dict__:
            await self._http.aclose()

    async def get(self, path: str, answer: type[A], *, params: Params | None = None) -> A:
        """GET; retried. Raises RemoteProblem, RemoteUnavailable."""
        return await self._call("GET", path, answer, params=params, idempotent=True)

    async def ask(self, path: str, answer: type[A], *, body: BaseModel) -> A:
        """POST a question that changes nothing; retried. Raises RemoteProblem, RemoteUnavailable."""
        return await self._call("POST", path, answer, body=body, idempotent=True)

    async def command(
        self, path: str, answer: type[A], *, body: BaseModel | None, idempotency_key: str, method: str = "POST"
    ) -> A:
        """Send a command under a deterministic key; retried with the same key. Raises RemoteProblem,
        RemoteUnavailable.
        """
        return await self._call(
            method, path, answer, body=body, headers={HEADER: f'"{idempotency_key}"'}, idempotent=True
        )

    async def post_once(self, path: str, answer: type[A], *, body: BaseModel | None) -> A:
        """POST without a key: never retried. Raises RemoteProblem, RemoteUnavailable."""
        return await self._call("POST", path, answer, body=body, idempotent=False)

    async def _call(
        self,
        method: str,
        path: str,
        answer: type[A],
        *,
        idempotent: bool,
        params: Params | None = None,
        body: BaseModel | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> A:
        content = None if body is None else body.model_dump_json(by_alias=True).encode()
        request_headers = {"Accept": "application/json", **(headers or {})}
        if content is not None:
            request_headers["Content-Type"] = "application/json"
        attributes = {"http.request.method": method, "peer.service": self._service}
        with _tracer.start_as_current_span(
            f"{method} {self._service}", kind=SpanKind.CLIENT, attributes=attributes
        ) as span:
            propagate.inject(request_headers)
            try:
                async with asyncio.timeout(self._deadline_seconds):
                    response = await self._attempts(method, path, params, content, request_headers, idempotent)
            except TimeoutError as error:
                raise RemoteUnavailable(self._service, "deadline exceeded") from error
            span.set_attribute("http.response.status_code", response.status_code)
            return self._answer(response, answer)

    async def _attempts(
        self,
        method: str,
        path: str,
        params: Params | None,
        content: bytes | None,
        headers: dict[str, str],
        idempotent: bool,
    ) -> httpx.Response:
        ends_at = time.monotonic() + self._deadline_seconds
        renewed = False
        attempt = 0
        while True:
            attempt += 1
            last = not idempotent or attempt >= self._max_attempts
            wait_seconds = self._jitter(0.0, min(2.0, 0.05 * 2**attempt))
            try:
                headers["Authorization"] = f"Bearer {await self._tokens.token()}"
                response = await self._http.request(method, path, params=params, content=content, headers=headers)
            except TokenUnavailableError as error:
                raise RemoteUnavailable(self._service, "no access token") from error
            except httpx.TransportError as error:
                # Before a connection stood nothing was sent, so even a call without a key may be tried again.
                if attempt >= self._max_attempts or not (idempotent or isinstance(error, httpx.ConnectError)):
                    raise RemoteUnavailable(self._service, type(error).__name__) from error
            else:
                if response.status_code == 401 and not renewed:
                    renewed = True
                    self._tokens.forget()
                    continue
                if response.status_code not in RETRIED_STATUSES:
                    return response
                wait_seconds = max(wait_seconds, _retry_after_seconds(response) or 0.0)
                if last or time.monotonic() + wait_seconds >= ends_at:
                    raise RemoteUnavailable(self._service, f"answered {response.status_code}")
            await asyncio.sleep(wait_seconds)

    def _answer(self, response: httpx.Response, answer: type[A]) -> A:
        if response.is_success:
            try:
                return TypeAdapter(answer).validate_json(response.content or b"null")
            except ValidationError as error:
                fields = ", ".join("/".join(map(str, e["loc"])) for e in error.errors(include_input=False)[:5])
                raise RemoteAnswerInvalid(self._service, f"answer does not have the agreed form at {fields}") from None
        raise RemoteProblem(self._service, response.status_code, _document(response), _retry_after_seconds(response))


def _document(response: httpx.Response) -> Mapping[str, Any]:
    try:
        document = json.loads(response.content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _retry_after_seconds(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else None
