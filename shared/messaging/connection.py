"""How our Kafka clients connect: the same security everywhere, every wait bounded."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from functools import cache
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.codec import has_lz4
from aiokafka.errors import KafkaError

from shared.settings import ServiceSettings

KAFKA_TIMEOUT_SECONDS = 30.0
_STOP_SECONDS = 5.0
SASL_MECHANISM = "SCRAM-SHA-512"
# Topics accept 1 MiB; what we batch stays below it, whatever the framing adds.
MAX_BATCH_BYTES = 900_000


def client_options(settings: ServiceSettings, *, client_id: str) -> dict[str, Any]:
    """Options common to aiokafka's clients. Outside development the connection is encrypted."""
    options = bounded_options(client_id) | {"bootstrap_servers": settings.kafka_bootstrap}
    if settings.kafka_username:
        encrypted = settings.environment == "production"
        if encrypted:
            options["ssl_context"] = _trusted_authorities(settings.kafka_authorities_file)
        options |= {
            "security_protocol": "SASL_SSL" if encrypted else "SASL_PLAINTEXT",
            "sasl_mechanism": SASL_MECHANISM,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return options


@cache
def _trusted_authorities(file: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=file)


def bounded_options(client_id: str) -> dict[str, Any]:
    """What holds for every broker: no request waits for long, and no metadata grow old."""
    return {
        "client_id": client_id,
        "request_timeout_ms": 10_000,
        "retry_backoff_ms": 100,
        "metadata_max_age_ms": 60_000,
    }


async def start_producer(settings: ServiceSettings, *, client_id: str) -> AIOKafkaProducer:
    """A started idempotent producer. Raises KafkaError or TimeoutError; nothing is left open then."""
    producer = AIOKafkaProducer(
        **client_options(settings, client_id=client_id),
        acks="all",
        enable_idempotence=True,
        compression_type="lz4" if has_lz4() else None,
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=8 * 1024 * 1024,
        linger_ms=0,
    )
    try:
        async with asyncio.timeout(KAFKA_TIMEOUT_SECONDS):
            await producer.start()
    except BaseException:
        await stop_producer(producer)
        raise
    return producer


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer for certain. Its own `stop` waits for unsent batches, which is for ever while Kafka is away."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
    except (TimeoutError, KafkaError):
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await producer._sender.close()
                await producer.client.close()
