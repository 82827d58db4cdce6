"""The floor of the same rows: what intake wrote for these events, written again by somebody who decides nothing.

Same tables, indexes, rows, bytes and number of commits, by COPY from memory, after the same bytes were read from Kafka;
no validation, no lock, no state, no relay. Rows that intake wrote more than once are written once. Run as a process of
its own: `python -m benchmarks.same_rows` reads its task as JSON from standard input, prints events/s.
"""

from __future__ import annotations

import gc
import io
import json
import sys
import time
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events.topics import PARTITIONS

_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'alembic_version'
ORDER BY 1
"""
_COMMITS = "SELECT count(DISTINCT recorded_at) FROM loan_fact"
Chunks = dict[str, list[bytes]]


async def run(task: dict[str, Any]) -> float:
    """Events per second from the first fetched batch to the last commit."""
    chunks, commits = await _written(task["source_url"])
    connection = await asyncpg.connect(task["target_url"])
    await connection.execute(f"TRUNCATE {', '.join(chunks)}")
    consumer = AIOKafkaConsumer(
        **task["kafka"], group_id=task["group"], enable_auto_commit=False, auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )  # fmt: skip
    await consumer.start()
    consumer.assign([TopicPartition(task["topic"], number) for number in range(PARTITIONS)])
    await consumer.seek_to_beginning()
    gc.freeze()
    read, committed, started = 0, 0, 0.0
    while committed < commits:
        if read < task["events"]:
            fetched = await consumer.getmany(timeout_ms=200, max_records=task["events"] // commits + 1)
            read += sum(len(records) for records in fetched.values())
            started = started or time.perf_counter()
        async with connection.transaction():
            for table, parts in chunks.items():
                if committed < len(parts):
                    await connection.copy_to_table(table, source=io.BytesIO(parts[committed]))
        committed += 1
    seconds = time.perf_counter() - started
    await consumer.stop()
    await connection.close()
    return float(task["events"] / seconds)


async def _written(url: str) -> tuple[Chunks, int]:
    """What intake has written, by table, each in as many parts as it had commits."""
    connection = await asyncpg.connect(url)
    commits = int(await connection.fetchval(_COMMITS))
    chunks: Chunks = {}
    for (table,) in await connection.fetch(_TABLES):
        rows = io.BytesIO()
        await connection.copy_from_query(f"SELECT * FROM {table}", output=rows)
        lines = rows.getvalue().splitlines(keepends=True)
        length = len(lines) // commits + 1
        chunks[table] = [b"".join(lines[start : start + length]) for start in range(0, len(lines), length)]
    await connection.close()
    return chunks, commits


if __name__ == "__main__":
    print(uvloop.run(run(json.load(sys.stdin))))
