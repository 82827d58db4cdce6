"""The relay against a real broker."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.embedded.kafka import KafkaAccess
from shared.events import NewEvent
from shared.events.case import CaseSuspended
from shared.events.topics import PARTITIONS
from shared.messaging.fresh_records import Record
from shared.messaging.outbox import EventTooLargeError, append_records, republish
from shared.messaging.partitioning import partition_of
from shared.messaging.relay import Relay, resolve_blocked


async def emit(service: Any, parties: list[UUID], rounds: int) -> None:
    for number in range(rounds):
        async with service.database.unit_of_work() as uow:
            await uow.lock_parties(parties)
            for party in parties:
                data = CaseSuspended(case_id=party, party_id=party, version=number + 1, cause="x")
                uow.emit(NewEvent(type="case.suspended", party_id=party, aggregate_id=party, data=data, time=uow.now))


def partition(party: UUID) -> int:
    return partition_of(str(party).encode(), PARTITIONS)


def huge_record(party: UUID) -> Record:
    """More than the broker takes; slipped in behind the outbox's own check."""
    key = str(party).encode()
    return Record("case", partition(party), key, b"x" * 2_000_000, [("ce_id", b"huge")], str(uuid4()))


async def published(kafka: KafkaAccess, topic: str) -> dict[str, list[int]]:
    """Sequences by key in the order of their partition, repetitions (same id) left out."""
    consumer = AIOKafkaConsumer(**kafka.client_options("plans"), auto_offset_reset="earliest")
    await consumer.start()
    places = [TopicPartition(topic, partition_number) for partition_number in range(PARTITIONS)]
    consumer.assign(places)
    ends = await consumer.end_offsets(places)
    sequences: dict[str, list[int]] = defaultdict(list)
    seen: set[bytes] = set()
    while [place for place in places if await consumer.position(place) < ends[place]]:
        for records in (await consumer.getmany(timeout_ms=500)).values():
            for record in records:
                headers = dict(record.headers)
                if headers["ce_id"] not in seen:
                    seen.add(headers["ce_id"])
                    sequences[record.key.decode()].append(int(headers["ce_sequence"]))
    await consumer.stop()
    return dict(sequences)


async def is_empty(service: Any) -> bool:
    return bool((await service.rows("SELECT count(*) = 0 FROM outbox_pending"))[0][0])


async def test_events_of_a_key_are_published_in_order(
    bench: Any, topics: Any, kafka: KafkaAccess, prefix: str, running: Any, eventually: Any
) -> None:
    await topics("case")
    intake = await bench("intake", kafka=True)
    parties = [uuid4() for _ in range(30)]
    await emit(intake, parties, 10)
    async with running(Relay(intake.database, topics=["case"], owner="a", batch_rows=70)):
        await eventually(lambda: is_empty(intake))
    sequences = await published(kafka, prefix + "case")
    assert sequences == {str(party): list(range(1, 11)) for party in parties}


async def test_two_relays_keep_order(
    bench: Any, topics: Any, kafka: KafkaAccess, prefix: str, running: Any, eventually: Any
) -> None:
    await topics("case")
    intake = await bench("intake", kafka=True)
    parties = [uuid4() for _ in range(30)]
    relays = [Relay(intake.database, topics=["case"], owner=owner, batch_rows=20) for owner in ("a", "b")]
    async with running(*relays):
        await emit(intake, parties, 20)
        await eventually(lambda: is_empty(intake))
    assert await published(kafka, prefix + "case") == {str(party): list(range(1, 21)) for party in parties}


async def test_a_refused_row_blocks_its_key_only(
    bench: Any, topics: Any, kafka: KafkaAccess, prefix: str, running: Any, eventually: Any
) -> None:
    await topics("case")
    intake = await bench("intake", kafka=True)
    blocked = uuid4()
    # On the same partition, so that they share batches.
    free = next(other for other in iter(uuid4, None) if partition(other) == partition(blocked))
    async with intake.database.unit_of_work() as uow:
        await append_records(uow, [huge_record(blocked)])
    await emit(intake, [blocked, free], 2)
    async with running(Relay(intake.database, topics=["case"], owner="a")):
        await eventually(lambda: _blocked(intake))
        await eventually(lambda: _published_but_blocked(intake))
    assert await published(kafka, prefix + "case") == {str(free): [1, 2]}


async def test_a_skipped_row_frees_its_key(
    bench: Any, topics: Any, kafka: KafkaAccess, prefix: str, running: Any, eventually: Any, party: UUID
) -> None:
    await topics("case")
    intake = await bench("intake", kafka=True)
    async with intake.database.unit_of_work() as uow:
        await append_records(uow, [huge_record(party)])
    await emit(intake, [party], 1)
    async with running(Relay(intake.database, topics=["case"], owner="a")):
        await eventually(lambda: _blocked(intake))
        async with intake.database.unit_of_work() as uow:
            assert await resolve_blocked(uow, "case", action="skip") == 1
        await eventually(lambda: is_empty(intake))
    assert await published(kafka, prefix + "case") == {str(party): [1]}


async def test_republished_events_carry_the_same_bytes(
    bench: Any, topics: Any, kafka: KafkaAccess, prefix: str, running: Any, eventually: Any, party: UUID
) -> None:
    await topics("case")
    intake = await bench("intake", kafka=True)
    await emit(intake, [party], 3)
    async with running(Relay(intake.database, topics=["case"], owner="a")):
        await eventually(lambda: is_empty(intake))
        async with intake.database.unit_of_work() as uow:
            since = uow.real_now.replace(year=2000)
            assert await republish(uow, "case", since=since, until=uow.real_now.replace(year=2100)) == 3
        await eventually(lambda: is_empty(intake))
    assert await published(kafka, prefix + "case") == {str(party): [1, 2, 3]}


async def test_an_oversized_event_is_refused_to_its_producer(bench: Any, party: UUID) -> None:
    intake = await bench("intake")
    data = CaseSuspended.model_construct(case_id=party, party_id=party, version=1, cause="x" * 1_100_000)
    with pytest.raises(EventTooLargeError):
        async with intake.database.unit_of_work() as uow:
            uow.emit(NewEvent(type="case.suspended", party_id=party, aggregate_id=party, data=data, time=uow.now))
    assert await is_empty(intake)


async def _blocked(service: Any) -> bool:
    return bool(await service.rows("SELECT 1 FROM outbox_blocked"))


async def _published_but_blocked(service: Any) -> bool:
    rows = await service.rows(
        "SELECT count(*) FROM outbox_pending p JOIN outbox o USING (seq) "
        "WHERE NOT EXISTS (SELECT FROM outbox_blocked b WHERE b.key = o.key)"
    )
    return bool(rows == [(0,)])
