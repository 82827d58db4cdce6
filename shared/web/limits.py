"""What no route has to think about: body size, slow bodies, text that nobody can keep, and the time a request takes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.web.problem_responses import problem_response
from shared.web.problems import (
    BodyNotReceived,
    BodyTooLarge,
    FieldError,
    InvalidRequest,
    MalformedBody,
    Problem,
    TemporarilyUnavailable,
)

NUL_DETAIL: Final = "contains the NUL character"
SURROGATE_DETAIL: Final = "contains half of a surrogate pair"
# How JSON can smuggle in what is no text: NUL, and halves of pairs. Whole pairs are looked at and found innocent.
_SUSPECT: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class _ClientGoneError(Exception):
    """The client closed the connection before its body was complete."""


class RequestLimits:
    """ASGI middleware. Bodies are small documents, so each is read whole, and checked, before the app sees the
    request. `request_timeout_seconds`: for an answer, or, where it is sent in parts, for each part to be made and
    taken: an export of a million leaves may go on for as long as it goes on.
    """

    def __init__(
        self, app: ASGIApp, *, body_limit_bytes: int, body_timeout_seconds: float, request_timeout_seconds: float
    ) -> None:
        self._app = app
        self._body_limit_bytes = body_limit_bytes
        self._body_timeout_seconds = body_timeout_seconds
        self._request_timeout_seconds = request_timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with 408, 413 or 422, answer 503 when the app takes too long, otherwise pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)
            if message.get("more_body", False):
                limit.reschedule(asyncio.get_running_loop().time() + self._request_timeout_seconds)

        headers, now = Headers(scope=scope), asyncio.get_running_loop().time
        received = False
        try:
            _refuse_nul_in_address(scope)
            # One timer, first for the body and then for the answer.
            async with asyncio.timeout(self._body_timeout_seconds) as limit:
                body = await self._read(headers, receive)
                received = True
                _refuse_what_is_no_text(headers, body)
                limit.reschedule(now() + self._request_timeout_seconds)
                await self._app(scope, Replay(body, receive), watched_send)
        except _ClientGoneError:
            return
        except Problem as problem:
            await problem_response(problem)(scope, receive, send)
        except TimeoutError:
            if started or not limit.expired():
                raise
            if not received:
                await problem_response(BodyNotReceived())(scope, receive, send)
                return
            # The effect may or may not have been committed; repeating with the same key finds out.
            await problem_response(TemporarilyUnavailable("took too long", retry_after_seconds=1))(scope, receive, send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes:
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._body_limit_bytes:
            raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _ClientGoneError
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self._body_limit_bytes:
                raise self._too_large()
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _too_large(self) -> BodyTooLarge:
        # What is still on its way will not be read, so the connection cannot be used again.
        return BodyTooLarge(headers={"Connection": "close"}, limit_bytes=self._body_limit_bytes)


class Replay:
    """Hands the app the body that was already read, then the connection's own messages."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _refuse_nul_in_address(scope: Scope) -> None:
    if "\x00" in scope["path"]:
        raise InvalidRequest(errors=[FieldError("path", "", "nul", NUL_DETAIL)])
    if b"%00" in scope.get("query_string", b""):
        raise InvalidRequest(errors=[FieldError("query", "", "nul", NUL_DETAIL)])


def _refuse_what_is_no_text(headers: Headers, body: bytes) -> None:
    """JSON is UTF-8 (RFC 8259); PostgreSQL's text holds no NUL, and UTF-8 no half of a surrogate pair: refused here
    once, rather than failing in some column or digest later.
    """
    if not body or "json" not in headers.get("content-type", "json"):
        return
    if b"\x00" in body or not _is_utf8(body):
        raise MalformedBody(errors=[FieldError("body", "", "json_invalid", "is not JSON in UTF-8")])
    if not _SUSPECT.search(body):
        return
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return  # the app answers for what is not JSON
    errors = [FieldError("body", pointer, kind, detail) for pointer, kind, detail in _no_texts(document)]
    if errors:
        raise InvalidRequest(errors=errors[:50])


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _no_texts(document: Any) -> Iterator[tuple[str, str, str]]:
    """Where something is no text, which kind of thing, and how to say so; of a name, where its object is."""
    pending: list[tuple[str, Any]] = [("", document)]
    while pending:
        pointer, value = pending.pop()
        if isinstance(value, str) and (refused := _no_text(value)):
            yield pointer, *refused
        elif isinstance(value, list):
            pending += [(f"{pointer}/{index}", item) for index, item in enumerate(value)]
        elif isinstance(value, dict):
            wrong = {name: refused for name in value if (refused := _no_text(name))}
            yield from ((pointer, *refused) for refused in wrong.values())
            pending += [(f"{pointer}/{name}", item) for name, item in value.items() if name not in wrong]


def _no_text(text: str) -> tuple[str, str] | None:
    if "\x00" in text:
        return "nul", NUL_DETAIL
    return ("surrogate", SURROGATE_DETAIL) if _SURROGATE.search(text) else None
