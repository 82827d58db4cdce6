"""What must hold before anything is read: the broker is the one our positions belong to, and lets us read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code

from shared.messaging.connection import KAFKA_TIMEOUT_SECONDS

log = logging.getLogger(__name__)


async def probe_broker(options: Mapping[str, Any], topics: Sequence[str], *, service: str) -> str:
    """The cluster's id. Raises TopicAuthorizationFailedError when one of `topics` (true names) may not be read.

    Asked explicitly, because a refused consumer sees no error: the topic is missing from its metadata, and it reads
    nothing for ever.
    """
    admin = AIOKafkaAdminClient(**options)
    try:
        async with asyncio.timeout(KAFKA_TIMEOUT_SECONDS):
            await admin.start()
            cluster_id = str((await admin.describe_cluster())["cluster_id"])
            answers = await admin.describe_topics(list(topics))
    finally:
        with suppress(KafkaError, TimeoutError, OSError):
            async with asyncio.timeout(KAFKA_TIMEOUT_SECONDS):
                await admin.close()
    for answer in answers:
        if answer["error_code"]:
            error = for_code(answer["error_code"])
            log.error("%s cannot read topic %s: %s", service, answer["topic"], error.__name__)
            raise error(answer["topic"])
    return cluster_id
