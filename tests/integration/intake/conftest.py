"""Intake on a real database: facts fed as a consumer would, and its API."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from aiokafka import TopicPartition

from services.intake.app import routers
from services.intake.balances import Balances
from services.intake.consumers import subscriptions
from services.intake.core_port import CorePort
from services.intake.folding import Folding
from services.intake.following import Following
from services.intake.scoring.release import Release, read_folder, release
from services.intake.scoring.shipped import SHIPPED
from services.intake.settings import IntakeSettings
from services.intake.strategy import release as strategies
from services.intake.strategy_desk import Deciding
from shared.clock import FixedClock
from shared.database import Database
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE
from shared.events.codec import encode_headers
from shared.ids import event_id
from shared.messaging import IntentHandler, TimerDue, intent_store
from shared.messaging.batch import BatchProcessor
from shared.messaging.joint_transactions import Partition
from shared.messaging.outbox import unpack_headers
from shared.messaging.partition_reader import PartitionReader
from shared.messaging.records import KeptRecord
from shared.security.clients import DevelopmentClient
from shared.security.issuer import DevelopmentIssuer, create_issuer_app
from shared.security.key_management import LocalKeyManagement
from shared.security.party_keys import PartyCipher
from shared.security.scopes import scopes_of
from shared.security.sealing import RecordSealer
from shared.security.signing import SigningKey
from shared.security.tokens import TokenVerifier
from shared.settings import ServiceSettings
from shared.web.app import ApiDefinition, create_app
from shared.web.client import ServiceClient
from tests.databases import Shelf

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
_ISSUER = "http://issuer.test"
_CLIENTS = ("core", "assignment", "compliance", "operator", "legal-desk", "rights-desk", "cutover")
_NAMES = {event_type.model: event_type for event_type in CATALOGUE.values()}


@dataclass
class Service:
    """Intake without Kafka."""

    database: Database
    clock: FixedClock
    settings: ServiceSettings
    folding: Folding
    sealer: RecordSealer
    issuer: DevelopmentIssuer
    offsets: dict[str, int] = field(default_factory=dict)
    core: httpx.MockTransport | None = None
    writes_back: bool = False
    scored_by: Release = field(default_factory=lambda: release(read_folder(SHIPPED), production=False))
    strategy: strategies.Strategy = field(
        default_factory=lambda: strategies.release(strategies.read_folder(strategies.SHIPPED), production=False)
    )

    @property
    def deciding(self) -> Deciding:
        """Chooses by `strategy`."""
        return Deciding.of(self.strategy, self.folding.settings)

    async def tell(self, *facts: EventData | KeptRecord, topic: str = "loan") -> None:
        """Facts of the core (or records), as one batch of partition 0."""
        await self._feed([fact if isinstance(fact, KeptRecord) else record_of(fact) for fact in facts], topic)

    async def hear(self, *events: EventData, topic: str = "stop") -> None:
        """Events of another service, each in a stream of its own."""
        await self._feed([_internal(event) for event in events], topic)

    async def _feed(self, records: Sequence[KeptRecord], topic: str) -> None:
        following = Following(self.folding, self.deciding, writes_back=self.writes_back)
        subscription = next(each for each in subscriptions(self.folding, following) if each.topic == topic)
        processor = BatchProcessor(subscription, sealer=self.sealer, dead_letter_limit=100)
        reader = PartitionReader(self.database, processor, slots=asyncio.Semaphore(1))
        start = self.offsets.get(topic, 0)
        if not start:
            async with self.database.unit_of_work() as uow:
                await uow.sql.execute(
                    "INSERT INTO consumer_position (topic, partition, cluster_id, next_offset) VALUES ($1, 0, 'c', 0)",
                    topic,
                )
        numbered = [
            KeptRecord(0, start + index, 0, record.key, record.value, record.headers)
            for index, record in enumerate(records)
        ]
        self.offsets[topic] = start + len(records)
        await reader.process(Partition(TopicPartition(topic, 0), topic, start, start), numbered)

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        """Rows."""
        async with self.database.read_only() as uow:
            return list(await uow.sql.fetch(query, *values))

    async def published(self) -> list[tuple[str, UUID]]:
        """Types and parties of the outbox, in order."""
        rows = await self.fetch("SELECT key, headers FROM outbox ORDER BY seq")
        return [(_type_of(row[1]), bytes(row[0]).decode()) for row in rows]  # type: ignore[misc]

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Types and data of the outbox, in order."""
        rows = await self.fetch("SELECT headers, value FROM outbox ORDER BY seq")
        return [(_type_of(row[0]), json.loads(bytes(row[1]))) for row in rows]

    async def types(self) -> list[str]:
        """Types of the outbox, in order."""
        return [name for name, _ in await self.published()]

    def core_port(self) -> CorePort:
        """The core as `self.core` answers for it."""
        return CorePort(
            ServiceClient(
                service="core", base_url="http://core.test", token_source=_NoToken(), transport=self.core,
                max_attempts=1, deadline_seconds=2,
            )
        )  # fmt: skip

    def api(self) -> httpx.AsyncClient:
        """A client of the API that may do everything."""
        core = None if self.core is None else self.core_port()
        key = SigningKey.open(self.settings.key_folder, "balance")
        balances = Balances(self.database, self.folding.policy, self.clock, key, core)
        app = create_app(
            ApiDefinition(
                service="intake",
                title="Intake",
                description="For tests.",
                routers=routers(balances, self.folding, self.scored_by, self.deciding),
                settings=self.settings,
                database=self.database,
                verifier=TokenVerifier.from_settings(
                    self.settings, self.clock, transport=httpx.ASGITransport(create_issuer_app(self.issuer))
                ),
            )
        )
        scopes = {scope for client in _CLIENTS for scope in scopes_of(client)}
        token = self.issuer.sign({"sub": "tester", "client_id": "demo-driver", "scope": " ".join(sorted(scopes))})
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://intake.test",
            headers={"Authorization": f"Bearer {token}"},
        )


class _NoToken:
    async def token(self) -> str:
        return "t"

    def forget(self) -> None:
        return None


@pytest.fixture
async def intake(service_settings, shelf: Shelf) -> AsyncIterator[Service]:
    """A fresh intake; business time is NOW, real time is real."""
    settings = await service_settings("intake", with_kafka=False, oidc_issuer=_ISSUER)
    clock = FixedClock(NOW, datetime.now(UTC))
    keys = LocalKeyManagement.open(settings.key_folder, "intake")
    own = IntakeSettings()
    client = DevelopmentClient(client_id="demo-driver", client_secret="s" * 24, scopes=scopes_of("demo-driver"))
    issuer = DevelopmentIssuer(
        issuer=_ISSUER, audience="doorstep", tenant="bank", clients={"demo-driver": client}, real_now=clock.real_now
    )  # fmt: skip
    async with shelf.opened(settings, clock, service="intake") as database:
        yield Service(
            database=database,
            clock=clock,
            settings=settings,
            folding=Folding(own, own.policy(), PartyCipher(keys, tenant=settings.tenant)),
            sealer=RecordSealer(keys, service="intake"),
            issuer=issuer,
        )


async def carry_out(intake: Service, handler: IntentHandler) -> int:
    """Carry out what is intended of the handler's kind, one by one; how many there were."""
    done = 0
    while True:
        lease_id = uuid4()
        async with intake.database.unit_of_work() as uow:
            leased = await intent_store.lease(
                uow, handler.kind, limit=1, lease_id=lease_id, duration=timedelta(minutes=1)
            )
        if not leased:
            return done
        async with intake.database.unit_of_work() as uow:
            await handler.commit(uow, [(leased[0], TimerDue())])
            await intent_store.finish(uow, [leased[0].id], lease_id=lease_id)
        done += 1


def _type_of(headers: bytes) -> str:
    return dict(unpack_headers(headers))["ce_type"].decode()


def record_of(fact: EventData, *, identity: str | None = None, value: bytes | None = None) -> KeptRecord:
    """A fact of the core as a record."""
    key = f"bank|core-a|{getattr(fact, 'party_ref', '-')}"
    return _record(fact, key, source="core-a", aggregate=key, identity=identity, value=value)


def _internal(event: EventData) -> KeptRecord:
    return _record(event, str(event.party_id), source="/services/compliance", aggregate=str(uuid4()))  # type: ignore[attr-defined]


def _record(
    data: EventData, key: str, *, source: str, aggregate: str, identity: str | None = None, value: bytes | None = None
) -> KeptRecord:
    name = identity or str(event_id())
    headers = encode_headers(
        event_type=_NAMES[type(data)], event_id=name, source=source, tenant="bank", aggregate_id=aggregate, sequence=1,
        time=NOW, recorded_time=NOW, correlation_id=name, causation_id="", traceparent="",
    )  # fmt: skip
    body = data.model_dump_json().encode() if value is None else value
    return KeptRecord(0, 0, 0, key.encode(), body, headers)
