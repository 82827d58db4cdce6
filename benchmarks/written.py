"""What a service has written, looked at from outside without costing it anything."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from cli.platform import Platform
from shared.events.topics import PARTITIONS


async def wait_until_written(options: dict[str, Any], topic: str, records: int, *, seconds: int = 300) -> None:
    """Until the topic's ends add up, looked at twice a second: reading along would cost the cores that are measured."""
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        for _ in range(2 * seconds):
            if sum((await consumer.end_offsets(places)).values()) >= records:
                return
            await asyncio.sleep(0.5)
        raise TimeoutError(f"{records} records were not written within {seconds} s")
    finally:
        await consumer.stop()


async def written(platform: Platform) -> tuple[int, int]:
    """Rows that intake's database has had written, and bytes of WAL of the server."""
    connection = await asyncpg.connect(platform.databases["intake"].owner_url)
    try:
        rows = await connection.fetchval("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables")
        wal = await connection.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return int(rows or 0), int(wal)
    finally:
        await connection.close()
