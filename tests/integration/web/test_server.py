"""The limits on a real socket: what ASGI tests cannot show."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Annotated

import pytest
import uvicorn
from fastapi import APIRouter, Depends

from shared.security.callers import Caller, scope
from tests.integration.web.conftest import Api


class AnnouncedServer(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()


@pytest.fixture
async def port(serve: Callable[[APIRouter], Api]) -> AsyncIterator[int]:
    router = APIRouter()

    @router.post("/v1/echo")
    async def echo(
        body: dict[str, int], caller: Annotated[Caller, Depends(scope("visits.check-in"))]
    ) -> dict[str, int]:
        """The same."""
        return body

    app = serve(router).transport.app
    listener = socket.create_server(("127.0.0.1", 0))
    server = AnnouncedServer(uvicorn.Config(app, log_config=None, access_log=False))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    await server.ready.wait()
    yield int(listener.getsockname()[1])
    server.should_exit = True
    await running


async def answer(port: int, *parts: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
    for part in parts:
        writer.write(part)
    await writer.drain()
    line = await asyncio.wait_for(reader.readline(), 60)
    writer.close()
    return line.decode().split()[1]


async def test_chunked_body_over_limit(port: int) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    assert await answer(port, b"Transfer-Encoding: chunked\r\n\r\n", *([chunk] * 17)) == "413"


async def test_large_declared_body_is_refused_unread(port: int) -> None:
    assert await answer(port, b"Content-Length: 99999999\r\n\r\n") == "413"


async def test_small_chunked_body_is_read(port: int) -> None:
    assert await answer(port, b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n") == "401"
