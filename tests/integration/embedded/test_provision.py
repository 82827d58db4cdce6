"""A whole run's databases: made, made again without harm, removed."""

import asyncio

import asyncpg
from confluent_kafka.admin import ConfigResource

from shared.embedded.provision import DAY_MILLISECONDS, drop, provision_databases
from shared.events.topics import SERVICES


async def _names(admin_url: str, prefix: str) -> set[str]:
    connection = await asyncpg.connect(admin_url)
    try:
        rows = await connection.fetch("SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles")
    finally:
        await connection.close()
    return {row[0] for row in rows if row[0].startswith(prefix)}


async def test_each_service_gets_its_own_tables_once(postgres, servers, prefix):
    try:
        first = await provision_databases(postgres, prefix, password=servers.home.password)
        assert await provision_databases(postgres, prefix, password=servers.home.password) == first
        for service in SERVICES:
            connection = await asyncpg.connect(first[service].url)
            assert await connection.fetchval("SELECT count(*) FROM alembic_version") == 1
            assert await connection.fetchval("SELECT count(*) FROM inbox") == 0
            await connection.close()
    finally:
        await drop(prefix, admin_url=postgres)
    assert await _names(postgres, prefix) == set()


async def test_contact_data_on_topics_of_the_core_expire(kafka, topics, prefix):
    """Only whole segments are deleted: without segments of a day a record of seven days could stay for fourteen."""
    await topics("loan", "loan-urgent")
    asked = [ConfigResource(ConfigResource.Type.TOPIC, prefix + name) for name in ("loan", "loan-urgent")]
    admin = kafka.admin()
    for answer in admin.describe_configs(asked).values():
        found = await asyncio.to_thread(answer.result)
        assert found["cleanup.policy"].value == "delete"
        assert int(found["retention.ms"].value) == 7 * DAY_MILLISECONDS
        assert int(found["segment.ms"].value) == DAY_MILLISECONDS
        assert found["message.timestamp.type"].value == "LogAppendTime"
