"""An API on a real database that holds the platform tables and one table of effects."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from pydantic import SecretStr
from sqlalchemy import Connection, text

from shared.clock import SystemClock
from shared.database import Database, platform_tables
from shared.embedded.servers import EmbeddedServers
from shared.security.clients import DevelopmentClient
from shared.security.issuer import DevelopmentIssuer, create_issuer_app
from shared.security.tokens import TokenVerifier
from shared.settings import ServiceSettings
from shared.web.app import ApiDefinition, create_app
from tests.databases import Shelf, prepared

ISSUER = "http://issuer.test"
CLIENT = DevelopmentClient(client_id="demo-driver", client_secret="s" * 24, scopes=frozenset({"visits.check-in"}))


class Statements:
    """The part of Alembic's operations that the platform tables need."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, sqltext: str) -> None:
        self._connection.execute(text(sqltext))

    def get_bind(self) -> Connection:
        return self._connection


def make_tables(connection: Connection) -> None:
    platform_tables.create(Statements(connection))
    platform_tables.remember_newest_events(Statements(connection))
    platform_tables.seal_answers(Statements(connection))
    connection.execute(text("CREATE TABLE effect (number integer NOT NULL)"))
    connection.execute(text("GRANT SELECT, INSERT ON effect TO test_platform"))


@pytest.fixture
async def settings(
    postgres: str, servers: EmbeddedServers, shelf: Shelf, tmp_path: Path
) -> AsyncIterator[ServiceSettings]:
    new = partial(prepared, postgres, role="test_platform", password=servers.home.password, prepare=make_tables)
    async with shelf.lease(postgres, "web", new) as made:
        yield ServiceSettings(
            environment="development", database_url=SecretStr(made.url), kafka_bootstrap="127.0.0.1:9",
            oidc_issuer=ISSUER, key_folder=tmp_path,
        )  # fmt: skip


@pytest.fixture
async def database(settings: ServiceSettings, shelf: Shelf) -> AsyncIterator[Database]:
    async with shelf.opened(settings, SystemClock(), service="visits") as opened:
        yield opened


@dataclass
class Api:
    """The running API, its tokens, and how many effects were committed."""

    http: httpx.AsyncClient
    issuer: DevelopmentIssuer
    database: Database
    transport: httpx.ASGITransport
    key: str = "k-1"
    body: dict[str, Any] = field(default_factory=lambda: {"number": 1})

    async def post(
        self, path: str = "/v1/effects", *, key: str | None = None, subject: str = "somebody", body: Any = None
    ) -> httpx.Response:
        token = self.issuer.sign({"sub": subject, "client_id": "demo-driver", "scope": "visits.check-in"})
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key or self.key}
        return await self.http.post(path, json=self.body if body is None else body, headers=headers)

    async def effects(self) -> int:
        async with self.database.read_only() as uow:
            return int(await uow.sql.fetchval("SELECT count(*) FROM effect"))


@pytest.fixture
async def serve(settings: ServiceSettings, database: Database) -> AsyncIterator[Callable[[APIRouter], Api]]:
    """`serve(router)` runs an API."""
    issuer = DevelopmentIssuer(issuer=ISSUER, audience="doorstep", tenant="bank", clients={"demo-driver": CLIENT})
    transport = httpx.ASGITransport(create_issuer_app(issuer))
    clients: list[httpx.AsyncClient] = []

    def run(router: APIRouter) -> Api:
        app = create_app(
            ApiDefinition(
                service="visits",
                title="Visits",
                description="For tests.",
                routers=[router],
                settings=settings,
                database=database,
                verifier=TokenVerifier.from_settings(settings, SystemClock(), transport=transport),
            )
        )
        inner = httpx.ASGITransport(app)
        clients.append(httpx.AsyncClient(transport=inner, base_url="http://visits.test"))
        return Api(clients[-1], issuer, database, inner)

    yield run
    for client in clients:
        await client.aclose()
