"""Reconciliation with a publisher's own database and API: what is lost, deleted, forged or held is named."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.compliance.consumers import cases
from services.compliance.reconciliation_desk import COMPARE, WATCH, Reconciliation, streams_of
from shared.clock import SystemClock
from shared.database import Database
from shared.digests import digests_router
from shared.events import NewEvent
from shared.messaging.batch import BatchProcessor
from shared.messaging.intents import NewIntent
from shared.messaging.liveness import Pulse
from shared.messaging.outbox import unpack_headers
from shared.messaging.records import KeptRecord, classify
from shared.messaging.worker import Worker
from shared.security.issuer import create_issuer_app
from shared.security.key_management import LocalKeyManagement
from shared.security.sealing import RecordSealer
from shared.security.tokens import TokenVerifier
from shared.web.app import ApiDefinition, create_app
from shared.web.client import RemoteProblem, ServiceClient
from tests.databases import Shelf
from tests.integration.compliance.conftest import Desk, opened_case


@dataclass
class Token:
    """Compliance's right to ask intake."""

    text: str

    async def token(self) -> str:
        return self.text

    def forget(self) -> None:
        """Nothing is kept."""


class Wire(httpx.AsyncBaseTransport):
    """The network to intake; it can be cut."""

    def __init__(self, app: httpx.ASGITransport) -> None:
        self._app = app
        self.cut = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.cut:
            raise httpx.ConnectError("cut")
        return await self._app.handle_async_request(request)


@dataclass
class Bank:
    """Intake, which publishes cases, and compliance, which takes them over and reconciles."""

    desk: Desk
    intake: Database
    client: ServiceClient
    wire: Wire
    reconciliation: Reconciliation
    processor: BatchProcessor
    began: datetime

    async def publish(self, count: int) -> list[KeptRecord]:
        """Intake opens cases; the records that Kafka would give."""
        async with self.intake.unit_of_work() as uow:
            for case in (opened_case() for _ in range(count)):
                uow.emit(
                    NewEvent(
                        type="case.opened", party_id=case.party_id, aggregate_id=case.case_id, data=case,
                        time=datetime.now(UTC),
                    )
                )  # fmt: skip
        async with self.intake.read_only() as uow:
            rows = await uow.sql.fetch("SELECT key, value, headers FROM outbox ORDER BY seq")
        return [KeptRecord(0, at, 1, row[0], row[1], unpack_headers(row[2])) for at, row in enumerate(rows)]

    async def read(self, records: Sequence[KeptRecord]) -> None:
        """Compliance reads the records, as its consumer would."""
        entries = [classify(record, self.processor.subscription) for record in records]
        async with self.desk.database.unit_of_work() as uow:
            await self.processor.process(uow, entries, [])

    async def look(self) -> None:
        """A look, and all that follows from it, hours later."""
        async with self.desk.database.unit_of_work() as uow:
            payload = {"looked": self.began.isoformat()}
            uow.intend(NewIntent(kind=WATCH, key=uuid4().hex, due_at=uow.real_now, payload=payload))
        worker = Worker(self.desk.database, [], pulse=Pulse("worker"))
        for handler in self.reconciliation.handlers():
            while await worker.work_once(handler):
                if self.wire.cut:
                    break

    async def findings(self) -> list[dict[str, Any]]:
        return await self._items("/v1/control-findings")

    async def hours(self, **query: Any) -> list[tuple[int, int, list[str], list[str]]]:
        """Of the hours with events: published, taken over, missing, extra."""
        items = await self._items("/v1/reconciled-hours", **query)
        return [
            (one["published"], one["applied"], one["missing"], one["extra"])
            for one in items
            if one["published"] or one["applied"]
        ]

    async def _items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Read by a token of today: the clock goes back for a moment."""
        later, self.desk.clock.real = self.desk.clock.real, datetime.now(UTC)
        response = await self.desk.get(path, **query)
        self.desk.clock.real = later
        assert response.status_code == 200, response.text
        return response.json()["items"]  # type: ignore[no-any-return]


def id_of(record: KeptRecord) -> str:
    return dict(record.headers)["ce_id"].decode()


def forged(record: KeptRecord, identity: str) -> KeptRecord:
    """The same record under another id: as if intake had sent it."""
    headers = [(name, identity.encode() if name == "ce_id" else value) for name, value in record.headers]
    return replace_record(record, headers=headers)


def replace_record(record: KeptRecord, **changes: Any) -> KeptRecord:
    values = {name: getattr(record, name) for name in ("partition", "offset", "timestamp", "key", "value", "headers")}
    return KeptRecord(**(values | {"offset": record.offset + 1_000} | changes))


@pytest.fixture
async def bank(
    desk: Desk, service_settings: Any, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bank]:  # fmt: skip
    # Ids are of one moment: begun at the end of an hour, a test would find its events in two.
    began_ns = time.time_ns()
    monkeypatch.setattr("shared.ids.time", SimpleNamespace(time_ns=lambda: began_ns))
    settings = await service_settings("intake", with_kafka=False, oidc_issuer=desk.issuer.issuer)
    async with shelf.opened(settings, SystemClock(), service="intake") as intake:
        verifier = TokenVerifier.from_settings(settings, SystemClock(), transport=issuer_transport(desk))
        app = create_app(
            ApiDefinition(
                service="intake", title="Intake", description="For tests.", routers=[digests_router(intake)],
                settings=settings, database=intake, verifier=verifier,
            )
        )  # fmt: skip
        token = desk.issuer.sign({"sub": "compliance", "client_id": "compliance", "scope": "intake.snapshot"})
        wire = Wire(httpx.ASGITransport(app))
        subscription = cases.subscription(desk.instruments)
        sealer = RecordSealer(
            LocalKeyManagement.open(desk.database.settings.key_folder, "compliance"), service="compliance"
        )
        async with ServiceClient(
            service="intake", base_url="http://intake.test", token_source=Token(token), transport=wire
        ) as client:
            yield Bank(
                desk=desk,
                intake=intake,
                client=client,
                wire=wire,
                reconciliation=Reconciliation(desk.instruments, streams_of([subscription]), {"intake": client}),
                processor=BatchProcessor(subscription, sealer=sealer, dead_letter_limit=100),
                began=desk.clock.real,
            )


def issuer_transport(desk: Desk) -> httpx.ASGITransport:
    return httpx.ASGITransport(create_issuer_app(desk.issuer))


def later(bank: Bank) -> None:
    """The hour is closed, and its publisher was waited for."""
    bank.desk.clock.real += timedelta(hours=3, minutes=10)


async def test_shuffled_and_repeated_events_agree(bank: Bank) -> None:
    records = await bank.publish(5)
    await bank.read(records[::-1])
    await bank.read([replace_record(record) for record in records])
    later(bank)
    await bank.look()
    assert await bank.hours() == [(5, 5, [], [])]
    assert await bank.findings() == []


async def test_an_event_that_never_came_is_named_and_its_coming_closes_the_finding(bank: Bank) -> None:
    records = await bank.publish(5)
    await bank.read([*records[:3], records[4]])
    later(bank)
    await bank.look()
    assert await bank.hours(differing=True) == [(5, 4, [id_of(records[3])], [])]
    (finding,) = await bank.findings()
    assert (finding["rule"], finding["subject"], finding["state"]) == (
        "RECONCILE-DIFFERENCE", "service:intake", "open"
    )  # fmt: skip
    for told in ("topic case, hour 20", "5 published, 4 taken over", id_of(records[3])):
        assert told in finding["detail"]

    await bank.read([records[3]])
    bank.desk.clock.real += timedelta(minutes=10)
    await bank.look()
    assert await bank.hours(differing=True) == []
    (finding,) = await bank.findings()
    assert (finding["state"], finding["harm"], finding["version"]) == ("remedied", False, 2)


async def test_an_event_that_its_publisher_lost_is_named(bank: Bank) -> None:
    records = await bank.publish(3)
    await bank.read(records)
    async with bank.intake.unit_of_work() as uow:
        await uow.sql.execute("DELETE FROM outbox WHERE event_id = $1::uuid", id_of(records[1]))
    later(bank)
    await bank.look()
    assert await bank.hours(differing=True) == [(2, 3, [], [id_of(records[1])])]
    (finding,) = await bank.findings()
    assert f"2 published, 3 taken over; missing none; extra {id_of(records[1])}" in finding["detail"]


async def test_the_newest_event_of_a_stream_deleted_before_anybody_read_it_is_named(bank: Bank) -> None:
    """No later event of its stream shows the gap, and both sides count the same."""
    records = await bank.publish(3)
    async with bank.intake.unit_of_work() as uow:
        await uow.sql.execute("DELETE FROM outbox WHERE event_id = $1::uuid", id_of(records[1]))
    await bank.read([records[0], records[2]])
    later(bank)
    await bank.look()
    lost = f"{id_of(records[1])} (lost by its publisher)"
    assert await bank.hours(differing=True) == [(2, 2, [lost], [])]
    (finding,) = await bank.findings()
    assert f"2 published, 2 taken over; missing {lost}; extra none" in finding["detail"]


async def test_a_forged_event_in_place_of_a_lost_one_is_seen_though_the_counts_agree(bank: Bank) -> None:
    records = await bank.publish(3)
    false = forged(records[2], id_of(records[2])[:-4] + "0bad")
    await bank.read([*records[:2], false])
    later(bank)
    await bank.look()
    assert await bank.hours(differing=True) == [(3, 3, [id_of(records[2])], [id_of(false)])]


async def test_an_event_forged_into_an_hour_that_agreed_is_found(bank: Bank) -> None:
    records = await bank.publish(2)
    await bank.read(records)
    later(bank)
    await bank.look()
    assert await bank.findings() == []
    false = forged(records[0], id_of(records[0])[:-4] + "0bad")
    await bank.read([false])
    bank.desk.clock.real += timedelta(minutes=10)
    await bank.look()
    assert await bank.hours(differing=True) == [(2, 3, [], [id_of(false)])]


@pytest.mark.parametrize("identity", ["9b2d4a0e-8f6e-4d6f-9f86-0d6c1f6a2b11", "0195a000-0000-7000-8000-000000000001"])
async def test_an_event_without_a_moment_of_ours_is_a_stray(bank: Bank, identity: str) -> None:
    records = await bank.publish(1)
    await bank.read([*records, forged(records[0], identity)])
    later(bank)
    await bank.look()
    assert [one["rule"] for one in await bank.findings()] == ["RECONCILE-STRAY"]


async def test_a_dead_letter_is_read_but_not_taken_over(bank: Bank) -> None:
    records = await bank.publish(2)
    await bank.read([records[0], replace_record(records[1], value=b"{}")])
    later(bank)
    await bank.look()
    assert await bank.hours(differing=True) == [(2, 1, [f"{id_of(records[1])} (dead)"], [])]


async def test_a_publisher_that_does_not_answer_is_asked_again(bank: Bank) -> None:
    await bank.read(await bank.publish(2))
    later(bank)
    bank.wire.cut = True
    await bank.look()
    assert await bank.hours() == []
    async with bank.desk.database.read_only() as uow:
        assert await uow.sql.fetchval("SELECT count(*) FROM intent WHERE kind = $1 AND done_at IS NULL", COMPARE) == 1
    bank.wire.cut = False
    async with bank.desk.database.unit_of_work() as uow:  # the pause before the next try is over
        await uow.sql.execute("UPDATE intent SET retry_at = NULL WHERE kind = $1", COMPARE)
    await bank.look()
    assert await bank.hours() == [(2, 2, [], [])]


async def test_only_readers_of_the_topic_are_told(bank: Bank) -> None:
    with pytest.raises(RemoteProblem) as refused:
        await bank.client.get(
            "/internal/digests/loan", Any, params={"types": "loan.overdue", "since": "2026-03-02T06:00:00Z",
                                                   "until": "2026-03-02T07:00:00Z"},
        )  # fmt: skip
    assert refused.value.status == 403


async def test_a_span_that_may_be_forgotten_in_part_is_not_compared(bank: Bank) -> None:
    since = datetime.now(UTC) - timedelta(days=14)
    with pytest.raises(RemoteProblem) as refused:
        await bank.client.get(
            "/internal/digests/case", Any, params={"types": "case.opened", "since": since.isoformat(),
                                                   "until": (since + timedelta(hours=1)).isoformat()},
        )  # fmt: skip
    assert refused.value.kind == "span-not-comparable"
