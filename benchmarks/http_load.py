"""Requests over HTTP/1.1, closed loop and open loop, by a client lean enough to share two cores with what it measures.

A connection carries one request at a time; httpx, which the services use, would cost more than the route measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

_CONTENT_LENGTH: Final = b"content-length:"
_READY_CONNECTIONS: Final = 256


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and body of one answer."""

    status: int
    body: bytes


@dataclass
class Connection:
    """One kept-alive connection to a service on this machine."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, request: bytes) -> Reply:
        """Send, and read the whole answer. Raises asyncio.IncompleteReadError when the server hangs up."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line[:15].lower() == _CONTENT_LENGTH:
                length = int(line[15:])
        return Reply(int(head[9:12]), await self.reader.readexactly(length))

    async def close(self) -> None:
        """Hang up; that the server did so before is no matter."""
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@dataclass
class Load:
    """Requests against one address; `headers` go with each, an idempotency key of its own beside them."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def request(self, path: str, body: bytes) -> bytes:
        """A POST of JSON as it goes over the wire."""
        place = urlsplit(self.url)
        lines = [
            f"POST {path} HTTP/1.1", f"Host: {place.netloc}", "Content-Type: application/json",
            f"Content-Length: {len(body)}", f"Idempotency-Key: {uuid4().hex}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]  # fmt: skip
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    async def open(self) -> Connection:
        """A connection, to be closed by the caller."""
        place = urlsplit(self.url)
        return Connection(*await asyncio.open_connection(place.hostname, place.port, limit=16 * 1024 * 1024))

    async def closed_loop(self, requests: Sequence[bytes], *, callers: int) -> tuple[float, list[Reply]]:
        """Each caller sends its next request when the last was answered. Seconds, and all answers."""
        waiting: Iterator[bytes] = iter(requests)
        replies: list[Reply] = []

        async def caller() -> None:
            connection = await self.open()
            for request in waiting:
                replies.append(await connection.send(request))
            await connection.close()

        started = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(callers)))
        return time.perf_counter() - started, replies

    async def open_loop(self, requests: Sequence[bytes], *, rate: float) -> tuple[list[float], list[Reply]]:
        """Send at a steady pace whatever comes back; seconds from the moment each was *meant* to be sent."""
        free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        taken: list[float] = []
        replies: list[Reply] = []

        async def one(request: bytes, meant: float) -> None:
            connection = await free.get()
            if connection.reader.at_eof():
                connection = await self.open()  # the server closes what was idle for a while
            replies.append(await connection.send(request))
            taken.append(time.perf_counter() - meant)
            free.put_nowait(connection)

        for _ in range(_READY_CONNECTIONS):
            free.put_nowait(await self.open())
        async with asyncio.TaskGroup() as group:
            start = time.perf_counter()
            for number, request in enumerate(requests):
                if (wait := start + number / rate - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                group.create_task(one(request, start + number / rate))
        while not free.empty():
            await free.get_nowait().close()
        return taken, replies
