"""The core's ports (docs/rooms.md): what intake asks for balance checks and reconciliation, and what it tells back.

Simulation only: it listens on the loopback address and holds made-up people, so it asks for no token.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI, Query

from simulation.core.ledger import Ledger

MAX_REFERENCES = 200
MAX_PAGE = 1000
_START_TIMEOUT_SECONDS = 10


def balance_port(ledger: Ledger) -> FastAPI:
    """The port's application over `ledger`."""
    app = FastAPI(title="Simulated bank core", docs_url=None, redoc_url=None)

    @app.get("/v1/balances")
    async def balances(
        loan_ref: Annotated[list[str] | None, Query(max_length=MAX_REFERENCES)] = None,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = MAX_PAGE,
    ) -> dict[str, Any]:
        """Named loans, or a page of all of them in order of reference."""
        if loan_ref is not None:
            known = [ledger.loans[reference] for reference in loan_ref if reference in ledger.loans]
            return {"items": [ledger.balance_row(loan) for loan in known], "next": None}
        references = [reference for reference in ledger.loans if reference > after]
        page = references[:limit]
        return {
            "items": [ledger.balance_row(ledger.loans[reference]) for reference in page],
            "next": page[-1] if len(references) > limit else None,
        }

    @app.post("/v1/write-backs")
    async def write_back(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        """What the services agreed, held and did: each item is kept once, by its id; nobody unknown is taken."""
        return {"items": [ledger.take_back(item) for item in body["items"]]}

    @app.get("/v1/control-totals")
    async def control_totals() -> dict[str, Any]:
        """Open loans and sums per currency, for the whole book."""
        late = ledger.late_loans()
        return {
            "business_date": ledger.business_date.isoformat(),
            "open_loans": len(late),
            "overdue_minor": {"TWD": sum(loan.overdue for loan in late)},
            "balance_minor": {"TWD": sum(loan.balance for loan in ledger.loans.values())},
        }

    return app


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals stay with the process that runs the simulation."""
        yield


@asynccontextmanager
async def served(ledger: Ledger, *, host: str, port: int) -> AsyncIterator[None]:
    """The port listens inside this context. Raises TimeoutError when it cannot start."""
    async with listening(balance_port(ledger), host=host, port=port):
        yield


@asynccontextmanager
async def listening(app: FastAPI, *, host: str, port: int) -> AsyncIterator[int]:
    """`app` listens inside this context, on the port that it yields (0: any). Raises TimeoutError."""
    server = _Server(uvicorn.Config(app, host=host, port=port, log_level="error", access_log=False))
    task = asyncio.create_task(server.serve(), name="simulated core")
    try:
        async with asyncio.timeout(_START_TIMEOUT_SECONDS):
            await server.listening.wait()
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await task
