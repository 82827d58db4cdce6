"""The broker's access rules and the databases' rights, tried as the principals themselves."""

import asyncio

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from shared.embedded.kafka import KafkaAccess
from shared.embedded.provision import create_database, drop, drop_database
from shared.events.topics import TOPICS

PATIENCE_SECONDS = 20


async def _send(kafka: KafkaAccess, principal: str, topic: str) -> None:
    producer = AIOKafkaProducer(**kafka.client_options(principal), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        await asyncio.wait_for(producer.send_and_wait(topic, b"value", key=b"key"), PATIENCE_SECONDS)
    finally:
        await producer.stop()


async def _read_one(kafka: KafkaAccess, principal: str, topic: str, group: str | None) -> bytes | None:
    consumer = AIOKafkaConsumer(
        topic,
        **kafka.client_options(principal),
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        await consumer.start()
        record = await asyncio.wait_for(consumer.getone(), PATIENCE_SECONDS)
        return record.value
    finally:
        await consumer.stop()


async def test_visits_cannot_read_loan(kafka, topics, prefix):
    await topics("loan", "visit")
    await _send(kafka, "core", f"{prefix}loan")
    with pytest.raises(TopicAuthorizationFailedError):
        await _read_one(kafka, "visits", f"{prefix}loan", f"{prefix}visits")


async def test_intake_reads_loan(kafka, topics, prefix):
    await topics("loan")
    await _send(kafka, "core", f"{prefix}loan")
    assert await _read_one(kafka, "intake", f"{prefix}loan", f"{prefix}intake.bulk") == b"value"


async def test_visits_cannot_write_loan(kafka, topics, prefix):
    await topics("loan", "visit")
    with pytest.raises(TopicAuthorizationFailedError):
        await _send(kafka, "visits", f"{prefix}loan")


async def test_own_group_only(kafka, topics, prefix):
    await topics("case")
    await _send(kafka, "intake", f"{prefix}case")
    with pytest.raises(GroupAuthorizationFailedError):
        await _read_one(kafka, "visits", f"{prefix}case", f"{prefix}compliance")


async def test_oracle_reads_everything(kafka, topics, prefix):
    await topics("loan")
    await _send(kafka, "core", f"{prefix}loan")
    assert await _read_one(kafka, "oracle", f"{prefix}loan", f"{prefix}oracle") == b"value"


async def test_rights_end_with_the_prefix(kafka, topics, prefix):
    await topics("case")
    await drop(prefix, kafka=kafka)
    left = kafka.admin().list_topics(timeout=10).topics
    assert not [name for name in left if name.startswith(prefix)]


async def test_provisioning_twice_changes_nothing(kafka, topics, prefix):
    await topics("case")
    await topics("case")
    assert len(kafka.admin().list_topics(timeout=10).topics[f"{prefix}case"].partitions) == 12


async def test_whole_catalogue(kafka, topics, prefix):
    await topics()
    known = kafka.admin().list_topics(timeout=10).topics
    assert {f"{prefix}{name}" for name in TOPICS} <= known.keys()


async def test_runtime_role_changes_rows_not_tables(postgres, servers, prefix):
    name = f"{prefix}sample"
    database = await create_database(postgres, name, role=name, password=servers.home.password)
    owner = await asyncpg.connect(database.owner_url)
    runtime = await asyncpg.connect(database.url)
    try:
        await owner.execute("CREATE TABLE sample (id int PRIMARY KEY)")
        await runtime.execute("INSERT INTO sample VALUES (1)")
        for statement in ("CREATE TABLE other (id int)", "DROP TABLE sample", "TRUNCATE sample"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await runtime.execute(statement)
    finally:
        await owner.close()
        await runtime.close()
        await drop_database(postgres, name)


async def test_no_other_database_is_open(postgres, servers, prefix):
    names = [f"{prefix}one", f"{prefix}two"]
    first, second = [await create_database(postgres, name, role=name, password=servers.home.password) for name in names]
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(first.url.removesuffix(names[0]) + names[1])
    finally:
        for name in names:
            await drop_database(postgres, name)
    assert second
