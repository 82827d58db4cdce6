"""`kill -9` in the middle of batches: nothing is lost, nothing is doubled, order is kept."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.embedded.kafka import KafkaAccess
from shared.events.topics import PARTITIONS

PARTIES, ROUNDS = 60, 15
_ROOT = Path(__file__).parents[3]


async def start(bench: Any, roles: str, owner: str) -> asyncio.subprocess.Process:
    settings = bench.settings
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(_ROOT),
        "DOORSTEP_ENVIRONMENT": "development",
        "DOORSTEP_PREFIX": settings.prefix,
        "DOORSTEP_DATABASE_URL": settings.database_url.get_secret_value(),
        "DOORSTEP_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "DOORSTEP_KAFKA_USERNAME": settings.kafka_username,
        "DOORSTEP_KAFKA_PASSWORD": settings.kafka_password.get_secret_value(),
        "DOORSTEP_KEY_FOLDER": str(settings.key_folder),
    }
    script = str(Path(__file__).with_name("recorder.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, "plans", roles, owner, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    return process


async def kill(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


async def test_a_killed_consumer_loses_and_doubles_nothing(
    bench: Any, topics: Any, publish: Any, record: Any, eventually: Any
) -> None:
    await topics("case", "plans.dlq")
    plans = await bench(kafka=True)
    parties = [uuid4() for _ in range(PARTIES)]
    await publish([record(party, number) for number in range(1, ROUNDS + 1) for party in parties])
    process = await start(plans, "consumer", "a")
    try:
        for share in (0.2, 0.5):
            await eventually(partial(_handled, plans, int(PARTIES * ROUNDS * share)), seconds=60)
            await kill(process)
            process = await start(plans, "consumer", "a")
        await eventually(lambda: _handled(plans, PARTIES * ROUNDS), seconds=60)
    finally:
        await kill(process)
    rows = await plans.rows("SELECT array_agg(sequence ORDER BY place) FROM handled GROUP BY party_id")
    assert [tuple(row[0]) for row in rows] == [tuple(range(1, ROUNDS + 1))] * PARTIES
    assert await plans.rows("SELECT count(*) FROM outbox") == [(PARTIES * ROUNDS,)]


async def test_a_killed_relay_publishes_everything_in_order(
    bench: Any, topics: Any, record: Any, eventually: Any, kafka: KafkaAccess, prefix: str
) -> None:
    await topics("stop", "plans.dlq")
    plans = await bench(kafka=True)
    parties = [uuid4() for _ in range(PARTIES)]
    await _emit_stops(plans, parties)
    process = await start(plans, "relay", "a")
    try:
        for attempt, share in enumerate((0.8, 0.5)):
            await eventually(partial(_pending_below, plans, int(PARTIES * ROUNDS * share)), seconds=60)
            await kill(process)
            process = await start(plans, "relay", f"b{attempt}")
        await eventually(lambda: _pending_below(plans, 0), seconds=60)
    finally:
        await kill(process)
    assert await _published(kafka, prefix + "stop") == {str(party): list(range(1, ROUNDS + 1)) for party in parties}


async def _emit_stops(plans: Any, parties: list[Any]) -> None:
    from shared.events import NewEvent
    from shared.events.stop import PartyStopped

    for _ in range(ROUNDS):
        async with plans.database.unit_of_work() as uow:
            for party in parties:
                data = PartyStopped(
                    party_id=party, cause="dispute", scope="party", since=uow.now, arrived_at=uow.now, reference="r"
                )
                uow.emit(NewEvent(type="party.stopped", party_id=party, aggregate_id=party, data=data, time=uow.now))


async def _published(kafka: KafkaAccess, topic: str) -> dict[str, list[int]]:
    """Sequences by key, of the first copies, in the order of their partition."""
    consumer = AIOKafkaConsumer(**kafka.client_options("plans"), auto_offset_reset="earliest")
    await consumer.start()
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(places)
    ends = await consumer.end_offsets(places)
    seen: dict[str, list[int]] = defaultdict(list)
    while [place for place in places if await consumer.position(place) < ends[place]]:
        for records in (await consumer.getmany(timeout_ms=500)).values():
            for record in records:
                sequence = int(dict(record.headers)["ce_sequence"])
                if sequence not in seen[record.key.decode()]:
                    seen[record.key.decode()].append(sequence)
    await consumer.stop()
    return dict(seen)


async def _handled(plans: Any, expected: int) -> bool:
    return len(await plans.handled()) >= expected


async def _pending_below(plans: Any, limit: int) -> bool:
    return bool((await plans.rows("SELECT count(*) FROM outbox_pending"))[0][0] <= limit)
