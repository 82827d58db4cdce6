"""The SQL of examinations: what an outside examiner may read, until when, and each thing that was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from shared.database import UnitOfWork

_GRANT = """
INSERT INTO examination_grant (tenant, grant_id, examiner, authority, scope_kind, scope_name, party_id, case_id,
                               period_start, period_end, valid_from, valid_to, granted_by, recorded_real)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
_READ_GRANT = """
SELECT g.*, e.recorded_real AS ended_real FROM examination_grant g LEFT JOIN examination_end e USING (tenant, grant_id)
WHERE g.tenant = $1 AND g.grant_id = $2
"""
_END = """
INSERT INTO examination_end (tenant, grant_id, ended_by, reason, recorded_real) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""
# Readers hold it shared until they commit: whoever then holds it alone sees every number that was given.
_READING = "SELECT pg_advisory_xact_lock_shared(4, 1)"
_COUNTING = "SELECT pg_advisory_xact_lock(4, 1)"
_ADD_READ = """
INSERT INTO examination_read (tenant, grant_id, by_whom, client_id, list, position, rows, read_real)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING number
"""
_READS = """
SELECT number, grant_id, by_whom, client_id, list, position, rows, read_real FROM examination_read
WHERE tenant = $1 AND grant_id = $2 AND number > $3 ORDER BY number LIMIT $4
"""
_UNLOGGED = """
SELECT number, grant_id, by_whom, client_id, list, position, rows, read_real FROM examination_read
WHERE tenant = $1 AND number > (SELECT coalesce(max(last_number), 0) FROM examination_leaf WHERE tenant = $1)
ORDER BY number
"""
_LOGGED = """
INSERT INTO examination_leaf (tenant, leaf_id, first_number, last_number, recorded_real) VALUES ($1, $2, $3, $4, $5)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one examiner (subject of the access token) may read, [valid_from, valid_to) of real time.

    `authority` says on what order. `ended_real`: when it was taken back, if it was.
    """

    grant_id: UUID
    examiner: str
    authority: str
    scope_kind: str
    scope_name: str
    party_id: UUID | None
    case_id: UUID | None
    period_start: datetime | None
    period_end: datetime | None
    valid_from: datetime
    valid_to: datetime
    granted_by: str
    recorded_real: datetime
    ended_real: datetime | None = None


class Read(NamedTuple):
    """One read: who, by which software, which list from which position, how many rows, when."""

    number: int
    grant_id: UUID
    by_whom: str
    client_id: str
    list: str
    position: int
    rows: int
    read_real: datetime


async def insert_grant(uow: UnitOfWork, grant: Grant) -> None:
    """Append a grant."""
    await uow.sql.execute(
        _GRANT, uow.tenant, grant.grant_id, grant.examiner, grant.authority, grant.scope_kind, grant.scope_name,
        grant.party_id, grant.case_id, grant.period_start, grant.period_end, grant.valid_from, grant.valid_to,
        grant.granted_by, grant.recorded_real,
    )  # fmt: skip


async def find_grant(uow: UnitOfWork, grant_id: UUID) -> Grant | None:
    """The grant of that id."""
    row = await uow.sql.fetchrow(_READ_GRANT, uow.tenant, grant_id)
    if row is None:
        return None
    return Grant(**{name: value for name, value in row.items() if name != "tenant"})


async def end_grant(uow: UnitOfWork, grant_id: UUID, *, by_whom: str, reason: str) -> None:
    """Take a grant back; a second time changes nothing."""
    await uow.sql.execute(_END, uow.tenant, grant_id, by_whom, reason, uow.real_now)


async def add_read(
    uow: UnitOfWork, grant_id: UUID, *, by_whom: str, client_id: str, name: str, position: int, rows: int
) -> int:
    """Append the row of a read; returns its number."""
    await uow.sql.execute(_READING)
    number: int = await uow.sql.fetchval(
        _ADD_READ, uow.tenant, grant_id, by_whom, client_id, name, position, rows, uow.real_now
    )
    return number


async def load_reads(uow: UnitOfWork, grant_id: UUID, *, after: int, limit: int) -> list[Read]:
    """The reads under a grant with a number above `after`, in order."""
    return _reads(await uow.sql.fetch(_READS, uow.tenant, grant_id, after, limit))


async def unlogged_reads(uow: UnitOfWork) -> list[Read]:
    """The reads that no leaf of the log covers yet; nobody adds one before this transaction ends."""
    await uow.sql.execute(_COUNTING)
    return _reads(await uow.sql.fetch(_UNLOGGED, uow.tenant))


async def mark_logged(uow: UnitOfWork, leaf_id: UUID, *, first: int, last: int) -> None:
    """Remember which leaf covers the reads [first, last]."""
    await uow.sql.execute(_LOGGED, uow.tenant, leaf_id, first, last, uow.real_now)


def _reads(rows: Sequence[asyncpg.Record]) -> list[Read]:
    return [Read(*row.values()) for row in rows]
