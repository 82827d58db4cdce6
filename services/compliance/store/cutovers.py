"""The SQL of cut-overs: their state, what was imported, whose history is attested."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple
from uuid import UUID

from services.compliance.domain.cutovers import CutoverState, CutoverTerms, RecordKind
from shared.database import UnitOfWork

_FIND = "SELECT terms, state FROM cutover WHERE tenant = $1 AND cutover_id = $2"
_LOCK = _FIND + " FOR UPDATE"
_SHARE = _FIND + " FOR SHARE"
_BEGIN = """
INSERT INTO cutover (tenant, cutover_id, core, business_date, history_from, terms, state, begun_real)
VALUES ($1, $2, $3, $4, $5, $6, 'importing', $7) ON CONFLICT DO NOTHING
"""
_MOVE = "UPDATE cutover SET state = $3 WHERE tenant = $1 AND cutover_id = $2"
_ENROL = """
INSERT INTO attested_history AS h (tenant, party_id, cutover_id, known_from, recorded_real)
SELECT $1, party_id, $2, NULL, $4 FROM unnest($3::uuid[]) AS n(party_id) ORDER BY party_id
ON CONFLICT (tenant, party_id) DO UPDATE
SET cutover_id = excluded.cutover_id, known_from = NULL, recorded_real = excluded.recorded_real
WHERE h.cutover_id <> excluded.cutover_id
RETURNING party_id
"""
_ATTEST = """
UPDATE attested_history SET known_from = $4, recorded_real = $5
WHERE tenant = $1 AND cutover_id = $2 AND party_id = ANY($3::uuid[]) AND known_from IS DISTINCT FROM $4
RETURNING party_id
"""
_ENROLLED = """
SELECT count(*) AS parties, count(known_from) AS attested FROM attested_history WHERE tenant = $1 AND cutover_id = $2
"""
_UNATTESTED = """
SELECT party_id FROM attested_history
WHERE tenant = $1 AND cutover_id = $2 AND known_from IS NULL AND ($3::uuid IS NULL OR party_id > $3)
ORDER BY party_id LIMIT $4
"""
_KNOWN = "SELECT record, target_id, erased FROM imported_record WHERE tenant = $1 AND record = ANY($2::bytea[])"
_SAME = """
SELECT DISTINCT ON (content) content, target_id FROM imported_record
WHERE tenant = $1 AND content = ANY($2::bytea[]) AND NOT erased ORDER BY content, recorded_real, target_id
"""
_KEEP = """
INSERT INTO imported_record (tenant, record, content, cutover_id, kind, target_id, erased, recorded_real)
SELECT $1, r.record, r.content, $2, r.kind, r.target_id, r.erased, $8
FROM unnest($3::bytea[], $4::bytea[], $5::text[], $6::uuid[], $7::boolean[])
  AS r(record, content, kind, target_id, erased)
"""
_ERASED = """
SELECT kind, count(*) AS records FROM imported_record WHERE tenant = $1 AND cutover_id = $2 AND erased GROUP BY kind
"""
# Counted from the records themselves, not from what was said when they came.
_HELD: Final[Mapping[RecordKind, str]] = {
    "hold": """
SELECT count(DISTINCT i.record) FROM imported_record i JOIN hold h ON h.tenant = i.tenant AND h.hold_id = i.target_id
WHERE i.tenant = $1 AND i.cutover_id = $2 AND i.kind = 'hold'
""",
    "complaint": """
SELECT count(DISTINCT i.record) FROM imported_record i
JOIN complaint_version c ON c.tenant = i.tenant AND c.complaint_id = i.target_id
WHERE i.tenant = $1 AND i.cutover_id = $2 AND i.kind = 'complaint'
""",
    "contact": """
SELECT count(DISTINCT i.record) FROM imported_record i
JOIN contact_audit a ON a.tenant = i.tenant AND a.contact_id = i.target_id AND a.verdict = 'imported'
WHERE i.tenant = $1 AND i.cutover_id = $2 AND i.kind = 'contact'
""",
    # An entry is added to what the ledger has of that third person and date, and cannot be told from it again.
    "third_person": """
SELECT count(*) FROM imported_record
WHERE tenant = $1 AND cutover_id = $2 AND kind = 'third_person' AND NOT erased
""",
}


class Imported(NamedTuple):
    """A record of a cut-over: commitments to its reference there and to its content, and what it became.

    `content` None: the other system has no name. `is_erased`: it became nothing, for its person was erased.
    """

    record: bytes
    content: bytes | None
    kind: RecordKind
    target_id: UUID
    is_erased: bool = False


@dataclass(frozen=True, slots=True)
class Cutover:
    """A cut-over as it stands."""

    terms: CutoverTerms
    state: CutoverState


async def find(uow: UnitOfWork, cutover_id: str) -> Cutover | None:
    """As it stands."""
    return await _one(uow, _FIND, cutover_id)


async def find_to_import(uow: UnitOfWork, cutover_id: str) -> Cutover | None:
    """As it stands until the end of the transaction; others may import beside."""
    return await _one(uow, _SHARE, cutover_id)


async def find_to_move(uow: UnitOfWork, cutover_id: str) -> Cutover | None:
    """As it stands, after everybody who imports has ended."""
    return await _one(uow, _LOCK, cutover_id)


async def _one(uow: UnitOfWork, statement: str, cutover_id: str) -> Cutover | None:
    row = await uow.sql.fetchrow(statement, uow.tenant, cutover_id)
    return None if row is None else Cutover(CutoverTerms.model_validate_json(row["terms"]), row["state"])


async def begin(uow: UnitOfWork, terms: CutoverTerms) -> None:
    """Keep a new cut-over."""
    await uow.sql.execute(
        _BEGIN, uow.tenant, terms.cutover_id, terms.core, terms.business_date, terms.history_from,
        terms.model_dump_json(), uow.real_now,
    )  # fmt: skip


async def move(uow: UnitOfWork, cutover_id: str, state: CutoverState) -> None:
    """Keep its next state."""
    await uow.sql.execute(_MOVE, uow.tenant, cutover_id, state)


async def enrol(uow: UnitOfWork, cutover_id: str, party_ids: Iterable[UUID]) -> int:
    """From now on only this cut-over attests the people's histories, and it has not yet; of how many that is new."""
    return len(await uow.sql.fetch(_ENROL, uow.tenant, cutover_id, sorted(set(party_ids)), uow.real_now))


async def attest(uow: UnitOfWork, cutover_id: str, party_ids: Iterable[UUID], known_from: date) -> list[UUID]:
    """The histories of those who take part are known from that date on; returns those of whom that is new."""
    rows = await uow.sql.fetch(_ATTEST, uow.tenant, cutover_id, sorted(set(party_ids)), known_from, uow.real_now)
    return sorted(row["party_id"] for row in rows)


async def count_enrolled(uow: UnitOfWork, cutover_id: str) -> tuple[int, int]:
    """How many take part, and the histories of how many are attested."""
    row = await uow.sql.fetchrow(_ENROLLED, uow.tenant, cutover_id)
    return row["parties"], row["attested"]


async def unattested(uow: UnitOfWork, cutover_id: str, *, after: UUID | None, limit: int) -> list[UUID]:
    """Those of whom nobody attests past contacts, in order."""
    return [row["party_id"] for row in await uow.sql.fetch(_UNATTESTED, uow.tenant, cutover_id, after, limit)]


async def load_imported(uow: UnitOfWork, records: Collection[bytes]) -> dict[bytes, UUID | None]:
    """What those of the records became that were imported before; None: their person was erased meanwhile."""
    rows = await uow.sql.fetch(_KNOWN, uow.tenant, sorted(records))
    return {bytes(row["record"]): None if row["erased"] else row["target_id"] for row in rows}


async def load_same(uow: UnitOfWork, contents: Collection[bytes]) -> dict[bytes, UUID]:
    """What the same records of the same system became that other cut-overs imported."""
    if not contents:
        return {}
    rows = await uow.sql.fetch(_SAME, uow.tenant, sorted(contents))
    return {bytes(row["content"]): row["target_id"] for row in rows}


async def keep_imported(uow: UnitOfWork, cutover_id: str, records: Sequence[Imported]) -> None:
    """Keep what became of records. One that somebody else imports at the same time ends the transaction."""
    if records:
        columns = zip(*sorted(records, key=lambda one: one.record), strict=True)
        await uow.sql.execute(_KEEP, uow.tenant, cutover_id, *(list(column) for column in columns), uow.real_now)


async def held(uow: UnitOfWork, cutover_id: str) -> dict[RecordKind, int]:
    """How many records of each kind are held."""
    return {kind: int(await uow.sql.fetchval(text, uow.tenant, cutover_id)) for kind, text in _HELD.items()}


async def erased(uow: UnitOfWork, cutover_id: str) -> dict[RecordKind, int]:
    """How many records of each kind are not held because their person was erased before they came."""
    return {row["kind"]: row["records"] for row in await uow.sql.fetch(_ERASED, uow.tenant, cutover_id)}


async def forget(uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
    """Nothing is attested of erased people."""
    await uow.sql.execute("SELECT forget_attested_history($1, $2::uuid[])", uow.tenant, list(party_ids))
