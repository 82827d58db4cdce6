"""Sizes, slow bodies, NUL characters, time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.responses import StreamingResponse
from starlette.types import Message

from shared.security.callers import Caller, scope

BODY = {"amount": {"amount_minor": 5}, "phone": "+8613800000000"}


def client_of(app: FastAPI, token: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://visits.test", headers=headers)


@pytest.fixture
async def small(make_app: Callable[..., FastAPI], token: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(make_app(body_limit_bytes=1000), token) as client:
        yield client


async def chunks(size: int, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * size


async def test_declared_size_over_limit(small: httpx.AsyncClient) -> None:
    response = await small.post("/v1/echo", content=b" " * 1001)
    assert response.status_code == 413
    assert response.json()["limit_bytes"] == 1000
    assert response.headers["connection"] == "close"


async def test_chunked_size_over_limit(small: httpx.AsyncClient) -> None:
    response = await small.post("/v1/echo", content=chunks(100, 11))
    assert response.status_code == 413
    assert response.json()["type"].endswith("/body-too-large")


async def test_false_declared_size_is_still_counted(make_app: Callable[..., FastAPI]) -> None:
    sent: list[Message] = []
    messages = [{"type": "http.request", "body": b" " * 600, "more_body": True}] * 3

    async def receive() -> Message:
        return messages.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    scope_ = {
        "type": "http",
        "method": "POST",
        "path": "/v1/echo",
        "raw_path": b"/v1/echo",
        "query_string": b"",
        "headers": [(b"content-length", b"10")],
    }
    await make_app(body_limit_bytes=1000)(scope_, receive, send)
    assert sent[0]["status"] == 413


async def test_chunked_size_within_limit_passes(small: httpx.AsyncClient) -> None:
    response = await small.post("/v1/echo", content=chunks(100, 10))
    assert response.status_code == 400  # blanks are not JSON, but they were read


async def test_slow_body(make_app: Callable[..., FastAPI], token: str) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(5)
        yield b"}"

    async with client_of(make_app(body_timeout_seconds=0.1), token) as client:
        response = await client.post("/v1/echo", content=slow())
    assert response.status_code == 408


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (b'{"amount":{"amount_minor":5},"phone":"+86\\u0000138"}', "/phone"),
        (b'{"a":[1,{"b":"\\u0000"}]}', "/a/1/b"),
        (b'{"a\\u0000":1}', ""),
        (b'"\\u0000"', ""),
    ],
)
async def test_nul_in_body_is_named(small: httpx.AsyncClient, content: bytes, pointer: str) -> None:
    response = await small.post("/v1/echo", content=content)
    assert response.status_code == 422
    assert response.json()["errors"][0] == {
        "in": "body",
        "pointer": pointer,
        "kind": "nul",
        "detail": "contains the NUL character",
    }


@pytest.mark.parametrize("content", [b'{"phone":"\\ud800"}', b'{"phone":"\\uDC00\\uD83D"}'])
async def test_half_of_a_pair_is_named(small: httpx.AsyncClient, content: bytes) -> None:
    response = await small.post("/v1/echo", content=content)
    assert response.status_code == 422
    assert [(error["pointer"], error["kind"]) for error in response.json()["errors"]] == [("/phone", "surrogate")]


async def test_whole_pair_is_text(small: httpx.AsyncClient) -> None:
    response = await small.post("/v1/echo", content=b'{"amount":{"amount_minor":5},"phone":"\\ud83d\\ude00"}')
    assert [error["kind"] for error in response.json()["errors"]] == ["string_pattern_mismatch"]


@pytest.mark.parametrize(
    "content", [b'{"phone":"\xed\xa0\x80"}', b'{"phone":"\xff"}', '{"phone":"1"}'.encode("utf-16"), b"[]\x00"]
)
async def test_other_encodings_than_utf8(small: httpx.AsyncClient, content: bytes) -> None:
    response = await small.post("/v1/echo", content=content)
    assert response.status_code == 400
    assert response.json()["errors"][0]["detail"] == "is not JSON in UTF-8"


async def test_escaped_backslash_before_u0000_is_not_nul(small: httpx.AsyncClient) -> None:
    response = await small.post("/v1/echo", content=b'{"amount":{"amount_minor":5},"phone":"\\\\u0000"}')
    assert [error["kind"] for error in response.json()["errors"]] == ["string_pattern_mismatch"]


@pytest.mark.parametrize("path", ["/v1/things/a%00b", "/v1/things?cursor=%00"])
async def test_nul_in_address(small: httpx.AsyncClient, path: str) -> None:
    assert (await small.get(path)).status_code == 422


async def test_request_that_takes_too_long(make_app: Callable[..., FastAPI], token: str) -> None:
    router = APIRouter()

    @router.get("/v1/slow")
    async def slow(caller: Annotated[Caller, Depends(scope("visits.read"))]) -> None:
        await asyncio.sleep(5)

    async with client_of(make_app(router, request_timeout_seconds=0.1), token) as client:
        response = await client.get("/v1/slow")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"


async def _stream(make_app: Callable[..., FastAPI], token: str, *pauses_seconds: float) -> httpx.Response:
    """What comes of an answer in parts, after these pauses, where each may take a second."""
    router = APIRouter()

    @router.get("/v1/parts")
    async def parts(caller: Annotated[Caller, Depends(scope("visits.read"))]) -> StreamingResponse:
        async def content() -> AsyncIterator[bytes]:
            for pause in pauses_seconds:
                await asyncio.sleep(pause)
                yield b"part"

        return StreamingResponse(content())

    async with client_of(make_app(router, request_timeout_seconds=1), token) as client:
        return await client.get("/v1/parts")


async def test_long_stream_is_not_cut(make_app: Callable[..., FastAPI], token: str) -> None:
    """Together longer than a request may take; no part is."""
    response = await _stream(make_app, token, *[0.15] * 8)
    assert (response.status_code, response.content) == (200, b"part" * 8)


async def test_stream_that_stalls_is_cut(make_app: Callable[..., FastAPI], token: str) -> None:
    with pytest.raises(TimeoutError):
        await _stream(make_app, token, 0, 5)
