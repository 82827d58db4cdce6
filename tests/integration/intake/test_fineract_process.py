"""The whole process on the real broker: Fineract's records on a topic that is not ours, cases on our own."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka.admin import NewTopic

from services.intake.app import define
from services.intake.fineract.broker import begin_at_broker
from services.intake.store import fineract as store
from shared.embedded.kafka import ADMIN
from shared.embedded.provision import wait_until
from simulation.core.port import listening
from simulation.fineract import wire
from simulation.fineract.books import Books, rest_api
from tests.integration.assignment.test_process import ready, running

_PARTITIONS = 10
_LOANS = 40


@pytest.fixture
async def foreign_topic(kafka, prefix):
    """Fineract's own topic, with as many partitions as Fineract makes by default."""
    name, admin = f"{prefix}external-events", kafka.admin()
    for future in admin.create_topics([NewTopic(name, _PARTITIONS, 1)]).values():
        await asyncio.to_thread(future.result, 30)
    # The controller has answered; the broker learns of it a moment later.
    await asyncio.to_thread(wait_until, lambda: name in admin.list_topics(timeout=30).topics)
    yield name
    for future in admin.delete_topics([name]).values():
        await asyncio.to_thread(future.result, 30)


async def test_records_of_fineract_become_cases(service_settings, topics, kafka, prefix, foreign_topic, monkeypatch):
    await topics()
    today = datetime.now(UTC).date()
    books, sender = Books(), wire.Sender(business_date=today)
    for number in range(1, _LOANS + 1):
        books.lend(number, 1000 + number, [(today - timedelta(days=40), 100_00), (today - timedelta(days=9), 50_00)])
    records = [sender.message(number, wire.delinquency_changed(number, days=30)) for number in books.loans]
    strange = wire.Payload("LoanStatusChangedBusinessEvent", "LoanAccountDataV1", b"\xc3\x01" + b"\x11" * 8)
    records += [sender.message(3, strange), records[0], records[1]]
    options = kafka.client_options(ADMIN)
    await _send(options, foreign_topic, records)
    async with listening(rest_api(books), host="127.0.0.1", port=0) as port:
        for name, value in {
            "BOOTSTRAP": kafka.bootstrap, "TOPIC": foreign_topic, "GROUP": f"{prefix}intake-fineract",
            "SECURITY_PROTOCOL": "SASL_PLAINTEXT", "USERNAME": ADMIN, "PASSWORD": kafka.passwords[ADMIN],
            "API_URL": f"http://127.0.0.1:{port}/api/v1", "API_USERNAME": "intake", "CREDITOR": "Bank",
            "JURISDICTION": "CN", "PRODUCTS": '{"7": "consumer"}', "HISTORY_KNOWN_FROM": "2025-01-01",
        }.items():  # fmt: skip
            monkeypatch.setenv(f"DOORSTEP_INTAKE_FINERACT_{name}", value)
        settings = await service_settings("intake", http_port=0, heartbeat_seconds=1)
        async with running(define(settings)) as (runtime, http):
            await ready(http)
            opened = await _opened(options, f"{prefix}case")
            letters, facts, beats = await _taken_in(runtime.database, records=len(records))
    assert len(opened) == _LOANS
    assert all(source == "fineract" for source in opened.values())
    assert [tuple(row) for row in letters] == [("fineract", "unknown_fingerprint")]
    assert (facts, beats) == (_LOANS, 1)


async def test_another_broker_is_read_from_its_beginning(intake, kafka, prefix, foreign_topic):
    options = kafka.client_options(ADMIN)
    known = "INSERT INTO consumer_position (topic, partition, cluster_id, next_offset) VALUES ('fineract', $1, 'c', 77)"
    async with intake.database.unit_of_work() as uow:
        for partition in (0, 3, 99):
            await uow.sql.execute(known, partition)
        await store.save_numbers(uow, "fineract", {0: 5 * 2**32 + 9, 3: 5 * 2**32 + 4})
    given = {"core": "fineract", "topic": foreign_topic, "options": options}
    cluster_id, before = await begin_at_broker(intake.database, **given, numbers_restart=True)
    assert (before.cluster_id, before.partitions) == ("c", 3)
    rows = await intake.fetch("SELECT DISTINCT cluster_id, next_offset FROM consumer_position WHERE topic = 'fineract'")
    assert [tuple(row) for row in rows] == [(cluster_id, 0)]
    async with intake.database.read_only() as uow:
        assert set((await store.load_numbers(uow, "fineract")).values()) == {6 * 2**32}


async def _taken_in(database, *, records):
    """Letters, facts and heartbeats, once so many of Fineract's records were read and a heartbeat was sent."""
    async with asyncio.timeout(60):
        while True:
            async with database.read_only() as uow:
                read = await uow.sql.fetchval("SELECT sum(next_offset) FROM consumer_position WHERE topic = 'fineract'")
                beats = await uow.sql.fetchval("SELECT count(*) FROM heartbeat_turn")
                letters = await uow.sql.fetch("SELECT topic, reason FROM dead_letter")
                facts = await uow.sql.fetchval("SELECT count(*) FROM outbox WHERE topic = 'loan'")
            if read == records and beats:
                return letters, facts, beats
            await asyncio.sleep(0.05)


async def _send(options, topic, records):
    producer = AIOKafkaProducer(**options, acks="all")
    await producer.start()
    try:
        for key, value in records:
            await producer.send_and_wait(topic, value, key=key)
    finally:
        await producer.stop()


async def _opened(options, topic):
    """Core that each opened case names, by party, once all are there."""
    found = {}
    consumer = AIOKafkaConsumer(topic, **options, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(90):
            while len(found) < _LOANS:
                record = await consumer.getone()
                headers = dict(record.headers)
                if headers["ce_type"] == b"case.opened":
                    cause = headers["ce_causationid"].decode()
                    found[record.key] = "fineract" if cause.startswith("default:") else cause
    finally:
        await consumer.stop()
    return found
