"""The whole process on a real broker: cases in, permits over HTTP, a checkpoint out; then a graceful stop."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.compliance.app import define
from services.compliance.instruments import Instruments
from services.compliance.log.note import opened
from services.compliance.store.case_facts import load_cases
from shared.embedded.kafka import KafkaAccess
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE
from shared.events.codec import decode, encode_headers
from shared.events.compliance import CheckpointPublished
from shared.ids import event_id
from shared.service import ServiceRuntime

from .conftest import opened_case


def access_of(kafka: KafkaAccess, service: str) -> dict[str, Any]:
    return {
        "bootstrap_servers": kafka.bootstrap, "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": service, "sasl_plain_password": kafka.passwords[service],
    }  # fmt: skip


async def publish(kafka: KafkaAccess, prefix: str, name: str, data: EventData, key: str) -> None:
    now = datetime.now(UTC)
    headers = encode_headers(
        event_type=CATALOGUE[name], event_id=str(event_id()), source="/services/intake", tenant="bank",
        aggregate_id=key, sequence=1, time=now, recorded_time=now, correlation_id="c", causation_id="", traceparent="",
    )  # fmt: skip
    producer = AIOKafkaProducer(**access_of(kafka, "intake"))
    await producer.start()
    try:
        await producer.send_and_wait(
            f"{prefix}case", data.model_dump_json().encode(), key=key.encode(), headers=headers
        )
    finally:
        await producer.stop()


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await check():  # noqa: ASYNC110  # what is awaited happens in another connection
            await asyncio.sleep(0.1)


async def first_checkpoint(kafka: KafkaAccess, prefix: str) -> CheckpointPublished:
    consumer = AIOKafkaConsumer(f"{prefix}compliance", auto_offset_reset="earliest", **access_of(kafka, "intake"))
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            async for record in consumer:
                event = decode(topic="compliance", key=record.key, value=record.value, headers=record.headers)
                if isinstance(event.data, CheckpointPublished):
                    return event.data
    finally:
        await consumer.stop()
    raise AssertionError("unreachable")


async def test_process_follows_cases_and_publishes_checkpoints(
    kafka: KafkaAccess, prefix: str, topics: Any, service_settings: Any
) -> None:
    await topics()
    settings = await service_settings("compliance", http_port=0)
    definition = define(settings)
    runtime = ServiceRuntime(definition)
    running = asyncio.create_task(runtime.run())
    try:
        async with asyncio.timeout(60):
            await asyncio.wait(
                {running, started := asyncio.create_task(runtime.started.wait())}, return_when="FIRST_COMPLETED"
            )
        assert started.done(), running.exception()
        case = opened_case()
        await publish(kafka, prefix, "case.opened", case, str(case.party_id))

        async def known() -> bool:
            async with runtime.database.read_only() as uow:
                return case.party_id in await load_cases(uow, [case.party_id])

        await eventually(known)
        checkpoint = await first_checkpoint(kafka, prefix)
        head = opened(checkpoint.note, Instruments.open(settings).log_key)
        assert head.size == checkpoint.tree_size == 1
    finally:
        runtime.stop()
        await asyncio.wait_for(running, 30)
