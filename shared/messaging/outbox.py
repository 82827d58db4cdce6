"""The outbox: the exact bytes of every event, appended in the transaction that decided it.

Rows of `outbox` are immutable and stay for the retention; `outbox_pending` holds what Kafka has not acknowledged yet,
so that publishing never rewrites the wide rows. `republish` puts rows back among the pending ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from shared.events import NewEvent
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE, HEARTBEAT, EventType
from shared.events.codec import NO_PARTY_KEY, Header, encode_headers
from shared.events.topics import TOPICS
from shared.ids import event_id
from shared.messaging.partitioning import partition_of
from shared.messaging.tracing import current_traceparent

if TYPE_CHECKING:
    from shared.database.unit_of_work import UnitOfWork

SOURCE_PREFIX = "/services/"
# Headers, key and framing also count for the broker's limit.
_FRAMING_BYTES = 4_096

pack_headers = msgspec.msgpack.Encoder().encode
unpack_headers = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode

_ISSUE_SEQUENCES = """
INSERT INTO sequence_issued AS s (topic, aggregate_type, aggregate_id, last)
SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[])
ON CONFLICT (aggregate_id, aggregate_type, topic) DO UPDATE SET last = s.last + excluded.last
RETURNING topic, aggregate_type, aggregate_id, last
"""

_APPEND = """
WITH appended AS (
    INSERT INTO outbox (event_id, topic, partition, key, value, headers, created_at)
    SELECT e.event_id, e.topic, e.partition, e.key, e.value, e.headers, $7
    FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::bytea[], $5::bytea[], $6::bytea[])
      AS e(event_id, topic, partition, key, value, headers)
    RETURNING topic, seq, partition
)
INSERT INTO outbox_pending (topic, seq, partition, housekeeping) SELECT topic, seq, partition, $8 FROM appended
"""

_REPUBLISH = """
INSERT INTO outbox_pending (topic, seq, partition, housekeeping)
SELECT topic, seq, partition, false FROM outbox
WHERE topic = $1 AND created_at >= $2 AND created_at < $3 ORDER BY seq
ON CONFLICT DO NOTHING
"""

_TRIM = """
DELETE FROM outbox WHERE seq IN (
    SELECT o.seq FROM outbox o
    WHERE o.created_at < $1 AND NOT EXISTS (SELECT FROM outbox_pending p WHERE p.topic = o.topic AND p.seq = o.seq)
    LIMIT $2
)
"""

_COUNT_PENDING = "SELECT count(*) FROM outbox_pending WHERE NOT housekeeping"


class EventTooLargeError(ValueError):
    """An event exceeds what its topic accepts; the command that made it fails, and nothing is committed."""


class StreamKey(NamedTuple):
    """What a sequence counts in one service: (topic, aggregate type, aggregate id)."""

    topic: str
    aggregate_type: str
    aggregate_id: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record to be sent: the exact bytes."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Sequence[Header]
    event_id: str


def source_of(service: str) -> str:
    """CloudEvents `source` of a service."""
    return SOURCE_PREFIX + service


async def append(uow: UnitOfWork) -> None:
    """Append the unit of work's events in the order of emission. Raises EventTooLargeError, TypeError, LookupError."""
    events = [(event, CATALOGUE[event.type]) for event in uow.events]
    topics = [_topic_of(event, event_type) for event, event_type in events]
    sequences = await _issue_sequences(uow, events, topics)
    ordinary: list[Record] = []
    housekeeping: list[Record] = []
    for (event, event_type), topic, sequence in zip(events, topics, sequences, strict=True):
        record = _record(uow, event, event_type, topic=topic, sequence=sequence)
        (housekeeping if event.type == HEARTBEAT else ordinary).append(record)
    await append_records(uow, ordinary)
    await append_records(uow, housekeeping, housekeeping=True)


async def append_records(uow: UnitOfWork, records: Sequence[Record], *, housekeeping: bool = False) -> None:
    """Append ready-made records. Housekeeping ones are forgotten once acknowledged and count for no quietness."""
    if not records:
        return
    await uow.sql.execute(
        _APPEND,
        [record.event_id for record in records],
        [record.topic for record in records],
        [record.partition for record in records],
        [record.key for record in records],
        [record.value for record in records],
        [pack_headers(record.headers) for record in records],
        uow.real_now,
        housekeeping,
    )


async def republish(uow: UnitOfWork, topic: str, *, since: datetime, until: datetime) -> int:
    """Send the retained events of `topic` recorded in [since, until) again, in order; returns how many.

    Heals a Kafka that lost data. Consumers recognise repetitions by source and id.
    """
    status: str = await uow.sql.execute(_REPUBLISH, topic, since, until)
    return int(status.rsplit(" ", 1)[1])


async def trim(uow: UnitOfWork, *, before: datetime, limit: int) -> int:
    """Delete up to `limit` acknowledged rows recorded before `before`; returns how many."""
    status: str = await uow.sql.execute(_TRIM, before, limit)
    return int(status.rsplit(" ", 1)[1])


async def count_pending(uow: UnitOfWork) -> int:
    """How many events are not acknowledged by Kafka yet, heartbeats left out."""
    return int(await uow.sql.fetchval(_COUNT_PENDING))


async def _issue_sequences(
    uow: UnitOfWork, events: Sequence[tuple[NewEvent[EventData], EventType]], topics: Sequence[str]
) -> Iterable[int]:
    """One number per event, gapless per stream. A stream's row stays locked until commit: numbers follow commits."""
    streams = [
        StreamKey(topic, event_type.aggregate, event.aggregate_id.hex) if event.type != HEARTBEAT else None
        for (event, event_type), topic in zip(events, topics, strict=True)
    ]
    counts = Counter(stream for stream in streams if stream is not None)
    following: dict[StreamKey, int] = {}
    if counts:
        ordered = sorted(counts)
        rows = await uow.sql.fetch(
            _ISSUE_SEQUENCES,
            [stream.topic for stream in ordered],
            [stream.aggregate_type for stream in ordered],
            [stream.aggregate_id for stream in ordered],
            [counts[stream] for stream in ordered],
        )
        for topic, aggregate_type, aggregate_id, last in rows:
            stream = StreamKey(topic, aggregate_type, aggregate_id.hex)
            following[stream] = last - counts[stream] + 1
    numbers: list[int] = []
    for numbered in streams:
        if numbered is None:
            numbers.append(0)
        else:
            numbers.append(following[numbered])
            following[numbered] += 1
    return numbers


def _record(uow: UnitOfWork, event: NewEvent[EventData], event_type: EventType, *, topic: str, sequence: int) -> Record:
    identity = str(event_id())
    cause = uow.causes.get(event.causation_id) if event.causation_id else None
    headers = encode_headers(
        event_type=event_type,
        event_id=identity,
        source=source_of(uow.service),
        tenant=uow.tenant,
        aggregate_id=str(event.aggregate_id),
        sequence=sequence,
        time=event.time,
        recorded_time=uow.real_now,
        correlation_id=event.correlation_id or (cause.correlation_id if cause else identity),
        causation_id=event.causation_id or "",
        traceparent=(cause.traceparent if cause else "") or current_traceparent() or "",
    )
    value = event.data.model_dump_json().encode()
    spec = TOPICS[topic]
    if len(value) > spec.max_message_bytes - _FRAMING_BYTES:
        raise EventTooLargeError(f"{event.type} has {len(value)} bytes, {topic} accepts {spec.max_message_bytes}")
    if event.party_id is None:
        key, partition = NO_PARTY_KEY, event.partition or 0
    else:
        key = str(event.party_id).encode()
        partition = partition_of(key, spec.partitions)
    return Record(topic=topic, partition=partition, key=key, value=value, headers=headers, event_id=identity)


def _topic_of(event: NewEvent[EventData], event_type: EventType) -> str:
    if type(event.data) is not event_type.model:
        raise TypeError(f"{event.type} carries {event_type.model.__name__}, not {type(event.data).__name__}")
    if event.topic is not None:
        if event.topic not in event_type.topics:
            raise LookupError(f"{event.type} does not belong on {event.topic}")
        return event.topic
    if len(event_type.topics) != 1:
        raise LookupError(f"{event.type} may appear on several topics; name one")
    return event_type.topics[0]
