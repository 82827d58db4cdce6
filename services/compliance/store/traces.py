"""The SQL of traces: what independent sources know of contacts, only appended; and the contacts beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.compliance.domain.traces import Reported, Trace
from shared.database import UnitOfWork

_KNOWN: Final = """
SELECT t.source, t.record_id, t.trace_id, t.record_sha256
FROM unnest($2::text[], $3::text[]) AS asked(source, record_id)
JOIN contact_trace t ON t.tenant = $1 AND t.source = asked.source AND t.record_id = asked.record_id
"""
_INSERT: Final = """
INSERT INTO contact_trace
  (tenant, source, record_id, number, party_id, trace_id, kind, channel, seen_at, record_sha256, recorded_real)
SELECT $1, t.*, $11
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::timestamptz[],
            $10::bytea[]) AS t
"""
_NUMBERS: Final = """
INSERT INTO feed_number (tenant, source, number, record_id, recorded_real)
SELECT $1, n.*, $5 FROM unnest($2::text[], $3::bigint[], $4::text[]) AS n
"""
_OF_PARTIES: Final = """
SELECT party_id, trace_id, source, kind, channel, seen_at FROM contact_trace
WHERE tenant = $1 AND party_id = ANY($2::uuid[])
"""
_REPORTED: Final = """
SELECT party_id, contact_id, channel, started_at, ended_at FROM contact_audit
WHERE tenant = $1 AND party_id = ANY($2::uuid[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRow:
    """A trace with the record that told it."""

    trace: Trace
    record_id: str
    number: int
    record_sha256: bytes


@dataclass(frozen=True, slots=True)
class KnownTrace:
    """A record that is known already."""

    trace_id: UUID
    record_sha256: bytes


async def load_known(uow: UnitOfWork, records: Sequence[tuple[str, str]]) -> dict[tuple[str, str], KnownTrace]:
    """Those of the (source, record id) that are known."""
    rows = await uow.sql.fetch(_KNOWN, uow.tenant, [one[0] for one in records], [one[1] for one in records])
    return {(row["source"], row["record_id"]): KnownTrace(row["trace_id"], bytes(row["record_sha256"])) for row in rows}


async def insert_traces(uow: UnitOfWork, rows: Sequence[TraceRow]) -> None:
    """Append traces with their numbers. The feeds are locked."""
    if not rows:
        return
    sources, ids, numbers = [r.trace.source for r in rows], [r.record_id for r in rows], [r.number for r in rows]
    await uow.sql.execute(
        _INSERT,
        uow.tenant,
        sources,
        ids,
        numbers,
        [row.trace.party_id for row in rows],
        [row.trace.trace_id for row in rows],
        [row.trace.kind for row in rows],
        [row.trace.channel for row in rows],
        [row.trace.seen_at for row in rows],
        [row.record_sha256 for row in rows],
        uow.real_now,
    )
    await uow.sql.execute(_NUMBERS, uow.tenant, sources, numbers, ids, uow.real_now)


async def load_traces(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, list[Trace]]:
    """The traces of those of the parties that have any."""
    traces: dict[UUID, list[Trace]] = defaultdict(list)
    for row in await uow.sql.fetch(_OF_PARTIES, uow.tenant, sorted(set(party_ids))):
        traces[row["party_id"]].append(Trace(**row))
    return traces


async def load_reported(uow: UnitOfWork, party_ids: Iterable[UUID]) -> Mapping[UUID, list[Reported]]:
    """The contacts of the parties, whoever told of them."""
    contacts: dict[UUID, list[Reported]] = defaultdict(list)
    for row in await uow.sql.fetch(_REPORTED, uow.tenant, sorted(set(party_ids))):
        contacts[row["party_id"]].append(
            Reported(row["contact_id"], row["channel"], row["started_at"], row["ended_at"])
        )
    return contacts
