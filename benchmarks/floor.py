"""The floor: the same bytes from Kafka into one plain logged table, a bulk copy per batch, offsets committed.

Nothing that reads these events durably can be faster on this machine; it decides nothing and forgets duplicates.
Run as a process of its own: `python -m benchmarks.floor` reads its task as JSON from standard input, prints events/s.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events.topics import PARTITIONS

_TABLE = """
DROP TABLE IF EXISTS floor;
CREATE TABLE floor (partition smallint NOT NULL, "offset" bigint NOT NULL, key bytea, value bytea NOT NULL)
"""


async def run(task: dict[str, Any]) -> float:
    """Events per second from the first fetched batch to the last committed offset."""
    connection = await asyncpg.connect(task["database_url"])
    await connection.execute(_TABLE)
    consumer = AIOKafkaConsumer(
        **task["kafka"], group_id=task["group"], enable_auto_commit=False, auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )  # fmt: skip
    await consumer.start()
    consumer.assign([TopicPartition(task["topic"], number) for number in range(PARTITIONS)])
    await consumer.seek_to_beginning()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    done, started = 0, 0.0
    while done < task["events"]:
        fetched = await consumer.getmany(timeout_ms=200, max_records=task["batch"])
        started = started or time.perf_counter()
        for place, records in fetched.items():
            rows = [(place.partition, record.offset, record.key, record.value) for record in records]
            await connection.copy_records_to_table("floor", records=rows)
            await consumer.commit({place: records[-1].offset + 1})
            done += len(records)
    seconds = time.perf_counter() - started
    if await connection.fetchval("SELECT count(*) FROM floor") != task["events"]:
        raise AssertionError("the floor has lost events")
    await consumer.stop()
    await connection.close()
    return float(task["events"] / seconds)


if __name__ == "__main__":
    print(uvloop.run(run(json.load(sys.stdin))))
