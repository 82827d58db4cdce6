"""The floor of a durable route: FastAPI reads the same body with the same model, commits one row, and answers.

Run as a process of its own: `python -m benchmarks.one_row DATABASE_URL PORT`.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import uvicorn
from fastapi import FastAPI

from services.compliance.schemas.permits import PermitRequests

_TABLE = """
DROP TABLE IF EXISTS floor_permit;
CREATE TABLE floor_permit (id uuid PRIMARY KEY, party_id uuid NOT NULL, asked jsonb NOT NULL)
"""


def app(database_url: str) -> FastAPI:
    """The route on a pool as large as a service's."""
    pools: list[asyncpg.Pool] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(database_url, min_size=12, max_size=12) as pool:
            await pool.execute(_TABLE)
            pools.append(pool)
            yield

    made = FastAPI(lifespan=lifespan)

    @made.get("/health/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @made.post("/v1/permits")
    async def one_row(body: PermitRequests) -> dict[str, UUID]:
        row = uuid4()
        item = body.items[0]
        await pools[0].execute(
            "INSERT INTO floor_permit VALUES ($1, $2, $3)", row, item.party_id, item.model_dump_json()
        )
        return {"id": row}

    return made


def main(database_url: str, port: str) -> None:
    """Serve until stopped."""
    uvicorn.run(app(database_url), host="127.0.0.1", port=int(port), access_log=False, log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
