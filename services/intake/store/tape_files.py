"""Files of feeds: what was loaded how far, and which rows were refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from shared.database import UnitOfWork
from shared.ids import event_id

State = Literal["loading", "loaded", "refused"]
_FILE = "SELECT * FROM tape_file WHERE tenant = $1 AND feed = $2 AND file_id = $3"
_BY_HASH = "SELECT * FROM tape_file WHERE tenant = $1 AND feed = $2 AND sha256 = $3 AND state = 'loaded'"
_LAST = """
SELECT * FROM tape_file WHERE tenant = $1 AND feed = $2 AND repairs IS NULL AND state = 'loaded'
ORDER BY sequence DESC LIMIT 1
"""
_LOADING = "SELECT file_id FROM tape_file WHERE tenant = $1 AND feed = $2 AND state = 'loading'"
_FILES = "SELECT * FROM tape_file WHERE tenant = $1 AND feed = $2 ORDER BY started_at DESC, file_id LIMIT $3"
_RECORD = """
INSERT INTO tape_file (tenant, file_id, feed, core, business_date, sequence, sha256, repairs, contract_version,
                       contract_sha256, approved_by, watermark, position_number, state, total_rows, overdue_rows,
                       totals, rows_done, vanished_after, facts, vanished, refused_rows, nameless_rows, reasons,
                       started_at, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
        $25, $26)
ON CONFLICT (tenant, feed, file_id) DO UPDATE
SET state = excluded.state, reasons = excluded.reasons, started_at = excluded.started_at, ended_at = excluded.ended_at,
    contract_version = excluded.contract_version, contract_sha256 = excluded.contract_sha256,
    approved_by = excluded.approved_by, repairs = excluded.repairs, watermark = excluded.watermark,
    position_number = excluded.position_number, total_rows = excluded.total_rows,
    overdue_rows = excluded.overdue_rows, totals = excluded.totals, nameless_rows = excluded.nameless_rows
WHERE tape_file.state = 'refused'
"""
_ADVANCE = """
UPDATE tape_file SET rows_done = $5, vanished_after = $6, facts = facts + $7, vanished = vanished + $8,
       refused_rows = refused_rows + $9
WHERE tenant = $1 AND feed = $2 AND file_id = $3 AND state = 'loading' AND rows_done = $4 AND vanished_after = $10
RETURNING 1
"""
_FINISH = """
UPDATE tape_file SET state = 'loaded', ended_at = $4
WHERE tenant = $1 AND feed = $2 AND file_id = $3 AND state = 'loading'
"""
_REJECT = """
INSERT INTO tape_rejection (tenant, feed, file_id, row_number, field, reason, loan_ref, party_ref, original,
                            recorded_at)
SELECT $1, $2, $3, n.*, $10
FROM unnest($4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[])
  AS n(row_number, field, reason, loan_ref, party_ref, original)
ON CONFLICT DO NOTHING
"""
_REJECTIONS = """
SELECT row_number, field, reason, loan_ref, original, repaired_by FROM tape_rejection
WHERE tenant = $1 AND feed = $2 AND file_id = $3 AND row_number > $4 ORDER BY row_number LIMIT $5
"""
_OPEN = """
SELECT row_number, loan_ref, party_ref FROM tape_rejection
WHERE tenant = $1 AND feed = $2 AND file_id = $3 AND row_number = ANY($4::integer[]) AND repaired_by IS NULL
"""
_REPAIRED = """
UPDATE tape_rejection SET repaired_by = $5, original = NULL
WHERE tenant = $1 AND feed = $2 AND file_id = $3 AND row_number = ANY($4::integer[])
"""
_READING = """
INSERT INTO tape_reading (tenant, feed, file_id, reading_id, caller, rows, read_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


class ProgressLostError(RuntimeError):
    """Somebody else is loading this file, or has loaded it: this loader stops."""


@dataclass(frozen=True, slots=True)
class TapeFile:
    """One file as it stands. `totals`: (currency, balance, overdue) as decimal texts in major units."""

    file_id: UUID
    feed: str
    core: str
    business_date: date
    sequence: int
    sha256: str
    repairs: UUID | None
    contract_version: int
    contract_sha256: str
    approved_by: tuple[str, ...]
    watermark: datetime
    position_number: int | None
    state: State
    total_rows: int
    overdue_rows: int
    totals: tuple[tuple[str, str, str], ...]
    rows_done: int = 0
    vanished_after: str = ""
    facts: int = 0
    vanished: int = 0
    refused_rows: int = 0
    nameless_rows: int = 0
    reasons: tuple[str, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Step(NamedTuple):
    """How far a transaction brings a file."""

    rows_done: int
    vanished_after: str = ""
    facts: int = 0
    vanished: int = 0
    refused_rows: int = 0


class Rejection(NamedTuple):
    """A refused row. `original` is sealed."""

    row_number: int
    field: str
    reason: str
    loan_ref: str | None
    party_ref: str | None
    original: bytes | None


async def load(uow: UnitOfWork, feed: str, file_id: UUID) -> TapeFile | None:
    """A file by its id."""
    return _file(await uow.sql.fetchrow(_FILE, uow.tenant, feed, file_id))


async def loaded_by_hash(uow: UnitOfWork, feed: str, sha256: str) -> TapeFile | None:
    """The loaded file with this content."""
    return _file(await uow.sql.fetchrow(_BY_HASH, uow.tenant, feed, sha256))


async def last_loaded(uow: UnitOfWork, feed: str) -> TapeFile | None:
    """The file of the highest sequence that was loaded whole; repairs left out."""
    return _file(await uow.sql.fetchrow(_LAST, uow.tenant, feed))


async def loading(uow: UnitOfWork, feed: str) -> UUID | None:
    """The file that is being loaded, or whose load was interrupted."""
    found: UUID | None = await uow.sql.fetchval(_LOADING, uow.tenant, feed)
    return found


async def newest(uow: UnitOfWork, feed: str, *, limit: int) -> list[TapeFile]:
    """The files of a feed, newest attempt first."""
    rows = await uow.sql.fetch(_FILES, uow.tenant, feed, limit)
    return [found for row in rows if (found := _file(row)) is not None]


async def record(uow: UnitOfWork, file: TapeFile) -> None:
    """Begin a file, or keep that it was refused. One that was refused before begins anew."""
    await uow.sql.execute(
        _RECORD, uow.tenant, file.file_id, file.feed, file.core, file.business_date, file.sequence, file.sha256,
        file.repairs, file.contract_version, file.contract_sha256, list(file.approved_by), file.watermark,
        file.position_number, file.state, file.total_rows, file.overdue_rows, msgspec.json.encode(file.totals).decode(),
        file.rows_done, file.vanished_after, file.facts, file.vanished, file.refused_rows, file.nameless_rows,
        list(file.reasons), uow.real_now, uow.real_now if file.state == "refused" else None,
    )  # fmt: skip


async def advance(uow: UnitOfWork, file: TapeFile, before: Step, after: Step) -> None:
    """Move the file's progress, as the first statement of a transaction: lock and fence. Raises ProgressLostError."""
    moved = await uow.sql.fetchval(
        _ADVANCE, uow.tenant, file.feed, file.file_id, before.rows_done, after.rows_done, after.vanished_after,
        after.facts, after.vanished, after.refused_rows, before.vanished_after,
    )  # fmt: skip
    if moved is None:
        raise ProgressLostError(f"tape {file.file_id} no longer stands at row {before.rows_done}")


async def finish(uow: UnitOfWork, file: TapeFile) -> None:
    """The file is loaded."""
    await uow.sql.execute(_FINISH, uow.tenant, file.feed, file.file_id, uow.real_now)


async def reject(uow: UnitOfWork, file: TapeFile, rejections: Sequence[Rejection]) -> None:
    """Keep refused rows."""
    if rejections:
        columns = [list(column) for column in zip(*rejections, strict=True)]
        await uow.sql.execute(_REJECT, uow.tenant, file.feed, file.file_id, *columns, uow.real_now)


async def rejections(uow: UnitOfWork, file: TapeFile, *, after: int, limit: int) -> list[asyncpg.Record]:
    """Refused rows in order of number."""
    return list(await uow.sql.fetch(_REJECTIONS, uow.tenant, file.feed, file.file_id, after, limit))


async def open_rejections(
    uow: UnitOfWork, file: TapeFile, rows: Sequence[int], *, subject: str
) -> dict[int, str | None]:  # fmt: skip
    """Those of the rows that wait for a repair, with what they named (`subject`: `loan_ref` or `party_ref`)."""
    found = await uow.sql.fetch(_OPEN, uow.tenant, file.feed, file.file_id, list(rows))
    return {row["row_number"]: row[subject] for row in found}


async def repaired(uow: UnitOfWork, file: TapeFile, rows: Sequence[int], by: UUID) -> None:
    """Rows of `file` were replaced by a repair file."""
    await uow.sql.execute(_REPAIRED, uow.tenant, file.feed, file.file_id, sorted(rows), by)


async def record_reading(uow: UnitOfWork, file: TapeFile, *, caller: str, rows: int) -> None:
    """Keep who read original lines."""
    await uow.sql.execute(_READING, uow.tenant, file.feed, file.file_id, event_id(), caller, rows, uow.real_now)


def _file(row: Any) -> TapeFile | None:
    if row is None:
        return None
    values = dict(row)
    del values["tenant"]
    values["totals"] = msgspec.json.decode(values["totals"], type=tuple[tuple[str, str, str], ...])
    values["approved_by"], values["reasons"] = tuple(values["approved_by"]), tuple(values["reasons"])
    return TapeFile(**values)
