"""What must hold before anything is read: the broker is the one our positions belong to, and lets us read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code

from shared.database.engine import Database
from shared.messaging.connection import KAFKA_TIMEOUT_SECONDS, client_options

log = logging.getLogger(__name__)


async def probe_broker(database: Database, topics: Sequence[str]) -> str:
    """The cluster's id. Raises TopicAuthorizationFailedError when one of the topics may not be read.

    Asked explicitly, because a refused consumer sees no error: the topic is missing from its metadata, and it reads
    nothing for ever.
    """
    prefix = database.settings.prefix
    admin = AIOKafkaAdminClient(**client_options(database.settings, client_id=f"{database.service}-probe"))
    try:
        async with asyncio.timeout(KAFKA_TIMEOUT_SECONDS):
            await admin.start()
            cluster_id = str((await admin.describe_cluster())["cluster_id"])
            answers = await admin.describe_topics([prefix + topic for topic in topics])
    finally:
        with suppress(KafkaError, TimeoutError, OSError):
            async with asyncio.timeout(KAFKA_TIMEOUT_SECONDS):
                await admin.close()
    for answer in answers:
        if answer["error_code"]:
            error = for_code(answer["error_code"])
            log.error("%s cannot read topic %s: %s", database.service, answer["topic"], error.__name__)
            raise error(answer["topic"])
    return cluster_id
