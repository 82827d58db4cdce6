"""Visits on a real database, with the other services played by small HTTP answers and the topics by direct delivery."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import BaseModel

from services.visits import consumers, intents
from services.visits.api import ROUTERS
from services.visits.remote import Neighbours
from services.visits.settings import VisitSettings
from shared.balances import ANSWER_KIND, BalanceChecks
from shared.clock import FixedClock, SystemClock
from shared.database import Database
from shared.events import Event, Received
from shared.events.base import TimeWindow
from shared.events.case import CaseOpened
from shared.events.compliance import PermitRevoked
from shared.events.platform import ServiceHeartbeat
from shared.events.stop import PartyStopped
from shared.events.visit import VisitAssigned, VisitProposed
from shared.ids import draw_shard, entity_id
from shared.messaging import InboxKey, Outcome, intent_store
from shared.messaging.outbox import unpack_headers
from shared.security.clients import DevelopmentClient
from shared.security.issuer import DevelopmentIssuer, create_issuer_app
from shared.security.key_cache import KeyCache
from shared.security.scopes import scopes_of
from shared.security.signing import SigningKey
from shared.security.tokens import TokenVerifier
from shared.web.app import ApiDefinition, create_app
from shared.web.client import ServiceClient
from tests.databases import Shelf

ISSUER: Final = "http://issuer.test"
CELL: Final = "88309a5915fffff"
HOME: Final = {"lat": 30.1558, "lon": 119.9634, "crs": "WGS84"}
START: Final = datetime(2026, 3, 11, 2, 0, tzinfo=UTC)
REAL: Final = datetime.now(UTC)
DRIVER: Final = DevelopmentClient(
    client_id="demo-driver", client_secret="s" * 24, scopes=scopes_of("demo-driver"), acts_for_others=True
)


class _Token:
    async def token(self) -> str:
        return "a-token"

    def forget(self) -> None:
        return


class Others:
    """Compliance, intake and assignment: they answer what they are told to, and remember what they were asked."""

    def __init__(self, key: SigningKey, balance_key: SigningKey) -> None:
        self.key = key
        self.balance_key = balance_key
        self.overdue_minor = 125_000
        self.answer: dict[str, Any] = {"decision": "allow"}
        self.down = False
        self.trace_problem: str | None = None
        self.day_problem: str | None = None
        self.asked: list[tuple[str, Any]] = []
        self.keys: list[tuple[str, str | None]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("down")
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.url.path, body))
        self.keys.append((request.url.path, request.headers.get("Idempotency-Key")))
        if request.url.path == "/v1/permits":
            items = [
                {"request_id": i["request_id"], "decision_id": str(uuid4()), "reasons": [], "permit_id": str(uuid4())}
                | self.answer
                for i in body["items"]
            ]
            return httpx.Response(200, json={"items": items})
        if request.url.path == "/v1/traces":
            problem = self.trace_problem and {"type": f"https://doorstep.example/problems/{self.trace_problem}"}
            items = [{"position": place, "problem": problem} for place in range(len(body["items"]))]
            return httpx.Response(200, json={"items": items})
        if request.url.path.endswith("/days") and self.day_problem:
            problem = {"type": f"https://doorstep.example/problems/{self.day_problem}", "status": 403}
            return httpx.Response(403, json=problem, headers={"content-type": "application/problem+json"})
        if request.url.path == "/v1/permit-keys":
            return httpx.Response(200, json={"keys": self.key.public_keys()})
        if request.url.path == "/v1/parties/points":
            return httpx.Response(200, json={"items": [i | {"point": HOME} for i in body["items"]]})
        if request.url.path == "/v1/balance-checks":
            return httpx.Response(200, json={"items": [{"answer": self._balance(item)} for item in body["items"]]})
        if request.url.path == "/.well-known/jwks.json":
            return httpx.Response(200, json={"keys": self.balance_key.public_keys()})
        if request.url.path == "/v1/collectors":
            names = [{"collector_id": str(member), "name": f"Collector {n}"} for n, member in enumerate(World.crew)]
            return httpx.Response(200, json={"items": names, "next": None})
        return httpx.Response(200, json={})

    def _balance(self, item: dict[str, Any]) -> str:
        document = {
            "iss": "intake", "sub": item["party_id"], "case_id": item["case_id"], "as_of": REAL.isoformat(),
            "overdue_totals": [{"amount_minor": self.overdue_minor, "currency": "CNY"}],
        }  # fmt: skip
        return self.balance_key.sign_document(document, kind=ANSWER_KIND)

    def paths(self) -> list[str]:
        """What was asked, in order."""
        return [path for path, _ in self.asked]


class World:
    """One party and its visits service."""

    crew: Final = [UUID(int=0xA), UUID(int=0xB)]

    def __init__(
        self, database: Database, clock: FixedClock, others: Others, neighbours: Neighbours, total_key: SigningKey
    ) -> None:
        self.database = database
        self.clock = clock
        self.others = others
        shard = draw_shard()
        self.party_id, self.case_id, self.visit_id, self.permit_id = (entity_id(shard) for _ in range(4))
        self.window = TimeWindow(start=START + timedelta(hours=20), end=START + timedelta(hours=24))
        self.api: httpx.AsyncClient
        self.issuer: DevelopmentIssuer
        self.subscriptions = {s.topic: s for s in consumers.subscriptions(link_secret=lambda: b"k" * 32)}
        self.total_key = total_key
        self.handlers = intents.handlers(
            database=lambda: database, neighbours=lambda: neighbours, total_key=lambda: total_key
        )
        self._sequence = itertools.count(1)

    async def deliver(self, topic: str, *events: tuple[str, BaseModel]) -> dict[InboxKey, Outcome]:
        """Hand a batch to the handler as the consumer does: one transaction, parties locked."""
        batch = [Received(event=self.event(name, data), topic=topic, partition=3, offset=n) for n, (name, data) in
                 enumerate(events)]  # fmt: skip
        async with self.database.unit_of_work() as uow:
            await uow.lock_parties([self.party_id])
            return dict(await self.subscriptions[topic].handle(uow, batch))

    def event(self, name: str, data: Any) -> Event[Any]:
        """An event of somebody else, recorded now."""
        return Event(
            id=str(uuid4()), source="/services/assignment", type=name, version=1, tenant="bank", key=str(self.party_id),
            party_id=self.party_id, aggregate_type="visit", aggregate_id=str(self.visit_id),
            sequence=next(self._sequence), time=self.clock.business_now(), recorded_time=self.clock.real_now(),
            correlation_id="saga", causation_id="", traceparent="", data=data,
        )  # fmt: skip

    async def heartbeat(self, *, low_watermark: datetime | None = None, parked: tuple[UUID, ...] = ()) -> None:
        """Compliance says up to when it knows everything."""
        data = ServiceHeartbeat(
            service="compliance", topic="compliance", partition=3, sent_at=self.clock.real_now(),
            low_watermark=low_watermark or self.clock.real_now(), parked_parties=list(parked), blocked_parties=[],
        )  # fmt: skip
        async with self.database.unit_of_work() as uow:
            await consumers.keep_watermarks(uow, [self.event("service.heartbeat", data)])

    async def work(self) -> int:
        """Carry out every intent that is due, as the worker does; returns how many were answered."""
        answered = 0
        for handler in self.handlers:
            lease_id = uuid4()
            async with self.database.unit_of_work() as uow:
                leased = await intent_store.lease(
                    uow, handler.kind, limit=handler.batch_size, lease_id=lease_id, duration=timedelta(seconds=30)
                )
            if not leased:
                continue
            answers = await handler.call(leased)
            async with self.database.unit_of_work() as uow:
                await uow.lock_parties([i.party_id for i in leased if i.party_id])
                done = [(i, a) for i, a in zip(leased, answers, strict=True) if a is not None]
                await handler.commit(uow, done) if done else None
                await intent_store.finish(uow, [i.id for i, _ in done], lease_id=lease_id)
                missed = [i.id for i, a in zip(leased, answers, strict=True) if a is None]
                await intent_store.postpone(uow, [(i, timedelta(0)) for i in missed], lease_id=lease_id)
            answered += len(done)
        return answered

    async def emitted(self) -> list[str]:
        """Types of the events in the outbox, in order."""
        async with self.database.read_only() as uow:
            rows = await uow.sql.fetch("SELECT headers FROM outbox ORDER BY seq")
        return [dict(unpack_headers(row["headers"]))["ce_type"].decode() for row in rows]

    async def published(self) -> list[tuple[str, dict[str, Any]]]:
        """Types and data of the events in the outbox, in order."""
        async with self.database.read_only() as uow:
            rows = await uow.sql.fetch("SELECT headers, value FROM outbox ORDER BY seq")
        return [
            (dict(unpack_headers(row["headers"]))["ce_type"].decode(), json.loads(bytes(row["value"]))) for row in rows
        ]

    async def state(self) -> str:
        """The visit's state."""
        return str((await self.get(f"/v1/visits/{self.visit_id}"))["state"])

    async def get(self, path: str) -> Any:
        """GET, must succeed."""
        return (await self.api.get(path)).raise_for_status().json()

    async def post(self, path: str, body: dict[str, Any] | None = None, *, key: str | None = None) -> httpx.Response:
        """POST a command."""
        headers = {"Idempotency-Key": f'"{key or uuid4()}"'}
        return await self.api.post(path, json=body, headers=headers)

    def case(self) -> tuple[str, BaseModel]:
        """The case of the party."""
        return "case.opened", CaseOpened(
            case_id=self.case_id, party_id=self.party_id, version=1, business_date=date(2026, 3, 10), bucket="B2",
            dpd_contractual=33, dpd_effective=33, overdue_totals=[], loans=[], jurisdiction="CN",
            time_zones=["Asia/Shanghai"], language="zh", cell=CELL, history_known_from=None, held=False,
        )  # fmt: skip

    def proposal(self) -> tuple[str, BaseModel]:
        """The proposal of the visit."""
        return "visit.proposed", VisitProposed(
            visit_id=self.visit_id, case_id=self.case_id, party_id=self.party_id, version=1,
            field_day=date(2026, 3, 12), window=self.window, duration_minutes=30, pair_id=UUID(int=9), crew=self.crew,
            device_id="device-1", cell=CELL, jurisdiction="CN", case_version=1,
        )  # fmt: skip

    def assignment(self) -> tuple[str, BaseModel]:
        """The assignment of the visit, with its permit."""
        return "visit.assigned", VisitAssigned(
            visit_id=self.visit_id, case_id=self.case_id, party_id=self.party_id, version=4, permit_id=self.permit_id,
            permit=self.permit(), window=self.window, field_day=date(2026, 3, 12), pair_id=UUID(int=9),
            crew=self.crew, device_id="device-1", stop_number=1, duration_minutes=30,
        )  # fmt: skip

    def permit(self, **changes: Any) -> str:
        """The visit permit as compliance signs it."""
        claims = {
            "iss": "compliance", "jti": str(self.permit_id), "sub": str(self.party_id), "tenant": "bank",
            "subject_id": str(self.visit_id), "channel": "visit", "purpose": "collection",
            "crew": [str(member) for member in self.crew], "device_id": "device-1", "place_cell": CELL,
            "nbf": int(self.window.start.timestamp()), "exp": int(self.window.end.timestamp()),
            "duration_minutes": 30, "iat_real": "2026-01-01T00:00:00Z", "rule_set": "0" * 64,
            "decision_id": str(uuid4()),
        }  # fmt: skip
        return self.others.key.sign_document(claims | changes, kind="permit+jwt")

    def stopped(self, cause: str = "payment") -> tuple[str, BaseModel]:
        """A fact that stops contact, arrived now."""
        return "party.stopped", PartyStopped.model_validate(
            {
                "party_id": self.party_id,
                "cause": cause,
                "scope": "party",
                "since": self.clock.business_now(),
                "arrived_at": self.clock.real_now(),
                "reference": "T-1",
            }
        )

    def revoked(self) -> tuple[str, BaseModel]:
        """The revocation of the visit permit."""
        return "compliance.permit_revoked", PermitRevoked(
            permit_id=self.permit_id, party_id=self.party_id, channel="visit", purpose="collection",
            subject_id=self.visit_id, cause="payment", fact_arrived_at=self.clock.real_now(),
            revoked_at=self.clock.real_now(), used=False,
        )  # fmt: skip

    async def offered(self) -> str:
        """Bring the visit to `offered`; returns the customer's link token."""
        await self.deliver("case", self.case())
        await self.deliver("visit", self.proposal())
        await self.work()
        return str((await self.get("/v1/offers"))["items"][-1]["link_token"])

    async def assigned(self) -> None:
        """Bring the visit to `assigned`, keys learnt, window begun, compliance's facts fresh."""
        token = await self.offered()
        (
            await self.post(f"/v1/visits/{self.visit_id}/answer", {"answer": "agree", "link_token": token})
        ).raise_for_status()
        await self.deliver("visit", self.assignment())
        await self.work()
        self.clock.business = self.window.start
        await self.heartbeat()

    def arrival(self, **changes: Any) -> dict[str, Any]:
        """A lawful check-in."""
        return {
            "permit": self.permit(),
            "device_id": "device-1",
            "crew_present": [str(member) for member in self.crew],
            "position": HOME,
        } | changes

    async def check_in(self, **changes: Any) -> httpx.Response:
        """Try to check in."""
        return await self.post(f"/v1/visits/{self.visit_id}/check-in", self.arrival(**changes))


@pytest.fixture
async def world(service_settings: Any, shelf: Shelf, tmp_path: Path) -> AsyncIterator[World]:
    """A party, a visits service with its API, and the others."""
    base = await service_settings("visits", with_kafka=False, oidc_issuer=ISSUER)
    settings = VisitSettings(**{name: getattr(base, name) for name in type(base).model_fields})
    clock = FixedClock(START, REAL)
    others = Others(SigningKey.open(tmp_path / "compliance", "permit"), SigningKey.open(tmp_path / "intake", "balance"))
    async with AsyncExitStack() as stack:
        transport = httpx.MockTransport(others)
        database = await stack.enter_async_context(shelf.opened(settings, clock, service="visits"))
        clients = [
            await stack.enter_async_context(
                ServiceClient(
                    service=name,
                    base_url=f"http://{name}.test",
                    token_source=_Token(),
                    transport=transport,
                    max_attempts=1,
                )
            )
            for name in ("compliance", "intake", "assignment")
        ]
        neighbours = Neighbours(
            compliance=clients[0],
            intake=clients[1],
            assignment=clients[2],
            balances=BalanceChecks(clients[1], KeyCache.of_service("http://intake.test", transport=transport)),
        )
        world = World(database, clock, others, neighbours, SigningKey.open(tmp_path / "visits", "visits-traces"))
        issuer = DevelopmentIssuer(issuer=ISSUER, audience="doorstep", tenant="bank", clients={"demo-driver": DRIVER})
        issuing = httpx.ASGITransport(create_issuer_app(issuer))
        app = create_app(
            ApiDefinition(
                service="visits",
                title="visits",
                description="test",
                routers=ROUTERS,
                settings=settings,
                database=database,
                verifier=TokenVerifier.from_settings(settings, SystemClock(), transport=issuing),
                state={
                    "neighbours": neighbours,
                    "link_secret": b"k" * 32,
                    "visit_settings": settings,
                    "total_key": world.total_key,
                },
            )
        )
        world.issuer = issuer
        token = issuer.issue(DRIVER, {"grant_type": "client_credentials"})["access_token"]
        world.api = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://visits.test",
                headers={"Authorization": f"Bearer {token}"},
            )
        )
        yield world
