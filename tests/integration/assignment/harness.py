"""A service on a real database: topics by direct delivery, the API over ASGI, clocks by hand, neighbours played."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import APIRouter

from shared.clock import FixedClock
from shared.database import Database
from shared.events import Event, Received
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE
from shared.messaging import InboxKey, IntentHandler, Outcome, Subscription
from shared.messaging.liveness import Pulse
from shared.messaging.worker import Worker
from shared.security.clients import DevelopmentClient
from shared.security.issuer import DevelopmentIssuer, create_issuer_app
from shared.security.scopes import scopes_of
from shared.security.tokens import TokenVerifier
from shared.settings import ServiceSettings
from shared.web.app import ApiDefinition, create_app
from shared.web.client import ServiceClient
from tests.databases import Shelf

ISSUER = "http://issuer.test"
Play = Callable[[str, Any], tuple[int, Any]]


class _Token:
    async def token(self) -> str:
        return "a-token"

    def forget(self) -> None:
        return


class Neighbour:
    """Another service: answers by `play(path, body)`, remembers what it was asked, and can be down."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.down = False
        self.asked: list[tuple[str, Any, str | None]] = []

    def client(self, name: str) -> ServiceClient:
        """A client of it."""
        return ServiceClient(
            service=name,
            base_url=f"http://{name}.test",
            token_source=_Token(),
            transport=httpx.MockTransport(self._answer),
            max_attempts=1,
        )

    def paths(self) -> list[str]:
        """Paths asked, in order."""
        return [path for path, _, _ in self.asked]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("down")
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.url.path, body, request.headers.get("idempotency-key")))
        status, answer = self.play(request.url.path, body)
        return httpx.Response(status, json=answer)


@dataclass
class Desk:
    """The service without its broker."""

    database: Database
    clock: FixedClock
    subscriptions: Sequence[Subscription]
    handlers: Sequence[IntentHandler]
    http: httpx.AsyncClient
    issuer: DevelopmentIssuer
    offsets: itertools.count[int] = field(default_factory=itertools.count)

    async def deliver(self, topic: str, *facts: tuple[str, EventData]) -> dict[InboxKey, Outcome]:
        """Hand facts to the topic's handler as one batch, parties locked; the outcomes that are not `applied`."""
        subscription = next(each for each in self.subscriptions if each.topic == topic)
        batch = [Received(self._event(name, data), topic, 0, next(self.offsets)) for name, data in facts]
        async with self.database.unit_of_work() as uow:
            await uow.lock_parties([each.event.party_id for each in batch if each.event.party_id is not None])
            return dict(await subscription.handle(uow, batch))

    async def work(self, *kinds: str) -> None:
        """Carry out what is due now, of `kinds` or of all kinds, until nothing is due; postponed intents stay."""
        worker = Worker(self.database, self.handlers, pulse=Pulse("worker"))
        busy = True
        while busy:
            busy = False
            for handler in self.handlers:
                if not kinds or handler.kind in kinds:
                    busy = await worker.work_once(handler) or busy

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """What was published, oldest first: type and data."""
        async with self.database.read_only() as uow:
            rows = await uow.sql.fetch("SELECT value, headers FROM outbox ORDER BY seq")
        return [(_type_of(bytes(row["headers"])), json.loads(bytes(row["value"]))) for row in rows]

    async def types(self) -> list[str]:
        """Types published, oldest first."""
        return [name for name, _ in await self.events()]

    async def post(self, path: str, body: dict[str, Any], *, key: str | None = None) -> httpx.Response:
        """A command."""
        return await self.http.post(path, json=body, headers=self._headers() | {"Idempotency-Key": key or uuid4().hex})

    async def get(self, path: str, **params: Any) -> httpx.Response:
        """A question."""
        return await self.http.get(path, params=params, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        scopes = " ".join(sorted(scopes_of("demo-driver")))
        token = self.issuer.sign({"sub": "test", "client_id": "demo-driver", "scope": scopes})
        return {"Authorization": f"Bearer {token}"}

    def _event(self, name: str, data: EventData) -> Event[EventData]:
        party_id: UUID = data.party_id  # type: ignore[attr-defined]
        return Event(
            id=str(uuid4()), source="/services/test", type=name, version=1, tenant="bank", key=str(party_id),
            party_id=party_id, aggregate_type="test", aggregate_id=str(party_id), sequence=1, time=self.clock.business,
            recorded_time=self.clock.real, correlation_id="c", causation_id="", traceparent="", data=data,
        )  # fmt: skip


def _type_of(headers: bytes) -> str:
    from shared.messaging.outbox import unpack_headers

    name = dict(unpack_headers(headers))["ce_type"].decode()
    assert name in CATALOGUE
    return name


@asynccontextmanager
async def open_desk(
    settings: ServiceSettings,
    *,
    service: str,
    shelf: Shelf,
    now: datetime,
    build: Callable[[Database], tuple[Sequence[Subscription], Sequence[IntentHandler], APIRouter | list[APIRouter]]],
) -> AsyncIterator[Desk]:
    """A service of `build(database)`, with its router or routers, on the database of `settings`."""
    clock = FixedClock(now, datetime.now(UTC))
    driver = DevelopmentClient(client_id="demo-driver", client_secret="s" * 24, scopes=scopes_of("demo-driver"))
    issuer = DevelopmentIssuer(
        issuer=ISSUER, audience="doorstep", tenant="bank", clients={"demo-driver": driver}, real_now=clock.real_now
    )  # fmt: skip
    verifier = TokenVerifier.from_settings(settings, clock, transport=httpx.ASGITransport(create_issuer_app(issuer)))
    async with shelf.opened(settings, clock, service=service) as database:
        subscriptions, handlers, router = build(database)
        app = create_app(
            ApiDefinition(
                service=service, title=service, description=service,
                routers=router if isinstance(router, list) else [router], settings=settings, database=database,
                verifier=verifier,
            )
        )  # fmt: skip
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{service}.test") as http:
            yield Desk(database, clock, subscriptions, handlers, http, issuer)
