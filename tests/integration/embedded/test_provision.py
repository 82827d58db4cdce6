"""A whole run's databases: made, made again without harm, removed."""

import asyncpg

from shared.embedded.provision import drop, provision_databases
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
