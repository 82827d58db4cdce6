"""Several partitions in one transaction: each keeps its own position, and its own faults."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from aiokafka import TopicPartition

from shared.database import Database
from shared.ids import entity_id
from shared.messaging.batch import BatchProcessor
from shared.messaging.joint_transactions import Partition
from shared.messaging.partition_reader import PartitionReader
from tests.integration.messaging.conftest import Bench, BenchFactory, Made

PARTITIONS = 6


async def test_all_positions_move(bench: BenchFactory, record: Callable[..., Made]) -> None:
    plans = await bench()
    made = await read_all(plans, record)
    assert sorted(await plans.handled()) == sorted(made)
    assert await positions(plans) == [(number, 1) for number in range(PARTITIONS)]
    assert await transactions(plans) < PARTITIONS


async def test_a_poison_is_its_own_partitions_only(bench: BenchFactory, record: Callable[..., Made]) -> None:
    plans = await bench()
    plans.poison |= {"e-3"}
    made = await read_all(plans, record)
    assert sorted(await plans.handled()) == sorted(set(made) - {"e-3"})
    assert await positions(plans) == [(number, 1) for number in range(PARTITIONS)]
    assert (await plans.outcomes())["e-3"] == "dead"


async def test_a_lost_position_is_its_own_partitions_only(bench: BenchFactory, record: Callable[..., Made]) -> None:
    plans = await bench()
    lost = await read_all(plans, record, moved_away=4)
    assert sorted(await plans.handled()) == sorted(set(lost) - {"e-4"})
    assert await positions(plans) == [(number, 9 if number == 4 else 1) for number in range(PARTITIONS)]


async def test_what_must_wait_keeps_its_place(bench: BenchFactory, record: Callable[..., Made]) -> None:
    plans = await bench()
    await read_all(plans, record, sequence=2)
    waiting = await plans.rows("SELECT partition, event_id FROM waiting_record ORDER BY 1")
    assert waiting == [(number, f"e-{number}") for number in range(PARTITIONS)]


async def read_all(
    bench: Bench, record: Callable[..., Made], *, moved_away: int | None = None, sequence: int = 1
) -> list[str]:
    """One record of each partition, read at the same time by a reader with a single slot; returns their ids."""
    await place(bench.database, moved_away)
    processor = BatchProcessor(bench.subscription(), sealer=bench.sealer, dead_letter_limit=100)
    reader = PartitionReader(bench.database, processor, slots=asyncio.Semaphore(1))
    made = [record(entity_id(number), sequence, identity=f"e-{number}") for number in range(PARTITIONS)]
    await asyncio.gather(
        *(
            reader.process(
                Partition(TopicPartition("case", number), "case", 0, 0), [replace(one.record, partition=number)]
            )
            for number, one in enumerate(made)
        ),
        return_exceptions=moved_away is not None,
    )
    return [one.id for one in made]


async def place(database: Database, moved_away: int | None) -> None:
    async with database.unit_of_work() as uow:
        await uow.sql.executemany(
            "INSERT INTO consumer_position (topic, partition, cluster_id, next_offset) VALUES ('case', $1, 'c', $2)",
            [(number, 9 if number == moved_away else 0) for number in range(PARTITIONS)],
        )


async def positions(bench: Bench) -> list[tuple[object, ...]]:
    return await bench.rows("SELECT partition, next_offset FROM consumer_position WHERE topic = 'case' ORDER BY 1")


async def transactions(bench: Bench) -> int:
    return len(await bench.rows("SELECT DISTINCT xmin::text FROM handled"))
