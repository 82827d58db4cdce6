"""Dead letters and parked parties.

A record that cannot be processed is kept sealed, its coordinates go to the service's DLQ topic, and its party is
parked: `party.parked` on `stop` tells everyone that facts about the party are incomplete; later events wait.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared.database.unit_of_work import UnitOfWork
from shared.events import NewEvent
from shared.events.codec import NO_PARTY_KEY, Header, format_time
from shared.events.stop import PartyParked, PartyUnparked
from shared.ids import derived_id, event_id
from shared.messaging.failures import ConsumerHaltedError
from shared.messaging.fresh_records import Record
from shared.messaging.outbox import append_records, source_of
from shared.messaging.records import Entry, RawRecord
from shared.messaging.waiting import seal
from shared.security.sealing import RecordSealer

SEQUENCE_GAP = "sequence_gap"
DEAD_LETTER_TYPE = b"dead_letter.recorded"
_LONGEST_DETAIL = 500

_RECORD = """
INSERT INTO dead_letter (id, place, party_id, topic, partition, "offset", source, event_id, type, reason, detail,
                         digest, sealed, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (topic, partition, "offset") DO UPDATE SET reason = excluded.reason, detail = excluded.detail
"""

_PARK = """
INSERT INTO parked_party (party_id, cause, known, parked_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
RETURNING party_id
"""

_PARKED = "SELECT party_id FROM parked_party WHERE party_id = ANY($1::uuid[])"
_ANYTHING_HELD = """
SELECT EXISTS (SELECT FROM parked_party), EXISTS (SELECT FROM waiting_record WHERE behind = 'gap')
"""
_COUNT_OPEN = "SELECT count(*) FROM dead_letter WHERE state = 'open'"


async def anything_held(uow: UnitOfWork) -> tuple[bool, bool]:
    """Whether any party is parked, and whether anything waits behind a gap: usually neither."""
    row = await uow.sql.fetchrow(_ANYTHING_HELD)
    return bool(row[0]), bool(row[1])


async def parked_among(uow: UnitOfWork, party_ids: Iterable[UUID]) -> set[UUID]:
    """Those of the parties that are parked here."""
    return {row[0] for row in await uow.sql.fetch(_PARKED, sorted(set(party_ids)))}


async def check_limit(uow: UnitOfWork, *, limit: int) -> None:
    """Raise ConsumerHaltedError when too many dead letters are open: then it is not the records that are wrong."""
    open_letters = int(await uow.sql.fetchval(_COUNT_OPEN))
    if open_letters >= limit:
        raise ConsumerHaltedError("dead_letter_limit", f"{open_letters} dead letters are open, the limit is {limit}")


async def bury(uow: UnitOfWork, sealer: RecordSealer, entries: Sequence[Entry], *, limit: int) -> None:
    """Record dead letters, tell the DLQ topic, and park the parties that are named by a valid key."""
    if not entries:
        return
    await check_limit(uow, limit=limit)
    notices: list[Record] = []
    for entry in entries:
        digest = digest_of(entry.record)
        await uow.sql.execute(
            _RECORD,
            derived_id("dead-letter", entry.topic, str(entry.record.partition), str(entry.offset)),
            entry.place,
            entry.party_id,
            entry.topic,
            entry.record.partition,
            entry.offset,
            entry.inbox_key.source if entry.inbox_key else None,
            entry.inbox_key.event_id if entry.inbox_key else None,
            entry.type or None,
            entry.reason,
            entry.detail[:_LONGEST_DETAIL],
            digest,
            seal(sealer, entry.topic, entry.record),
            uow.real_now,
        )
        notices.append(_notice(uow, entry, digest))
        if entry.party_id is not None:
            await park(
                uow,
                entry.party_id,
                cause=entry.reason,
                known=entry.party_known,
                topic=entry.topic,
                partition=entry.record.partition,
                offset=entry.offset,
            )
    await append_records(uow, notices)


async def park(
    uow: UnitOfWork, party_id: UUID, *, cause: str, known: bool, topic: str, partition: int, offset: int
) -> None:
    """Park a party (locked by the caller). Tells everyone, unless it is parked already or nobody knows this id."""
    if not await uow.sql.fetchval(_PARK, party_id, cause, known, uow.real_now) or not known:
        return
    data = PartyParked(
        party_id=party_id, service=uow.service, cause=cause, topic=topic, partition=partition, offset=offset
    )
    uow.emit(NewEvent(type="party.parked", party_id=party_id, aggregate_id=party_id, data=data, time=uow.now))


async def leave_to_gap(uow: UnitOfWork, party_id: UUID) -> None:
    """Of all that parked the party (locked by the caller), only a gap is left: its keeper releases it."""
    await uow.sql.execute("UPDATE parked_party SET cause = $2 WHERE party_id = $1", party_id, SEQUENCE_GAP)


async def unpark(uow: UnitOfWork, party_id: UUID) -> None:
    """Release a party (locked by the caller)."""
    known = await uow.sql.fetchval("DELETE FROM parked_party WHERE party_id = $1 RETURNING known", party_id)
    if known:
        data = PartyUnparked(party_id=party_id, service=uow.service)
        uow.emit(NewEvent(type="party.unparked", party_id=party_id, aggregate_id=party_id, data=data, time=uow.now))


async def parked_since(uow: UnitOfWork) -> list[tuple[UUID, str, datetime]]:
    """The parked parties that others know, with cause and since when."""
    rows = await uow.sql.fetch("SELECT party_id, cause, parked_at FROM parked_party WHERE known ORDER BY party_id")
    return [(row[0], row[1], row[2]) for row in rows]


def digest_of(record: RawRecord) -> bytes:
    """SHA-256 over key and value, length-prefixed: names the content without holding it."""
    hasher = hashlib.sha256()
    for part in (record.key or b"", record.value or b""):
        hasher.update(len(part).to_bytes(8) + part)
    return hasher.digest()


def _notice(uow: UnitOfWork, entry: Entry, digest: bytes) -> Record:
    """What the DLQ topic may carry: digest, reason, coordinates. Never the record."""
    identity = str(event_id())
    headers: list[Header] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", identity.encode()),
        ("ce_source", source_of(uow.service).encode()),
        ("ce_type", DEAD_LETTER_TYPE),
        ("ce_time", format_time(uow.real_now).encode()),
        ("ce_tenant", uow.tenant.encode()),
        ("content-type", b"application/json"),
    ]
    value = msgspec.json.encode(
        {
            "topic": entry.topic,
            "partition": entry.record.partition,
            "offset": entry.offset,
            "reason": entry.reason,
            "sha256": digest.hex(),
        }
    )
    topic = f"{uow.service}.dlq"
    return Record(topic=topic, partition=0, key=NO_PARTY_KEY, value=value, headers=headers, event_id=identity)
