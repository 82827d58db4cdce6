"""Heartbeats: what the low watermark says, and what travels."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from shared.events.topics import PARTITIONS, heartbeat_topics
from shared.messaging.heartbeats import Heartbeats, low_watermark
from shared.messaging.runtime import consumer_loops


async def read_up_to(plans: Any, ago: timedelta, *, partitions: int = PARTITIONS) -> None:
    async with plans.database.unit_of_work() as uow:
        await uow.sql.execute(
            "INSERT INTO consumer_position (topic, partition, cluster_id, next_offset, caught_up_to) "
            "SELECT 'case', n, 'c', 0, $1 FROM generate_series(0, $2 - 1) n",
            uow.real_now - ago,
            partitions,
        )


async def heartbeats_of(plans: Any) -> list[dict[str, Any]]:
    return [msgspec.json.decode(row[0]) for row in await plans.rows("SELECT value FROM outbox ORDER BY seq")]


async def test_the_watermark_is_the_oldest_input(bench: Any) -> None:
    plans = await bench()
    await read_up_to(plans, timedelta(seconds=40))
    async with plans.database.read_only() as uow:
        watermark = await low_watermark(uow, ["case"])
        assert watermark is not None
        assert timedelta(seconds=39) < uow.real_now - watermark < timedelta(seconds=60)


async def test_an_input_never_read_gives_no_watermark_and_no_heartbeat(bench: Any, pulse: Any) -> None:
    plans = await bench()
    await read_up_to(plans, timedelta(), partitions=PARTITIONS - 1)
    assert not await Heartbeats(plans.database, reads=["case"], pulse=pulse).send()


async def test_a_command_in_flight_holds_the_watermark(bench: Any) -> None:
    plans = await bench()
    await read_up_to(plans, timedelta())
    async with plans.database.unit_of_work() as writing:
        await writing.sql.execute("INSERT INTO consumer_cluster (cluster_id) VALUES ('x')")
        begun = await writing.sql.fetchval("SELECT xact_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        async with plans.database.read_only() as uow:
            watermark = await low_watermark(uow, [])
            assert watermark is not None
            assert watermark <= begun


async def test_every_partition_gets_one_and_parked_parties_are_named_on_theirs(
    bench: Any, record: Any, pulse: Any, party: UUID
) -> None:
    plans = await bench()
    await plans.feed([record(party, 1, value=b"{}").record])
    async with plans.database.unit_of_work() as uow:
        await uow.sql.execute("DELETE FROM outbox_pending")
        await uow.sql.execute("DELETE FROM outbox")
    sender = Heartbeats(plans.database, reads=[], pulse=pulse)
    assert await sender.send()
    sent = await heartbeats_of(plans)
    assert len(sent) == PARTITIONS * len(heartbeat_topics("plans"))
    naming = [item for item in sent if item["parked_parties"]]
    assert [item["parked_parties"] for item in naming] == [[str(party)]] * len(heartbeat_topics("plans"))
    assert len({item["partition"] for item in naming}) == 1


async def test_only_one_process_sends_and_old_ones_are_replaced(bench: Any, pulse: Any) -> None:
    plans = await bench()
    first, second = (Heartbeats(plans.database, reads=[], pulse=pulse) for _ in range(2))
    assert [await first.send(), await second.send()] == [True, False]
    count = len(await heartbeats_of(plans))
    async with plans.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE heartbeat_turn SET sent_at = sent_at - interval '1 minute'")
    assert await second.send()
    assert len(await heartbeats_of(plans)) == count


async def test_heartbeats_reach_the_reader_without_inbox_rows(
    bench: Any, topics: Any, running: Any, eventually: Any, pulse: Any
) -> None:
    from shared.messaging.relay import Relay

    await topics("case")
    intake, plans = await bench("intake", kafka=True), await bench("plans", kafka=True, heartbeat_seconds=0.5)
    seen: set[int] = set()

    async def on_heartbeats(uow: Any, events: Any) -> None:
        seen.update(event.data.partition for event in events if event.data.service == "intake")

    loops = consumer_loops(
        plans.database,
        [plans.subscription()],
        sealer=plans.sealer,
        instance=None,
        pulse=pulse,
        on_heartbeats=on_heartbeats,
    )
    sender = Heartbeats(intake.database, reads=[], pulse=pulse)
    async with running(Relay(intake.database, topics=["case"], owner="a"), *loops):
        await sender.send()

        async def all_seen() -> bool:
            return len(seen) == PARTITIONS

        async def acknowledged() -> bool:
            return bool(await intake.rows("SELECT count(*) = 0 FROM outbox WHERE topic = 'case'") == [(True,)])

        async def caught_up() -> bool:
            async with plans.database.read_only() as uow:
                watermark = await low_watermark(uow, ["case"])
                return watermark is not None and uow.real_now - watermark < timedelta(seconds=5)

        await eventually(all_seen)
        await eventually(acknowledged)
        await eventually(caught_up)
    assert await plans.outcomes() == {}


async def test_a_foreign_topic_holds_the_watermark_and_what_it_led_to_does_too(bench: Any) -> None:
    plans = await bench()
    await read_up_to(plans, timedelta(seconds=1))
    async with plans.database.read_only() as uow:
        assert await low_watermark(uow, ["case"], foreign=["elsewhere"]) is None
    async with plans.database.unit_of_work() as uow:
        await uow.sql.execute(
            "INSERT INTO consumer_position (topic, partition, cluster_id, next_offset, caught_up_to) "
            "VALUES ('elsewhere', 0, 'other', 0, $1), ('elsewhere', 1, 'other', 0, NULL)",
            uow.real_now - timedelta(seconds=50),
        )
        assert await low_watermark(uow, ["case"], foreign=["elsewhere"]) is None
        await uow.sql.execute("UPDATE consumer_position SET caught_up_to = $1 WHERE partition = 1", uow.real_now)
        watermark = await low_watermark(uow, ["case"], foreign=["elsewhere"])
        assert watermark is not None
        assert timedelta(seconds=49) < uow.real_now - watermark < timedelta(seconds=51)
