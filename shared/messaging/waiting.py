"""Records that wait: behind a parked party, or behind a gap in a sequence. Their raw bytes are kept sealed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from shared.database.unit_of_work import UnitOfWork
from shared.messaging.records import Entry, KeptRecord, RawRecord, Stream, classify
from shared.messaging.subscription import InboxKey, Subscription
from shared.security.sealing import RecordSealer

Behind = Literal["party", "gap"]

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]], int]).decode

_KEEP = """
INSERT INTO waiting_record (topic, partition, "offset", party_id, behind, source, event_id, type, aggregate_type,
                            aggregate_id, sequence, handled, place, sealed, recorded_at)
SELECT $1, w.partition, w."offset", w.party_id, $3, w.source, w.event_id, w.type, w.aggregate_type, w.aggregate_id,
       w.sequence, w.handled, w.place, w.sealed, $4
FROM unnest($2::smallint[], $5::bigint[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
            $12::bigint[], $13::boolean[], $14::bigint[], $15::bytea[])
  AS w(partition, "offset", party_id, source, event_id, type, aggregate_type, aggregate_id, sequence, handled, place,
       sealed)
ON CONFLICT (topic, partition, "offset") DO UPDATE SET behind = excluded.behind, place = excluded.place
"""

_COLUMNS = """
topic, partition, "offset", party_id, source, event_id, type, aggregate_type, aggregate_id, sequence, handled, place,
sealed
"""

_BEHIND_GAPS = f"""
SELECT {_COLUMNS} FROM waiting_record
WHERE behind = 'gap' AND topic = $1
  AND (source, aggregate_type, aggregate_id) IN (SELECT * FROM unnest($2::text[], $3::text[], $4::text[]))
ORDER BY sequence
"""  # noqa: S608 - the columns are a constant

_BEHIND_PARTY = f"""
SELECT {_COLUMNS} FROM waiting_record WHERE behind = 'party' AND party_id = $1
ORDER BY place
"""  # noqa: S608 - the columns are a constant

_FORGET = """
DELETE FROM waiting_record w USING unnest($1::text[], $2::smallint[], $3::bigint[]) AS f(topic, partition, "offset")
WHERE w.topic = f.topic AND w.partition = f.partition AND w."offset" = f."offset"
"""


@dataclass(frozen=True, slots=True)
class Gap:
    """The first record held behind a gap of one stream."""

    topic: str
    partition: int
    offset: int
    party_id: UUID
    stream: Stream


def place_of(topic: str, record: RawRecord) -> str:
    """Where a sealed record belongs: nobody can move it to another row."""
    return f"{topic}/{record.partition}/{record.offset}"


def seal(sealer: RecordSealer, topic: str, record: RawRecord) -> bytes:
    """The record's key, value, headers and timestamp, sealed for its coordinates."""
    return sealer.seal(
        _pack((record.key, record.value, list(record.headers), record.timestamp)), place=place_of(topic, record)
    )


def unseal(sealer: RecordSealer, topic: str, partition: int, offset: int, sealed: bytes) -> KeptRecord:
    """The kept record. Raises SealBrokenError."""
    bare = KeptRecord(partition, offset, 0, None, None, ())
    key, value, headers, timestamp = _unpack(sealer.open(sealed, place=place_of(topic, bare)))
    return KeptRecord(partition, offset, timestamp, key, value, headers)


async def take_places(uow: UnitOfWork, entries: Sequence[Entry]) -> None:
    """Give the entries that are about to be set aside their ranks."""
    if entries:
        rows = await uow.sql.fetch("SELECT nextval('kept_place') FROM generate_series(1, $1)", len(entries))
        for entry, row in zip(entries, sorted(row[0] for row in rows), strict=True):
            entry.place = row


async def keep(uow: UnitOfWork, sealer: RecordSealer, entries: Sequence[Entry], *, behind: Behind) -> None:
    """Keep entries of one topic."""
    if not entries:
        return
    nobody = UUID(int=0)
    streams = [entry.stream or Stream(("", "", "")) for entry in entries]
    keys = [entry.inbox_key or InboxKey("", "") for entry in entries]
    await uow.sql.execute(
        _KEEP,
        entries[0].topic,
        [entry.record.partition for entry in entries],
        behind,
        uow.real_now,
        [entry.offset for entry in entries],
        [entry.party_id or nobody for entry in entries],
        [key.source for key in keys],
        [key.event_id for key in keys],
        [entry.type for entry in entries],
        [stream[1] for stream in streams],
        [stream[2] for stream in streams],
        [entry.sequence for entry in entries],
        [entry.handled for entry in entries],
        [entry.place for entry in entries],
        [seal(sealer, entry.topic, entry.record) for entry in entries],
    )


async def behind_gaps(
    uow: UnitOfWork, sealer: RecordSealer, subscription: Subscription, streams: Iterable[Stream]
) -> list[Entry]:
    """What waits behind gaps of these streams, in the order of their sequences."""
    ordered = sorted(set(streams))
    rows = await uow.sql.fetch(
        _BEHIND_GAPS,
        subscription.topic,
        [stream[0] for stream in ordered],
        [stream[1] for stream in ordered],
        [stream[2] for stream in ordered],
    )
    return [_revived(sealer, subscription, row) for row in rows]


async def behind_party(
    uow: UnitOfWork, sealer: RecordSealer, subscriptions: Mapping[str, Subscription], party_id: UUID
) -> list[Entry]:
    """What waits behind a parked party, in the order it was set aside."""
    rows = await uow.sql.fetch(_BEHIND_PARTY, party_id)
    return [_revived(sealer, subscriptions[row["topic"]], row) for row in rows]


async def forget(uow: UnitOfWork, entries: Sequence[Entry]) -> None:
    """Delete kept records that need to wait no longer."""
    if entries:
        await uow.sql.execute(
            _FORGET,
            [entry.topic for entry in entries],
            [entry.record.partition for entry in entries],
            [entry.offset for entry in entries],
        )


def _revived(sealer: RecordSealer, subscription: Subscription, row: asyncpg.Record) -> Entry:
    """The kept record, classified anew (the code may know more by now), under the party it was kept for."""
    record = unseal(sealer, row["topic"], row["partition"], row["offset"], row["sealed"])
    entry = classify(record, subscription)
    entry.party_id = row["party_id"]
    entry.stream = Stream((row["source"], row["aggregate_type"], row["aggregate_id"])) if row["sequence"] else None
    entry.sequence = row["sequence"]
    entry.kept, entry.handled, entry.place = True, row["handled"], row["place"]
    return entry
