"""The floor of the same rows: what compliance wrote for these permits, written again by a route that decides nothing.

FastAPI reads the same body with the same model; requests that wait together are one transaction, as in compliance; each
commits its share of the rows that compliance's permits left, in the same tables with the same indexes, by COPY from
memory: no lock, no read, no signature, no key. Rows that were gone by then (published events, the queue of the tree)
are not written again. Run as a process of its own: `python -m benchmarks.same_permit_rows SOURCE_URL TARGET_URL PORT`.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import uvicorn
from fastapi import FastAPI

from services.compliance.schemas.permits import PermitRequests
from shared.web.group_commit import TOGETHER

# All that a permit writes and that stays; `decision` has one row for each.
_TABLES: Final = (
    "decision", "permit", "party_chain", "party_key", "leaf_salt", "log_entry", "idempotency_key", "sequence_issued",
    "key_use",
)  # fmt: skip


class Rows:
    """The rows of each table as lines of COPY, dealt out permit by permit."""

    def __init__(self, lines: dict[str, list[bytes]]) -> None:
        self._lines = lines
        self._permits = len(lines["decision"])
        self._dealt = 0

    @classmethod
    async def written(cls, url: str) -> Rows:
        """What stands in the database."""
        connection = await asyncpg.connect(url)
        found = {}
        for table in _TABLES:
            content = io.BytesIO()
            await connection.copy_from_query(f"SELECT * FROM {table}", output=content)
            found[table] = content.getvalue().splitlines(keepends=True)
        await connection.close()
        return cls(found)

    def deal(self, permits: int) -> dict[str, bytes]:
        """The rows of the next permits. Raises ValueError when there are no more."""
        first, self._dealt = self._dealt, self._dealt + permits
        if self._dealt > self._permits:
            raise ValueError(f"only {self._permits} permits were written")
        return {
            table: b"".join(lines[len(lines) * first // self._permits : len(lines) * self._dealt // self._permits])
            for table, lines in self._lines.items()
        }


class Together:
    """Requests that wait at the same time, in one transaction."""

    def __init__(self, connection: asyncpg.Connection, rows: Rows) -> None:
        self._connection = connection
        self._rows = rows
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._lane: asyncio.Task[None] | None = None

    async def commit(self) -> None:
        """Returns once the share of this request is committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        if self._lane is None or self._lane.done():
            self._lane = asyncio.create_task(self._run())
        await done

    async def _run(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
            try:
                async with self._connection.transaction():
                    for table, content in self._rows.deal(len(group)).items():
                        await self._connection.copy_to_table(table, source=io.BytesIO(content))
            except (ValueError, asyncpg.PostgresError) as error:
                for one in group:
                    one.set_exception(error)
                continue
            for one in group:
                one.set_result(None)


def app(source_url: str, target_url: str) -> FastAPI:
    """The route. The target is a copy of the source, and its rows of these tables are dropped first."""
    lanes: list[Together] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        rows = await Rows.written(source_url)
        connection = await asyncpg.connect(target_url)
        # The tables only grow: their triggers refuse even their owner.
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(f"TRUNCATE {', '.join(_TABLES)} CASCADE")
        await connection.execute("SET session_replication_role = origin")
        lanes.append(Together(connection, rows))
        yield
        await connection.close()

    made = FastAPI(lifespan=lifespan)

    @made.get("/health/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @made.post("/v1/permits")
    async def same_rows(body: PermitRequests) -> dict[str, int]:
        await lanes[0].commit()
        return {"items": len(body.items)}

    return made


def main(source_url: str, target_url: str, port: str) -> None:
    """Serve until stopped."""
    uvicorn.run(app(source_url, target_url), host="127.0.0.1", port=int(port), access_log=False, log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
