"""The outbox: the exact bytes of every event, appended in the transaction that decided it.

Rows of `outbox` are immutable and stay for the retention; `outbox_pending` holds what Kafka has not acknowledged yet,
so that publishing never rewrites the wide rows. `republish` puts rows back among the pending ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from shared.database.columns import joined
from shared.events import NewEvent
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE, HEARTBEAT, EventType
from shared.events.codec import NO_PARTY_KEY, Header, encode_headers
from shared.events.topics import PARTITIONS, TOPICS
from shared.ids import event_id_texts
from shared.messaging.fresh_records import Record
from shared.messaging.partitioning import partitions_of
from shared.messaging.tracing import current_traceparent

if TYPE_CHECKING:
    from shared.database.unit_of_work import UnitOfWork

SOURCE_PREFIX = "/services/"
# Headers, key and framing also count for the broker's limit.
_FRAMING_BYTES = 4_096

pack_headers = msgspec.msgpack.Encoder().encode
unpack_headers = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode

# Only streams that existed are answered: of the others, the numbers begin at 1.
_ISSUE_SEQUENCES = """
WITH issued AS (
    INSERT INTO sequence_issued AS s (topic, aggregate_type, aggregate_id, last, newest)
SELECT * FROM unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31)),
                     string_to_array($3, chr(31))::uuid[], string_to_array($4, chr(31))::bigint[],
                     string_to_array($5, chr(31))::uuid[])
ON CONFLICT (aggregate_id, aggregate_type, topic) DO UPDATE SET last = s.last + excluded.last, newest = excluded.newest
RETURNING topic, aggregate_type, aggregate_id, old.last AS before
)
SELECT topic, aggregate_type, aggregate_id::text, before FROM issued WHERE before IS NOT NULL
"""

_TAKE_PLACES = "SELECT nextval('outbox_seq') FROM generate_series(1, $1)"
# What a small command says is written at one with what else it writes; a batch by COPY, which costs less per row.
_FEW = 100
_APPEND_FEW = """
INSERT INTO outbox (seq, event_id, topic, partition, key, value, headers, created_at)
SELECT r.*, $8
FROM unnest(string_to_array($1, chr(31))::bigint[], string_to_array($2, chr(31))::uuid[],
            string_to_array($3, chr(31)), string_to_array($4, chr(31))::int[], $5::bytea[], $6::bytea[], $7::bytea[])
  AS r
"""
_PEND_FEW = """
INSERT INTO outbox_pending (seq, topic, partition, housekeeping)
SELECT r.*, $4
FROM unnest(string_to_array($1, chr(31))::bigint[], string_to_array($2, chr(31)), string_to_array($3, chr(31))::int[])
  AS r
"""
_OUTBOX_COLUMNS = ("seq", "event_id", "topic", "partition", "key", "value", "headers", "created_at")
_PENDING_COLUMNS = ("topic", "seq", "partition", "housekeeping")

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


class _Addressed(NamedTuple):
    event: NewEvent[EventData]
    event_type: EventType
    topic: str


class _Surroundings(NamedTuple):
    """What is the same for all events of one transaction."""

    source: str
    traceparent: str


def source_of(service: str) -> str:
    """CloudEvents `source` of a service."""
    return SOURCE_PREFIX + service


async def append(uow: UnitOfWork) -> None:
    """Append the unit of work's events in the order of emission. Raises EventTooLargeError, TypeError, LookupError."""
    events = [
        _Addressed(event, event_type := CATALOGUE[event.type], _topic_of(event, event_type)) for event in uow.events
    ]
    identities = event_id_texts(len(events))
    sequences = await _issue_sequences(uow, events, identities)
    around = _Surroundings(source_of(uow.service), current_traceparent() or "")
    keys = [NO_PARTY_KEY if event.party_id is None else str(event.party_id).encode() for event, _, _ in events]
    places = _partitions(events, keys)
    ordinary: list[Record] = []
    housekeeping: list[Record] = []
    for addressed, sequence, identity, key, partition in zip(events, sequences, identities, keys, places, strict=True):
        value, headers = _content(uow, addressed, around, sequence=sequence, identity=identity)
        record = Record(addressed.topic, partition, key, value, headers, identity)
        (housekeeping if addressed.event.type == HEARTBEAT else ordinary).append(record)
    await append_records(uow, ordinary)
    await append_records(uow, housekeeping, housekeeping=True)


async def append_records(uow: UnitOfWork, records: Sequence[Record], *, housekeeping: bool = False) -> None:
    """Append ready-made records. Housekeeping ones are forgotten once acknowledged and count for no quietness."""
    if not records:
        return
    places = sorted(row[0] for row in await uow.sql.fetch_ahead(_TAKE_PLACES, len(records)))
    uow.appended.update(zip(places, records, strict=True))
    if len(records) <= _FEW:
        _append_few(uow, places, records, housekeeping=housekeeping)
        return
    await uow.sql.copy_records_to_table(
        "outbox",
        columns=_OUTBOX_COLUMNS,
        records=[
            (place, r.event_id, r.topic, r.partition, r.key, r.value, pack_headers(r.headers), uow.real_now)
            for place, r in zip(places, records, strict=True)
        ],
    )
    await uow.sql.copy_records_to_table(
        "outbox_pending",
        columns=_PENDING_COLUMNS,
        records=[(r.topic, place, r.partition, housekeeping) for place, r in zip(places, records, strict=True)],
    )


def _append_few(uow: UnitOfWork, places: Sequence[int], records: Sequence[Record], *, housekeeping: bool) -> None:
    numbers, topics = joined(places), joined(r.topic for r in records)
    partitions = joined(r.partition for r in records)
    uow.sql.later(
        _APPEND_FEW, numbers, joined(r.event_id for r in records), topics, partitions, [r.key for r in records],
        [r.value for r in records], [pack_headers(r.headers) for r in records], uow.real_now,
    )  # fmt: skip
    uow.sql.later(_PEND_FEW, numbers, topics, partitions, housekeeping)


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


async def _issue_sequences(uow: UnitOfWork, events: Sequence[_Addressed], identities: Sequence[str]) -> list[int]:
    """One number per event, gapless per stream. A stream's row stays locked until commit: numbers follow commits.

    It keeps the id of the stream's newest event, too: should that be lost from the outbox, no later event shows it yet.
    """
    streams = [
        StreamKey(topic, event_type.aggregate, str(event.aggregate_id)) if event.type != HEARTBEAT else None
        for event, event_type, topic in events
    ]
    counts = Counter(stream for stream in streams if stream is not None)
    following = dict.fromkeys(counts, 1)
    newest = dict(zip(streams, identities, strict=True))
    if counts:
        ordered = sorted(counts)
        rows = await uow.sql.fetch_ahead(
            _ISSUE_SEQUENCES,
            joined(stream.topic for stream in ordered),
            joined(stream.aggregate_type for stream in ordered),
            joined(stream.aggregate_id for stream in ordered),
            joined(counts[stream] for stream in ordered),
            joined(newest[stream] for stream in ordered),
        )
        for topic, aggregate_type, aggregate_id, before in rows:
            following[StreamKey(topic, aggregate_type, aggregate_id)] = before + 1
    numbers: list[int] = []
    for numbered in streams:
        if numbered is None:
            numbers.append(0)
        else:
            numbers.append(following[numbered])
            following[numbered] += 1
    return numbers


def _partitions(events: Sequence[_Addressed], keys: Sequence[bytes]) -> list[int]:
    """Where Kafka's own clients would put the keys; events without a party name their partition."""
    return [
        hashed if event.party_id is not None else event.partition or 0
        for (event, _, _), hashed in zip(events, partitions_of(keys, PARTITIONS), strict=True)
    ]


def _content(
    uow: UnitOfWork, addressed: _Addressed, around: _Surroundings, *, sequence: int, identity: str
) -> tuple[bytes, list[Header]]:
    event, event_type, topic = addressed
    cause = uow.causes.get(event.causation_id) if event.causation_id else None
    headers = encode_headers(
        event_type=event_type,
        event_id=identity,
        source=around.source,
        tenant=uow.tenant,
        aggregate_id=str(event.aggregate_id),
        sequence=sequence,
        time=event.time,
        recorded_time=uow.real_now,
        correlation_id=event.correlation_id or (cause.correlation_id if cause else identity),
        causation_id=event.causation_id or "",
        traceparent=(cause.traceparent if cause else "") or around.traceparent,
    )
    value = event.data.__pydantic_serializer__.to_json(event.data)
    spec = TOPICS[topic]
    if len(value) > spec.max_message_bytes - _FRAMING_BYTES:
        raise EventTooLargeError(f"{event.type} has {len(value)} bytes, {topic} accepts {spec.max_message_bytes}")
    return value, headers


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
