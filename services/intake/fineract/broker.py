"""Fineract's broker has changed, or its topic was made again: read on from its beginning (ADR 0137)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.intake.fineract.adapter import TOPIC
from services.intake.fineract.numbering import next_epoch
from services.intake.store import fineract as store
from shared.database import Database
from shared.messaging.foreign_places import BegunAnew, begin_anew
from shared.messaging.probe import probe_broker


async def begin_at_broker(
    database: Database, *, core: str, topic: str, options: Mapping[str, Any], numbers_restart: bool
) -> tuple[str, BegunAnew]:
    """Ask the broker who it is and where the topic begins, and begin there; returns its cluster id and what was before.

    `numbers_restart`: the core's database is a new one, so that its messages are counted from 1 again; what it says
    from now on stands after all that it has said. Raises UnsettledLettersError, KafkaError, OSError.
    """
    cluster_id = await probe_broker(options, [topic], service=database.service)
    consumer = AIOKafkaConsumer(topic, **options)
    await consumer.start()
    try:
        partitions = consumer.partitions_for_topic(topic) or set()
        found = await consumer.beginning_offsets([TopicPartition(topic, number) for number in sorted(partitions)])
    finally:
        await consumer.stop()
    beginnings = {place.partition: offset for place, offset in found.items()}
    async with database.unit_of_work() as uow:
        before = await begin_anew(uow, TOPIC, beginnings=beginnings, cluster_id=cluster_id)
        if numbers_restart:
            known = await store.load_numbers(uow, core)
            newest = next_epoch(max(known.values(), default=0))
            await store.save_numbers(uow, core, dict.fromkeys(known.keys() | beginnings.keys(), newest))
    return cluster_id, before
