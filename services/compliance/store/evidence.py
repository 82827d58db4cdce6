"""The SQL of evidence packs: everything of a person or a period, streamed, never held."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.compliance.domain.leaves import LeafKind
from services.compliance.store.log import StoredCheckpoint
from services.compliance.store.sealed import CONTACT, DECISION, open_records, open_terms
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher

PREFETCH: Final = 500
# Of one person ($2), or of a period of business time [$3, $4).
_ROWS: Final = {
    "contacts": """
SELECT a.*, l.leaf_index FROM contact_audit a
LEFT JOIN log_leaf l ON l.leaf_id = a.leaf_id AND l.generation = (SELECT log_generation())
WHERE a.tenant = $1 AND ($2::uuid IS NULL OR a.party_id = $2)
  AND ($3::timestamptz IS NULL OR (a.started_at >= $3 AND a.started_at < $4)) ORDER BY a.started_at, a.contact_id
""",
    "decisions": """
SELECT d.*, l.leaf_index FROM decision d
LEFT JOIN log_leaf l ON l.leaf_id = d.leaf_id AND l.generation = (SELECT log_generation())
WHERE d.tenant = $1 AND ($2::uuid IS NULL OR d.party_id = $2)
  AND ($3::timestamptz IS NULL OR (d.decided_at >= $3 AND d.decided_at < $4)) ORDER BY d.decided_at, d.decision_id
""",
    "permits": """
SELECT p.* FROM permit p
LEFT JOIN decision d ON d.tenant = p.tenant AND d.party_id = p.party_id AND d.decision_id = p.decision_id
WHERE p.tenant = $1 AND ($2::uuid IS NULL OR p.party_id = $2)
  AND ($3::timestamptz IS NULL
       OR (coalesce(d.decided_at, p.granted_real) >= $3 AND coalesce(d.decided_at, p.granted_real) < $4))
ORDER BY p.window_start, p.permit_id
""",
    "findings": """
SELECT f.* FROM finding_version f
WHERE f.tenant = $1 AND ($2::uuid IS NULL OR f.party_id = $2)
  AND ($3::timestamptz IS NULL OR (f.recorded_at >= $3 AND f.recorded_at < $4) OR EXISTS (
       SELECT FROM contact_audit a WHERE a.tenant = f.tenant AND a.party_id = f.party_id
         AND a.contact_id = f.contact_id AND a.started_at >= $3 AND a.started_at < $4))
ORDER BY f.opened_real, f.finding_id, f.version
""",
    "complaints": """
SELECT c.complaint_id, c.version, c.party_id, c.channel, c.about, c.received_at, c.clock_rule, c.clock_citation,
       c.answer_by, c.state, c.step, c.owner, c.by_whom, c.reference, c.sealed_words, c.recorded_at
FROM complaint_version c
WHERE c.tenant = $1 AND ($2::uuid IS NULL OR c.party_id = $2)
  AND ($3::timestamptz IS NULL OR (c.recorded_at >= $3 AND c.recorded_at < $4))
ORDER BY c.received_at, c.complaint_id, c.version
""",
    "holds": """
SELECT h.* FROM hold h
WHERE h.tenant = $1 AND ($2::uuid IS NULL OR h.party_id = $2) AND ($3::timestamptz IS NULL OR (
    h.valid_from < $4 AND (h.valid_to IS NULL OR h.valid_to >= $3) AND (h.ended_at IS NULL OR h.ended_at >= $3)))
ORDER BY h.recorded_real, h.hold_id
""",
}
# Permits with a change that is no leaf under the checkpoint of $2 leaves yet: their rows are ahead of the leaves.
_CHANGED_LATER = """
SELECT DISTINCT (convert_from(e.leaf, 'UTF8')::jsonb ->> 'permit_id')::uuid AS permit_id
FROM log_entry e LEFT JOIN log_leaf l ON l.leaf_id = e.leaf_id AND l.generation = (SELECT log_generation())
WHERE e.party_id = ANY($1::uuid[]) AND e.kind IN ('permit_use', 'release', 'revocation', 'contact')
  AND (l.leaf_index IS NULL OR l.leaf_index >= $2)
"""
_PARTY_OF_CASE = """
SELECT party_id FROM party_fact WHERE tenant = $1 AND case_id = $2
UNION SELECT party_id FROM permit WHERE tenant = $1 AND case_id = $2 ORDER BY party_id LIMIT 1
"""
_KNOWN_PARTY = """
SELECT EXISTS (SELECT FROM log_entry WHERE party_id = $2)
    OR EXISTS (SELECT FROM party_fact WHERE tenant = $1 AND party_id = $2)
"""
_OTHER_PERMITS = "SELECT permit_id FROM permit WHERE tenant = $1 AND party_id = $2 AND case_id <> $3"
_BOUNDS = """
SELECT min(l.leaf_index) AS first, max(l.leaf_index) AS last
FROM (
    SELECT leaf_id FROM contact_audit WHERE tenant = $1 AND started_at >= $2 AND started_at < $3
    UNION ALL SELECT leaf_id FROM decision WHERE tenant = $1 AND decided_at >= $2 AND decided_at < $3
    UNION ALL SELECT leaf_id FROM log_entry WHERE recorded_at >= $2 AND recorded_at < $3
) AS scoped JOIN log_leaf l USING (leaf_id) WHERE l.generation = (SELECT log_generation())
"""
_LEAVES = """
SELECT l.leaf_index, e.leaf_id, e.party_id, e.leaf, e.leaf_hash FROM log_leaf l JOIN log_entry e USING (leaf_id)
WHERE l.generation = (SELECT log_generation()) AND l.leaf_index >= $1 AND l.leaf_index < $2 ORDER BY l.leaf_index
"""
_OF_PARTY = """
SELECT l.leaf_index, e.leaf_id, e.party_id, e.leaf, e.leaf_hash FROM log_entry e JOIN log_leaf l USING (leaf_id)
WHERE e.party_id = $1 AND l.generation = (SELECT log_generation()) AND l.leaf_index < $2 ORDER BY l.leaf_index
"""
# What everybody's leaves rest on: rule sets, the releases of their packs, who approved them, changes of the log's key,
# the older log, and what was imported from another system under whose signatures.
_FOUNDATION_KINDS: Final[tuple[LeafKind, ...]] = (
    "rule_set", "pack_release", "approver_key", "key_rotation", "origin", "cutover",
)  # fmt: skip
_FOUNDATIONS = """
SELECT l.leaf_index, e.leaf_id, e.party_id, e.leaf, e.leaf_hash FROM log_entry e JOIN log_leaf l USING (leaf_id)
WHERE e.party_id IS NULL AND e.kind = ANY($2::text[])
  AND l.generation = (SELECT log_generation()) AND l.leaf_index < $1 ORDER BY l.leaf_index
"""
_MANIFESTS = """
SELECT l.leaf_index, e.leaf_id, e.party_id, e.leaf, e.leaf_hash, m.entries
FROM log_entry e JOIN log_leaf l USING (leaf_id) LEFT JOIN log_manifest m USING (leaf_id)
WHERE e.kind = 'manifest' AND l.generation = (SELECT log_generation()) AND l.leaf_index > $1 AND l.leaf_index < $2
ORDER BY l.leaf_index
"""
# By which leaves records ended; those without a place in the first $2 leaves come last.
_ENDINGS = """
SELECT l.leaf_index, e.leaf_id, e.party_id, e.leaf, e.leaf_hash
FROM log_entry e LEFT JOIN log_leaf l ON l.leaf_id = e.leaf_id AND l.generation = (SELECT log_generation())
  AND ($2::bigint IS NULL OR l.leaf_index < $2)
WHERE e.party_id = ANY($1::uuid[]) AND e.kind IN ('retention', 'erasure') ORDER BY l.leaf_index
"""
_LEAVES_AT = """
SELECT l.leaf_index, e.leaf_id, e.party_id, e.leaf, e.leaf_hash FROM log_leaf l JOIN log_entry e USING (leaf_id)
WHERE l.generation = (SELECT log_generation()) AND l.leaf_index = ANY($1::bigint[]) ORDER BY l.leaf_index
"""
_KEY_ROTATIONS = """
SELECT l.leaf_index, e.leaf_id, e.party_id, e.leaf, e.leaf_hash FROM log_entry e JOIN log_leaf l USING (leaf_id)
WHERE e.kind = 'key_rotation' AND l.generation = (SELECT log_generation()) AND l.leaf_index >= $1 AND l.leaf_index < $2
ORDER BY l.leaf_index
"""
_FIRST_COVERING = """
SELECT DISTINCT covering.tree_size FROM unnest($1::bigint[]) AS leaf(index) CROSS JOIN LATERAL (
    SELECT c.tree_size FROM log_checkpoint c
    WHERE c.generation = (SELECT log_generation()) AND c.tree_size > leaf.index AND c.tree_size <= $2 AND (
        SELECT count(*) FROM log_cosignature s WHERE s.generation = c.generation AND s.tree_size = c.tree_size) >= $3
    ORDER BY c.tree_size LIMIT 1
) AS covering ORDER BY 1
"""
_AT = """
SELECT c.tree_size, c.root, c.published_at, c.note || coalesce((
    SELECT string_agg(s.line, '' ORDER BY s.witness) FROM log_cosignature s
    WHERE s.generation = c.generation AND s.tree_size = c.tree_size
), '') AS note
FROM log_checkpoint c WHERE c.generation = (SELECT log_generation()) AND c.tree_size = ANY($1::bigint[])
ORDER BY c.tree_size
"""
_EACH_MINUTE = """
SELECT DISTINCT ON (date_trunc('minute', c.published_at)) c.tree_size, c.root, c.published_at, c.note || coalesce((
    SELECT string_agg(s.line, '' ORDER BY s.witness) FROM log_cosignature s
    WHERE s.generation = c.generation AND s.tree_size = c.tree_size
), '') AS note
FROM log_checkpoint c WHERE c.generation = (SELECT log_generation()) AND c.tree_size > $1 AND c.tree_size < $2
ORDER BY date_trunc('minute', c.published_at), (
    SELECT count(*) FROM log_cosignature s WHERE s.generation = c.generation AND s.tree_size = c.tree_size
) >= $3 DESC, c.tree_size DESC
"""
_RECORDS = """
SELECT party_id, leaf_id, record, sealed_record FROM decision
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND leaf_id = ANY($3::uuid[])
"""
_OPENED: Final = {"contacts": CONTACT, "decisions": DECISION}


@dataclass(frozen=True, slots=True)
class EvidenceLeaf:
    """A leaf in the tree, and whose it is."""

    index: int
    leaf_id: UUID
    party_id: UUID | None
    content: bytes
    hash: bytes


async def be_patient(uow: UnitOfWork) -> None:
    """Let statements of this transaction take as long as a year of evidence takes."""
    await uow.sql.execute("SET LOCAL statement_timeout = 0")


async def party_of_case(uow: UnitOfWork, case_id: UUID) -> UUID | None:
    """Whose case it is or was."""
    party_id: UUID | None = await uow.sql.fetchval(_PARTY_OF_CASE, uow.tenant, case_id)
    return party_id


async def knows_party(uow: UnitOfWork, party_id: UUID) -> bool:
    """Whether there is a leaf or a fact of the person."""
    return bool(await uow.sql.fetchval(_KNOWN_PARTY, uow.tenant, party_id))


async def permits_of_other_cases(uow: UnitOfWork, party_id: UUID, case_id: UUID) -> set[UUID]:
    """The person's permits that belong to another case than this one."""
    return {row["permit_id"] for row in await uow.sql.fetch(_OTHER_PERMITS, uow.tenant, party_id, case_id)}


async def rows(
    uow: UnitOfWork, cipher: PartyCipher, table: str, *, party_id: UUID | None, start: datetime | None,
    end: datetime | None,
) -> AsyncIterator[dict[str, Any]]:  # fmt: skip
    """The rows of `contacts`, `decisions`, `permits`, `findings`, `complaints` or `holds` of a person or a period.

    What is sealed in them is opened; of an erased person it is None.
    """
    cursor = await uow.sql.cursor(_ROWS[table], uow.tenant, party_id, start, end)
    while page := await cursor.fetch(PREFETCH):
        for row in await _readable(uow, cipher, table, page):
            yield row


async def rows_from(
    uow: UnitOfWork, cipher: PartyCipher, table: str, *, party_id: UUID | None, start: datetime | None,
    end: datetime | None, position: int, limit: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """The rows of the same list from `position` on, at most `limit`."""
    cursor = await uow.sql.cursor(_ROWS[table], uow.tenant, party_id, start, end)
    if position:
        await cursor.forward(position)
    return await _readable(uow, cipher, table, await cursor.fetch(limit))


async def changed_later(uow: UnitOfWork, party_ids: set[UUID], size: int) -> set[UUID]:
    """The parties' permits that changed after the checkpoint of `size` leaves."""
    rows = await uow.sql.fetch(_CHANGED_LATER, sorted(party_ids), size)
    return {row["permit_id"] for row in rows}


async def bounds(uow: UnitOfWork, start: datetime, end: datetime) -> tuple[int, int] | None:
    """First and last leaf of what happened, or was recorded, in the period; None when nothing was."""
    row = await uow.sql.fetchrow(_BOUNDS, uow.tenant, start, end)
    return None if row is None or row["first"] is None else (row["first"], row["last"])


async def leaves_between(uow: UnitOfWork, first: int, size: int, *, batch: int) -> AsyncIterator[list[EvidenceLeaf]]:
    """The leaves [first, size) in batches."""
    for start in range(first, size, batch):
        found = await uow.sql.fetch(_LEAVES, start, min(start + batch, size))
        yield [_leaf(row) for row in found]


async def leaves_of_party(uow: UnitOfWork, party_id: UUID, size: int) -> list[EvidenceLeaf]:
    """The person's chain in the tree of that size."""
    return [_leaf(row) for row in await uow.sql.fetch(_OF_PARTY, party_id, size)]


async def foundations(uow: UnitOfWork, size: int) -> list[EvidenceLeaf]:
    """Leaves of no person on which every chain rests."""
    return [_leaf(row) for row in await uow.sql.fetch(_FOUNDATIONS, size, list(_FOUNDATION_KINDS))]


async def endings(
    uow: UnitOfWork, party_ids: Collection[UUID], *, size: int | None
) -> list[tuple[EvidenceLeaf, bool]]:  # fmt: skip
    """The people's leaves of deletion and erasure, and whether each is among the first `size`; others have index -1."""
    rows = await uow.sql.fetch(_ENDINGS, sorted(party_ids), size)
    return [
        (_leaf(row), True)
        if row["leaf_index"] is not None
        else (EvidenceLeaf(-1, row["leaf_id"], row["party_id"], bytes(row["leaf"]), bytes(row["leaf_hash"])), False)
        for row in rows
    ]


async def leaves_at(uow: UnitOfWork, indexes: Sequence[int]) -> list[EvidenceLeaf]:
    """The leaves with these indexes."""
    return [_leaf(row) for row in await uow.sql.fetch(_LEAVES_AT, list(indexes))]


async def key_rotations(uow: UnitOfWork, *, after: int, size: int) -> list[EvidenceLeaf]:
    """Changes of the log's key among the leaves [after, size)."""
    return [_leaf(row) for row in await uow.sql.fetch(_KEY_ROTATIONS, after, size)]


async def manifests(uow: UnitOfWork, *, after: int, size: int) -> AsyncIterator[tuple[EvidenceLeaf, bytes | None]]:
    """All manifests behind leaf `after`, in order, with the entries they commit to; of older ones their parts."""
    async for row in uow.sql.cursor(_MANIFESTS, after, size, prefetch=10):
        yield _leaf(row), row["entries"]


async def first_covering(uow: UnitOfWork, indexes: Sequence[int], *, up_to: int, required: int) -> list[int]:
    """For each leaf the smallest checkpoint over it that `required` witnesses cosigned; each size once."""
    return [row["tree_size"] for row in await uow.sql.fetch(_FIRST_COVERING, list(indexes), up_to, required)]


async def checkpoints_at(uow: UnitOfWork, sizes: Sequence[int]) -> list[StoredCheckpoint]:
    """The checkpoints of these sizes, with their cosignatures."""
    return [_checkpoint(row) for row in await uow.sql.fetch(_AT, list(sizes))]


async def checkpoint_each_minute(
    uow: UnitOfWork, *, after: int, before: int, required: int
) -> AsyncIterator[StoredCheckpoint]:
    """One checkpoint a minute with its cosignatures: the last one that enough witnesses signed, if one was."""
    async for row in uow.sql.cursor(_EACH_MINUTE, after, before, required, prefetch=PREFETCH):
        yield _checkpoint(row)


async def decision_records(
    uow: UnitOfWork, cipher: PartyCipher, party_ids: set[UUID], leaf_ids: Sequence[UUID]
) -> dict[UUID, bytes]:
    """The canonical records that leaves of decisions commit to, by leaf; those of erased people are missing."""
    found = await uow.sql.fetch(_RECORDS, uow.tenant, sorted(party_ids), list(leaf_ids))
    records = await open_records(uow, cipher, found, DECISION)
    return {row["leaf_id"]: record for row, record in zip(found, records, strict=True) if record is not None}


async def _readable(
    uow: UnitOfWork, cipher: PartyCipher, table: str, found: Sequence[asyncpg.Record]
) -> list[dict[str, Any]]:
    """The rows with what their person's key opens."""
    if table in _OPENED:
        records = await open_records(uow, cipher, found, _OPENED[table])
        return [dict(row) | {"record": record} for row, record in zip(found, records, strict=True)]
    if table == "permits":
        opened = await open_terms(uow, cipher, found)
        return [
            dict(row)
            | {
                "crew": None if terms is None else list(terms.crew),
                "place_cell": None if terms is None else terms.place_cell,
            }
            for row, terms in zip(found, opened, strict=True)
        ]
    return [dict(row) for row in found]


def _leaf(row: Any) -> EvidenceLeaf:
    return EvidenceLeaf(row["leaf_index"], row["leaf_id"], row["party_id"], bytes(row["leaf"]), bytes(row["leaf_hash"]))


def _checkpoint(row: Any) -> StoredCheckpoint:
    return StoredCheckpoint(row["tree_size"], bytes(row["root"]), row["note"], row["published_at"])
