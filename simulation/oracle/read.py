"""Raw topics to records, as principal `oracle`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from simulation.oracle.record import Record

_TIMEOUT_SECONDS = 60
_BATCH = 5_000


async def read_topics(topics: Sequence[str], *, kafka: dict[str, Any], prefix: str) -> list[Record]:
    """Every record of `topics` (without prefix) up to their present end. Raises KafkaError, TimeoutError."""
    consumer = AIOKafkaConsumer(
        **kafka, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_bytes=32 * 1024 * 1024
    )
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        await consumer.start()
        try:
            return await _drain(consumer, [prefix + topic for topic in topics], prefix)
        finally:
            await consumer.stop()


async def _drain(consumer: AIOKafkaConsumer, topics: Sequence[str], prefix: str) -> list[Record]:
    partitions = []
    metadata = await consumer._client.fetch_all_metadata()
    for topic in topics:
        partitions += [TopicPartition(topic, number) for number in metadata.partitions_for_topic(topic) or ()]
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    begins = await consumer.beginning_offsets(partitions)
    open_partitions = {partition for partition in partitions if begins[partition] < ends[partition]}
    records: list[Record] = []
    while open_partitions:
        batches = await consumer.getmany(*open_partitions, timeout_ms=1_000, max_records=_BATCH)
        for partition, batch in batches.items():
            records += [_record(message, prefix) for message in batch if message.offset < ends[partition]]
        for partition in list(open_partitions):
            if await consumer.position(partition) >= ends[partition]:
                open_partitions.discard(partition)
    return records


def _record(message: ConsumerRecord[bytes, bytes], prefix: str) -> Record:
    return Record(
        topic=message.topic.removeprefix(prefix),
        partition=message.partition,
        offset=message.offset,
        key=(message.key or b"").decode(errors="replace"),
        headers={name: value.decode(errors="replace") for name, value in message.headers},
        value=message.value or b"",
        arrived_at=datetime.fromtimestamp(message.timestamp / 1000, UTC),
    )
