"""Consumers against a real broker."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from shared.embedded.kafka import KafkaAccess
from shared.events.stop import PartyStopped
from shared.messaging.runtime import consumer_loops
from tests.integration.messaging.conftest import SEEN_AT


def loops(plans: Any, pulse: Any, **options: Any) -> list[Any]:
    subscription = plans.subscription(**options)
    return consumer_loops(plans.database, [subscription], sealer=plans.sealer, instance=None, pulse=pulse)


async def test_events_are_read_once_and_positions_kept(
    bench: Any, topics: Any, publish: Any, record: Any, running: Any, eventually: Any, pulse: Any
) -> None:
    await topics("case")
    plans = await bench(kafka=True)
    parties = [uuid4() for _ in range(40)]
    made = [record(party, number) for number in (1, 2, 3) for party in parties]
    await publish(made)
    async with running(*loops(plans, pulse)):
        await eventually(lambda: _count(plans, 120))
    await publish([record(party, 4) for party in parties])
    async with running(*loops(plans, pulse)):
        await eventually(lambda: _count(plans, 160))
    rows = await plans.rows("SELECT party_id, array_agg(sequence ORDER BY place) FROM handled GROUP BY 1")
    assert {tuple(sequences) for _, sequences in rows} == {(1, 2, 3, 4)}


async def test_express_topics_are_read_first(
    bench: Any, topics: Any, publish: Any, record: Any, running: Any, eventually: Any, pulse: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("shared.messaging.express._AT_START_SECONDS", 60)
    await topics("case", "stop")
    visits = await bench("visits", kafka=True)
    stopped = uuid4()
    await publish([record(uuid4(), 1) for _ in range(300)])
    data = PartyStopped(
        party_id=stopped, cause="payment", scope="collection", since=SEEN_AT, arrived_at=SEEN_AT, reference="T-1"
    )
    last = record(stopped, 1, kind="party.stopped", value=data.model_dump_json().encode())
    await publish([last], topic="stop")
    subscriptions = [
        visits.subscription(),
        visits.subscription(topic="stop", types=frozenset({"party.stopped"}), monotone_types=frozenset()),
    ]
    groups = consumer_loops(visits.database, subscriptions, sealer=visits.sealer, instance=None, pulse=pulse)
    async with running(*groups):
        await eventually(lambda: _count(visits, 301))
    assert (await visits.handled())[0] == last.id


async def test_two_consumers_share_the_partitions(
    bench: Any, topics: Any, publish: Any, record: Any, running: Any, eventually: Any, pulse: Any
) -> None:
    await topics("case")
    plans = await bench(kafka=True)
    first, second = loops(plans, pulse), loops(plans, pulse)
    parties = [uuid4() for _ in range(60)]
    async with running(*first, *second):
        await publish([record(party, 1) for party in parties])
        await eventually(lambda: _both_read(first[0], second[0]))
        await publish([record(party, 2) for party in parties])
        await eventually(lambda: _count(plans, 120))
    rows = await plans.rows("SELECT party_id, array_agg(sequence ORDER BY place) FROM handled GROUP BY 1")
    assert {tuple(sequences) for _, sequences in rows} == {(1, 2)}


async def test_postgres_away_delays_and_loses_nothing(
    bench: Any, topics: Any, publish: Any, record: Any, running: Any, eventually: Any, pulse: Any
) -> None:
    await topics("case")
    plans = await bench(kafka=True)
    plans.failures += [ConnectionResetError(), ConnectionResetError(), TimeoutError()]
    party = uuid4()
    await publish([record(party, number) for number in (1, 2, 3)])
    async with running(*loops(plans, pulse)):
        await eventually(lambda: _count(plans, 3))
    assert await plans.rows("SELECT count(*) FROM dead_letter") == [(0,)]


async def test_a_refused_topic_fails_loudly(bench: Any, topics: Any, kafka: KafkaAccess, pulse: Any) -> None:
    await topics("loan")
    plans = await bench("visits", kafka=True)
    [group, *_] = loops(plans, pulse, topic="loan", types=frozenset({"loan.overdue"}), monotone_types=frozenset())
    with pytest.raises(TopicAuthorizationFailedError):
        async with asyncio.timeout(60):
            await group.run()


async def test_another_cluster_halts_until_confirmed(
    bench: Any, topics: Any, publish: Any, record: Any, running: Any, eventually: Any, pulse: Any, party: UUID
) -> None:
    await topics("case")
    plans = await bench(kafka=True)
    async with plans.database.unit_of_work() as uow:
        await uow.sql.execute("INSERT INTO consumer_cluster (cluster_id) VALUES ('another')")
    await publish([record(party, 1)])
    [group, *others] = loops(plans, pulse)
    async with running(group, *others):
        await eventually(lambda: _is_halted(group, "cluster_changed"))
    assert await plans.handled() == []


async def test_a_position_outside_the_log_halts(
    bench: Any, topics: Any, publish: Any, record: Any, running: Any, eventually: Any, pulse: Any, party: UUID
) -> None:
    await topics("case")
    plans = await bench(kafka=True)
    async with plans.database.unit_of_work() as uow:
        await uow.sql.execute(
            "INSERT INTO consumer_position (topic, partition, cluster_id, next_offset) VALUES ('case', 3, 'c', 1000)"
        )
    [group, *others] = loops(plans, pulse)
    async with running(group, *others):
        await eventually(lambda: _is_halted(group, "out_of_range"))


async def _count(plans: Any, expected: int) -> bool:
    return len(await plans.handled()) >= expected


async def _both_read(first: Any, second: Any) -> bool:
    return len(first._partitions) == len(second._partitions) == 6


async def _is_halted(group: Any, reason: str) -> bool:
    return group.halted is not None and group.halted.reason == reason
