"""Compliance on a real database: handlers called as the runtime calls them, the API over ASGI, both clocks by hand."""

import json
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.compliance import api
from services.compliance.app import define
from services.compliance.consumers.cases import fold_cases
from services.compliance.consumers.contacts import audit_contacts
from services.compliance.consumers.heartbeats import on_heartbeats
from services.compliance.consumers.stops import apply_stops
from services.compliance.consumers.visits import follow_plans, follow_visits
from services.compliance.domain.facts import Balance
from services.compliance.domain.telling import owning_client
from services.compliance.instruments import Instruments
from services.compliance.log.head import SignedHead
from services.compliance.log.note import NoteKey
from services.compliance.log.sequencer import Sequencer
from services.compliance.store.feeders import FEEDERS
from services.compliance.store.log import uncovered_since
from shared.clock import FixedClock
from shared.database import Database
from shared.events import Event, Received
from shared.events.base import EventData
from shared.events.case import CaseOpened
from shared.events.contact import ContactRecorded
from shared.events.platform import ServiceHeartbeat
from shared.events.topics import PARTITIONS, heartbeat_topics
from shared.ids import draw_shard, entity_id, event_id
from shared.money import Money
from shared.security.clients import DevelopmentClient
from shared.security.issuer import DevelopmentIssuer, create_issuer_app
from shared.security.scopes import SCOPES
from shared.security.tokens import TokenVerifier
from shared.service import ServiceRuntime
from shared.web.limits import RequestLimits
from tests.databases import Shelf
from tools import verify_log

ISSUER = "http://issuer.test"
PATIENCE_SECONDS = 120
# Ten o'clock in Shanghai.
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
CREW = [uuid4(), uuid4()]
HANDLERS = {
    "case": fold_cases, "stop": apply_stops, "visit": follow_visits, "plan": follow_plans, "contact": audit_contacts
}  # fmt: skip

_LEAVES = """
SELECT leaf FROM log_entry LEFT JOIN log_leaf USING (leaf_id) LEFT JOIN log_pending USING (leaf_id)
WHERE kind = $1 AND (generation IS NULL OR generation = log_generation()) ORDER BY leaf_index NULLS LAST, place
"""

# Partitions are reached through their table.
_TABLES = """
SELECT relname::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""


@dataclass
class KnownBalances:
    """Balances as intake would sign them; parties named in `silent` get no answer."""

    clock: FixedClock
    overdue_minor: int = 125_000
    silent: set[UUID] = field(default_factory=set)

    async def confirm(self, parties: Iterable[tuple[UUID, UUID]]) -> Mapping[UUID, Balance]:
        balance = Balance(as_of=self.clock.real, overdue_minor={"CNY": self.overdue_minor}, digest="0" * 64)
        return {party_id: balance for party_id, _ in parties if party_id not in self.silent}

    async def close(self) -> None:
        pass


@dataclass(repr=False)  # asyncio writes out every result while it minds Ctrl-C, and ours holds the whole rule book
class Desk:
    """The service without its broker."""

    database: Database
    clock: FixedClock
    instruments: Instruments
    balances: KnownBalances
    http: httpx.AsyncClient
    issuer: DevelopmentIssuer
    sequencer: Sequencer

    async def hear(
        self, *, age: timedelta = timedelta(), parked: Iterable[UUID] = (), suspended: Mapping[str, str] | None = None
    ) -> None:
        """Every feeder's heartbeat on every partition of its topics; the log keeps up."""
        async with self.database.read_only() as uow:
            since = await uncovered_since(uow)
        if since is not None and self.clock.real - since > timedelta(minutes=4):
            await self.sequencer.integrate()
            await self.sequencer.publish_checkpoint()
        beats = [
            _event(
                ServiceHeartbeat(
                    service=service,
                    topic=topic,
                    partition=partition,
                    sent_at=self.clock.real,
                    low_watermark=self.clock.real - age,
                    parked_parties=list(parked),
                    suspended_feeds=dict(suspended or {}) if service == "intake" else {},
                ),
                "service.heartbeat",
                self.clock,
            )
            for service in FEEDERS
            for topic in heartbeat_topics(service)
            for partition in range(PARTITIONS)
        ]
        async with self.database.unit_of_work() as uow:
            await on_heartbeats(uow, beats)

    async def deliver(self, topic: str, *facts: tuple[str, EventData], happened_at: datetime | None = None) -> None:
        """Hand events to the topic's handler as one batch, parties locked."""
        batch = [
            Received(_event(data, name, self.clock, happened_at=happened_at), topic, 0, offset)
            for offset, (name, data) in enumerate(facts)
        ]
        async with self.database.unit_of_work() as uow:
            await uow.lock_parties({data.party_id for _, data in facts})  # type: ignore[attr-defined]
            await HANDLERS[topic](uow, self.instruments, batch)

    async def open_case(self, **changes: Any) -> CaseOpened:
        """A party with an open case, known to compliance."""
        case = opened_case(**changes)
        await self.deliver("case", ("case.opened", case))
        return case

    async def post(
        self,
        path: str,
        body: dict[str, Any],
        *,
        key: str | None = None,
        by: str = "test",
        client: str = "demo-driver",
        attributes: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        headers = {**self._headers(by, client, attributes), "Idempotency-Key": key or uuid4().hex}
        return await self.http.post(path, json=body, headers=headers)

    async def get(self, path: str, *, client: str = "demo-driver", **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params, headers=self._headers(client=client))

    async def ask(self, *items: dict[str, Any]) -> list[dict[str, Any]]:
        """Ask for permits; the answers."""
        response = await self.post("/v1/permits", {"items": list(items)})
        assert response.status_code == 200, response.text
        return response.json()["items"]  # type: ignore[no-any-return]

    async def events(self, name: str) -> list[dict[str, Any]]:
        """What compliance published of that type, oldest first."""
        async with self.database.read_only() as uow:
            rows = await uow.sql.fetch("SELECT value, headers FROM outbox ORDER BY seq")
        found = []
        for row in rows:
            if name.encode() in bytes(row["headers"]):
                found.append(httpx.Response(200, content=bytes(row["value"])).json())
        return found

    async def leaves(self, kind: str) -> list[dict[str, Any]]:
        """What the leaves of a kind say, in the order in which they were appended: many share one moment."""
        async with self.database.read_only() as uow:
            rows = await uow.sql.fetch(_LEAVES, kind)
        return [json.loads(row["leaf"]) for row in rows]

    async def kept(self) -> list[tuple[str, str]]:
        """Every row of every table, as text, with the table's name."""
        async with self.database.read_only() as uow:
            tables = [row[0] for row in await uow.sql.fetch(_TABLES)]
            return [(table, str(row)) for table in tables for row in await uow.sql.fetch(f'SELECT * FROM "{table}"')]

    async def tell(self, party_id: UUID, *, as_of: datetime | None = None, **facts: Any) -> None:
        """Facts about a party, each told by its owner."""
        by_owner: dict[str, list[dict[str, Any]]] = {}
        for name, value in facts.items():
            item = {
                "party_id": str(party_id), "fact": name, "value": value,
                "as_of": (as_of or self.clock.business).isoformat(),
            }  # fmt: skip
            by_owner.setdefault(owning_client(name), []).append(item)
        for owner, items in by_owner.items():
            response = await self.post("/v1/facts", {"items": items}, client=owner)
            assert response.status_code == 200, response.text

    def _headers(
        self, by: str = "test", client: str = "demo-driver", attributes: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        claims = {"sub": by, "client_id": client, "scope": " ".join(SCOPES), "attributes": dict(attributes or {})}
        token = self.issuer.sign(claims)
        return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True)
class Copy:
    """A pack's files, to be tampered with, and the key of its log."""

    folder: Path
    key: NoteKey

    def faults(self) -> list[str]:
        return faults_in(self.folder, self.key)


def faults_in(folder: Path, key: NoteKey) -> list[str]:
    """What the stand-alone verifier says of a pack."""
    known = verify_log.parse_key(key.vkey)
    read = verify_log.read_pack(verify_log.Files.of(folder))
    report = verify_log.verify_pack(read, known, all_signatures=True)
    verify_log.check_custody(read, known, [], report)
    return report.problems


def opened_case(**changes: Any) -> CaseOpened:
    """A case of a person in Shanghai whose contacts are attested for two months."""
    values: dict[str, Any] = {
        "case_id": entity_id(shard := draw_shard()),
        "party_id": entity_id(shard),
        "version": 1,
        "business_date": date(2026, 3, 1),
        "bucket": "B2",
        "dpd_contractual": 45,
        "dpd_effective": 45,
        "overdue_totals": [Money(amount_minor=125_000, currency="CNY")],
        "loans": [],
        "jurisdiction": "CN",
        "time_zones": ["Asia/Shanghai"],
        "language": "zh",
        "history_known_from": date(2026, 1, 1),
    }
    return CaseOpened(**(values | changes))


def visit_request(case: CaseOpened, **changes: Any) -> dict[str, Any]:
    """A request for a collection visit from 14:00 to 16:00 in Shanghai."""
    values: dict[str, Any] = {
        "request_id": str(uuid4()),
        "party_id": str(case.party_id),
        "case_id": str(case.case_id),
        "subject_id": str(uuid4()),
        "channel": "visit",
        "purpose": "collection",
        "jurisdiction": "CN",
        "time_zones": ["Asia/Shanghai"],
        "window": {"start": "2026-03-02T06:00:00Z", "end": "2026-03-02T08:00:00Z"},
        "duration_minutes": 30,
        "crew": [str(one) for one in CREW],
        "device_id": "device-1",
        "place_cell": "88309a5915fffff",
        "versions": {"case": 1},
    }
    return values | changes


def visit_contact(case: CaseOpened, permit: dict[str, Any] | None, **changes: Any) -> ContactRecorded:
    """A lawful half hour at the door, on `permit`."""
    values: dict[str, Any] = {
        "contact_id": uuid4(),
        "party_id": case.party_id,
        "permit_id": None if permit is None else permit["permit_id"],
        "channel": "visit",
        "purpose": "collection",
        "started_at": datetime(2026, 3, 2, 6, 10, tzinfo=UTC),
        "ended_at": datetime(2026, 3, 2, 6, 40, tzinfo=UTC),
        "started_real": datetime.now(UTC),
        "outcome": "met_customer",
        "contact": True,
        "conversation": True,
        "household_contacted": True,
        "debtor_met": True,
        "crew": CREW,
        "identity_shown": True,
        "recording_complete": True,
    }
    return ContactRecorded(**(values | changes))


def _event(data: EventData, name: str, clock: FixedClock, *, happened_at: datetime | None = None) -> Event[EventData]:
    party_id = getattr(data, "party_id", None)
    return Event(
        id=str(event_id()),
        source="/services/test",
        type=name,
        version=1,
        tenant="bank",
        key=str(party_id or "-"),
        party_id=party_id,
        aggregate_type="test",
        aggregate_id=str(party_id or uuid4()),
        sequence=1,
        time=happened_at or clock.business,
        recorded_time=clock.real,
        correlation_id="c",
        causation_id="",
        traceparent="",
        data=data,
    )


@pytest.fixture
async def desk(service_settings: Any, shelf: Shelf) -> AsyncIterator[Desk]:
    """Compliance with fresh feeders, on its own database."""
    settings = await service_settings("compliance", with_kafka=False, oidc_issuer=ISSUER)
    clock = FixedClock(NOW, datetime.now(UTC))
    client = DevelopmentClient(client_id="demo-driver", client_secret="s" * 24, scopes=frozenset(SCOPES))
    issuer = DevelopmentIssuer(
        issuer=ISSUER, audience="doorstep", tenant="bank", clients={"demo-driver": client}, real_now=clock.real_now
    )  # fmt: skip
    verifier = TokenVerifier.from_settings(settings, clock, transport=httpx.ASGITransport(create_issuer_app(issuer)))
    runtime = ServiceRuntime(define(settings), roles=("api",))
    instruments = Instruments.open(settings)
    balances = KnownBalances(clock)
    # Hundreds of callers at once wait for these connections and for each other's locks, however busy the machine is.
    pool = {"pool_size": 20, "longest_wait_seconds": PATIENCE_SECONDS}
    async with shelf.opened(settings, clock, service="compliance", **pool) as database:
        runtime.clock, runtime.database = clock, database
        app = api.build(runtime, instruments=instruments, balances=balances, verifier=verifier)
        for layer in app.user_middleware:
            if layer.cls is RequestLimits:
                layer.kwargs["request_timeout_seconds"] = PATIENCE_SECONDS
        sequencer = Sequencer(
            database,
            clock,
            key=instruments.log_key,
            signer=instruments.checkpoint_key,
            head=SignedHead(settings.key_folder / "log-head.note", instruments.log_key),
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://compliance.test") as http:
            made = Desk(database, clock, instruments, balances, http, issuer, sequencer)
            await made.hear()
            yield made


@pytest.fixture(scope="module")
def originals() -> list[Copy]:
    """The pack that the module's tests tamper with copies of, as soon as one is made."""
    return []


@pytest.fixture
def copy(request: pytest.FixtureRequest, originals: list[Copy], tmp_path: Path) -> Copy:
    """Files of the module's `pack`, made by the first test that asks: a pack costs more than what is tried on it."""
    if not originals:
        made, desk = request.getfixturevalue("pack"), request.getfixturevalue("desk")
        kept = request.getfixturevalue("tmp_path_factory").mktemp("original") / "pack"
        originals.append(Copy(shutil.copytree(made.folder, kept), desk.instruments.log_key))
    (original,) = originals
    return Copy(shutil.copytree(original.folder, tmp_path / "copy"), original.key)
