"""The SQL of reported contacts: which records and numbers of a feed are known. Rows are only appended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.database import UnitOfWork

_KNOWN = """
SELECT r.source, r.record_id, r.party_id, r.contact_id, r.record_sha256
FROM unnest($2::text[], $3::text[]) AS asked(source, record_id)
JOIN reported_contact r ON r.tenant = $1 AND r.source = asked.source AND r.record_id = asked.record_id
"""
_TAKEN = """
SELECT n.source, n.number
FROM unnest($2::text[], $3::bigint[]) AS asked(source, number)
JOIN feed_number n ON n.tenant = $1 AND n.source = asked.source AND n.number = asked.number
"""
_INSERT = """
INSERT INTO reported_contact
  (tenant, source, record_id, number, party_id, contact_id, channel, record_sha256, recorded_real)
SELECT $1, r.*, $9
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::uuid[], $6::uuid[], $7::text[], $8::bytea[]) AS r
"""
_NUMBERS = """
INSERT INTO feed_number (tenant, source, number, record_id, recorded_real)
SELECT $1, n.*, $5 FROM unnest($2::text[], $3::bigint[], $4::text[]) AS n
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One record of a feed."""

    source: str
    record_id: str
    number: int
    party_id: UUID
    contact_id: UUID
    channel: str
    record_sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownReport:
    """A record that is known already."""

    party_id: UUID
    contact_id: UUID
    record_sha256: bytes


async def load_known(uow: UnitOfWork, records: Sequence[tuple[str, str]]) -> dict[tuple[str, str], KnownReport]:
    """Those of the (source, record id) that are known."""
    rows = await uow.sql.fetch(_KNOWN, uow.tenant, [one[0] for one in records], [one[1] for one in records])
    return {
        (row["source"], row["record_id"]): KnownReport(
            party_id=row["party_id"], contact_id=row["contact_id"], record_sha256=bytes(row["record_sha256"])
        )
        for row in rows
    }


async def load_taken(uow: UnitOfWork, numbers: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those of the (source, number) that are used."""
    rows = await uow.sql.fetch(_TAKEN, uow.tenant, [one[0] for one in numbers], [one[1] for one in numbers])
    return {(row["source"], row["number"]) for row in rows}


async def insert_reports(uow: UnitOfWork, rows: Sequence[ReportRow]) -> None:
    """Append records with their numbers. The feeds are locked."""
    if not rows:
        return
    sources, ids, numbers = [r.source for r in rows], [r.record_id for r in rows], [r.number for r in rows]
    await uow.sql.execute(
        _INSERT,
        uow.tenant,
        sources,
        ids,
        numbers,
        [row.party_id for row in rows],
        [row.contact_id for row in rows],
        [row.channel for row in rows],
        [row.record_sha256 for row in rows],
        uow.real_now,
    )
    await uow.sql.execute(_NUMBERS, uow.tenant, sources, numbers, ids, uow.real_now)
