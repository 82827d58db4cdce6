"""The SQL of the tree: queue, leaves by index, stored nodes, checkpoints."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.compliance.domain.leaves import LeafKind
from services.compliance.log.tree import Node, Span, fold, frontier, nodes_for, proof
from shared.database import UnitOfWork

# The two-number key space of advisory locks: 3 is the log's, 1 its only writer's.
_WRITER_LOCK = "SELECT pg_try_advisory_xact_lock(3, 1)"
# Every statement reads and writes the tree of the newest origin. Its number is a subquery, so that
# it is asked once for each statement and not once for each row.
_READ_GENERATION = "SELECT log_generation()"
_ADD_ORIGIN = "INSERT INTO log_origin (generation, origin, previous_note, opened_real) VALUES ($1, $2, $3, $4)"
_PENDING = """
SELECT p.place, p.leaf_id, e.leaf_hash FROM log_pending p JOIN log_entry e USING (leaf_id) ORDER BY p.place LIMIT $1
"""
_COUNT_PENDING = "SELECT count(*) FROM log_pending"
# The first leaf in the tree beyond the newest signed head, and the first one that waits: the older of the two.
UNCOVERED = """
SELECT least(
    (SELECT e.recorded_at FROM log_leaf l JOIN log_entry e USING (leaf_id)
     WHERE l.generation = (SELECT log_generation()) AND l.leaf_index = (
        SELECT coalesce(max(tree_size), 0) FROM log_checkpoint WHERE generation = (SELECT log_generation()))),
    (SELECT e.recorded_at FROM log_pending p JOIN log_entry e USING (leaf_id) ORDER BY p.place LIMIT 1)
)
"""
"""Real time of the oldest leaf that no signed head covers."""
_SIZE = "SELECT coalesce(max(leaf_index) + 1, 0) FROM log_leaf WHERE generation = (SELECT log_generation())"
_ADD_LEAVES = """
INSERT INTO log_leaf (generation, leaf_index, leaf_id)
SELECT (SELECT log_generation()), l.* FROM unnest($1::bigint[], $2::uuid[]) AS l
"""
_ADD_NODES = """
INSERT INTO log_node (generation, level, place, hash)
SELECT (SELECT log_generation()), n.* FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) AS n
"""
_DEQUEUE = "DELETE FROM log_pending WHERE place = ANY($1::bigint[])"
_NODES = """
SELECT n.level, n.place, n.hash FROM log_node n JOIN unnest($1::smallint[], $2::bigint[]) AS w(level, place)
USING (level, place) WHERE n.generation = (SELECT log_generation())
"""
_LAST_CHECKPOINT = """
SELECT tree_size, root, note, published_at FROM log_checkpoint WHERE generation = (SELECT log_generation())
ORDER BY tree_size DESC LIMIT 1
"""
_LAST_WITNESSED = """
SELECT tree_size, root, note, published_at FROM log_checkpoint c WHERE generation = (SELECT log_generation()) AND (
    SELECT count(*) FROM log_cosignature s WHERE s.generation = c.generation AND s.tree_size = c.tree_size
) >= $1 ORDER BY tree_size DESC LIMIT 1
"""
_CHECKPOINTS = """
SELECT tree_size, root, published_at, note || coalesce((
    SELECT string_agg(s.line, '' ORDER BY s.witness) FROM log_cosignature s
    WHERE s.generation = c.generation AND s.tree_size = c.tree_size
), '') AS note
FROM log_checkpoint c WHERE generation = (SELECT log_generation()) AND tree_size > $1 AND tree_size <= $2
ORDER BY tree_size LIMIT $3
"""
_ADD_CHECKPOINT = """
INSERT INTO log_checkpoint (generation, tree_size, root, note, published_at)
VALUES ((SELECT log_generation()), $1, $2, $3, $4)
"""
_COSIGNATURES = """
SELECT witness, line FROM log_cosignature
WHERE generation = (SELECT log_generation()) AND tree_size = $1 ORDER BY witness
"""
_COSIGNED_SIZE = """
SELECT coalesce(max(tree_size), 0) FROM log_cosignature WHERE generation = (SELECT log_generation()) AND witness = $1
"""
_ADD_COSIGNATURE = """
INSERT INTO log_cosignature (generation, tree_size, witness, line, cosigned_at)
VALUES ((SELECT log_generation()), $1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_LEAVES = """
SELECT l.leaf_index, e.leaf, e.leaf_hash FROM log_leaf l JOIN log_entry e USING (leaf_id)
WHERE l.generation = (SELECT log_generation()) AND l.leaf_index >= $1 AND l.leaf_index < $2 ORDER BY l.leaf_index
"""
_INDEX_OF = "SELECT leaf_index FROM log_leaf WHERE leaf_id = $1 AND generation = (SELECT log_generation())"
_OF_PARTY = """
SELECT l.leaf_index, e.leaf_id, e.kind, e.leaf, e.leaf_hash FROM log_entry e JOIN log_leaf l USING (leaf_id)
WHERE e.party_id = $1 AND l.generation = (SELECT log_generation()) AND l.leaf_index > $2 ORDER BY l.leaf_index LIMIT $3
"""
_HAS_KIND = "SELECT EXISTS (SELECT FROM log_entry WHERE kind = $1)"
_OF_KIND = "SELECT leaf FROM log_entry WHERE kind = $1 AND party_id IS NULL ORDER BY recorded_at, leaf_id"
_KNOWN_ENTRIES = "SELECT leaf_id FROM log_entry WHERE leaf_id = ANY($1::uuid[])"
_INTEGRATED = "SELECT count(DISTINCT leaf_id) FROM log_leaf WHERE leaf_id = ANY($1::uuid[])"
_HAS_ENTRY = "SELECT EXISTS (SELECT FROM log_entry WHERE leaf_id = $1)"
_LAST_ROTATION = """
SELECT e.leaf FROM log_entry e JOIN log_leaf l USING (leaf_id)
WHERE e.kind = 'key_rotation' AND l.generation = (SELECT log_generation())
  AND starts_with(convert_from(e.leaf, 'UTF8')::jsonb ->> 'old_key', $1 || '+') ORDER BY l.leaf_index DESC LIMIT 1
"""
_OLD_LEAVES = """
SELECT l.leaf_index, l.leaf_id, e.leaf_hash FROM log_leaf l JOIN log_entry e USING (leaf_id)
WHERE l.generation = $1 AND l.leaf_index > $2 ORDER BY l.leaf_index LIMIT $3
"""
_LAST_MANIFEST = """
SELECT l.leaf_index, e.leaf FROM log_entry e JOIN log_leaf l USING (leaf_id)
WHERE e.kind = 'manifest' AND l.generation = (SELECT log_generation())
ORDER BY e.recorded_at DESC, l.leaf_index DESC LIMIT 1
"""
_KEEP_MANIFEST = "INSERT INTO log_manifest (leaf_id, entries) VALUES ($1, $2)"
_RECORDED_AT = """
SELECT e.recorded_at FROM log_leaf l JOIN log_entry e USING (leaf_id)
WHERE l.generation = (SELECT log_generation()) AND l.leaf_index = $1
"""
_CHANGED_PARTIES = """
SELECT document ->> 'party' AS party, max((document ->> 'party_sequence')::bigint) AS sequence
FROM (
    SELECT convert_from(e.leaf, 'UTF8')::jsonb AS document FROM log_leaf l JOIN log_entry e USING (leaf_id)
    WHERE l.generation = (SELECT log_generation()) AND l.leaf_index >= $1
) AS leaf WHERE document ? 'party' GROUP BY 1 ORDER BY 1
"""


class PendingLeaf(NamedTuple):
    """A leaf that waits for its index."""

    place: int
    leaf_id: UUID
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A published checkpoint."""

    size: int
    root: bytes
    note: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class StoredLeaf:
    """A leaf in the tree."""

    index: int
    content: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class PartyLeaf:
    """A leaf of one party's chain."""

    index: int
    leaf_id: UUID
    kind: str
    content: bytes
    hash: bytes


async def become_writer(uow: UnitOfWork) -> bool:
    """Whether this transaction is now the log's only writer; False while another one is."""
    return bool(await uow.sql.fetchval(_WRITER_LOCK))


async def load_pending(uow: UnitOfWork, *, limit: int) -> list[PendingLeaf]:
    """The next leaves of the queue, in commit order of each party."""
    return [PendingLeaf(r["place"], r["leaf_id"], bytes(r["leaf_hash"])) for r in await uow.sql.fetch(_PENDING, limit)]


async def count_pending(uow: UnitOfWork) -> int:
    """How many leaves wait."""
    return int(await uow.sql.fetchval(_COUNT_PENDING))


async def uncovered_since(uow: UnitOfWork) -> datetime | None:
    """When (real time) the oldest leaf was recorded that no signed head covers; None when all are covered."""
    moment: datetime | None = await uow.sql.fetchval(UNCOVERED)
    return moment


async def tree_size(uow: UnitOfWork) -> int:
    """Leaves in the tree."""
    return int(await uow.sql.fetchval(_SIZE))


async def load_nodes(uow: UnitOfWork, nodes: Sequence[Node]) -> dict[Node, bytes]:
    """The stored hashes of these nodes."""
    rows = await uow.sql.fetch(_NODES, [node.level for node in nodes], [node.place for node in nodes])
    return {Node(row["level"], row["place"]): bytes(row["hash"]) for row in rows}


async def load_frontier(uow: UnitOfWork, size: int) -> list[bytes]:
    """The hashes from which the root at `size` is folded. Raises KeyError when the tree has lost a node."""
    nodes = frontier(size)
    stored = await load_nodes(uow, nodes)
    return [stored[node] for node in nodes]


async def root_at(uow: UnitOfWork, size: int) -> bytes:
    """The root of the first `size` leaves."""
    return fold(await load_frontier(uow, size))


async def load_proof(uow: UnitOfWork, spans: Sequence[Span]) -> list[bytes]:
    """The proof over `spans`."""
    return proof(spans, await load_nodes(uow, nodes_for(spans)))


async def add_leaves(uow: UnitOfWork, leaf_ids: Sequence[UUID], *, size: int, nodes: Mapping[Node, bytes]) -> None:
    """Give the leaves their indexes from `size` on, and store the nodes that became full."""
    await uow.sql.execute(_ADD_LEAVES, list(range(size, size + len(leaf_ids))), leaf_ids)
    await uow.sql.execute(
        _ADD_NODES, [node.level for node in nodes], [node.place for node in nodes], list(nodes.values())
    )


async def dequeue(uow: UnitOfWork, pending: Sequence[PendingLeaf]) -> None:
    """Empty the queue of leaves that are in the tree now."""
    await uow.sql.execute(_DEQUEUE, [leaf.place for leaf in pending])


async def generation(uow: UnitOfWork) -> int:
    """Which of the log's origins is the newest; the first is 1."""
    return int(await uow.sql.fetchval(_READ_GENERATION))


async def add_origin(uow: UnitOfWork, number: int, *, origin: str, previous_note: str) -> None:
    """Open a generation: from here on every function of this module means its tree."""
    await uow.sql.execute(_ADD_ORIGIN, number, origin, previous_note, uow.real_now)


async def old_leaves(uow: UnitOfWork, number: int, *, after: int, limit: int) -> list[PendingLeaf]:
    """The leaves of an older generation, by their old index (in `place`)."""
    rows = await uow.sql.fetch(_OLD_LEAVES, number, after, limit)
    return [PendingLeaf(row["leaf_index"], row["leaf_id"], bytes(row["leaf_hash"])) for row in rows]


async def last_checkpoint(uow: UnitOfWork) -> StoredCheckpoint | None:
    """The newest published checkpoint, without cosignatures."""
    return _checkpoint(await uow.sql.fetchrow(_LAST_CHECKPOINT))


async def last_witnessed(uow: UnitOfWork, *, required: int) -> StoredCheckpoint | None:
    """The newest checkpoint that at least `required` witnesses cosigned."""
    return _checkpoint(await uow.sql.fetchrow(_LAST_WITNESSED, required))


def _checkpoint(row: asyncpg.Record | None) -> StoredCheckpoint | None:
    if row is None:
        return None
    return StoredCheckpoint(row["tree_size"], bytes(row["root"]), row["note"], row["published_at"])


async def add_checkpoint(uow: UnitOfWork, checkpoint: StoredCheckpoint) -> None:
    """Append a checkpoint."""
    await uow.sql.execute(_ADD_CHECKPOINT, checkpoint.size, checkpoint.root, checkpoint.note, checkpoint.published_at)


async def checkpoints(uow: UnitOfWork, *, up_to: int) -> list[StoredCheckpoint]:
    """All checkpoints of at most `up_to` leaves, oldest first, each note with its cosignatures."""
    found: list[StoredCheckpoint] = []
    after = -1
    while rows := await uow.sql.fetch(_CHECKPOINTS, after, up_to, 1_000):
        found += [StoredCheckpoint(r["tree_size"], bytes(r["root"]), r["note"], r["published_at"]) for r in rows]
        after = found[-1].size
    return found


async def cosignatures(uow: UnitOfWork, *, size: int) -> dict[str, str]:
    """The cosignature lines under the checkpoint of that size, by the witness's vkey."""
    return {row["witness"]: row["line"] for row in await uow.sql.fetch(_COSIGNATURES, size)}


async def cosigned_size(uow: UnitOfWork, witness: str) -> int:
    """The largest tree of this origin that the witness cosigned, as far as we know; 0 for none."""
    return int(await uow.sql.fetchval(_COSIGNED_SIZE, witness))


async def add_cosignature(uow: UnitOfWork, *, size: int, witness: str, line: str, cosigned_at: datetime) -> None:
    """Append a cosignature; a second one of the same tree by the same witness adds nothing."""
    await uow.sql.execute(_ADD_COSIGNATURE, size, witness, line, cosigned_at)


async def last_manifest(uow: UnitOfWork) -> tuple[int, bytes] | None:
    """Index and bytes of the newest manifest's last leaf."""
    row = await uow.sql.fetchrow(_LAST_MANIFEST)
    return None if row is None else (row["leaf_index"], bytes(row["leaf"]))


async def keep_manifest(uow: UnitOfWork, leaf_id: UUID, entries: bytes) -> None:
    """Keep what the manifest of that leaf commits to."""
    await uow.sql.execute(_KEEP_MANIFEST, leaf_id, entries)


async def recorded_at(uow: UnitOfWork, index: int) -> datetime | None:
    """When (real time) the leaf was recorded; None beyond the tree."""
    moment: datetime | None = await uow.sql.fetchval(_RECORDED_AT, index)
    return moment


async def last_rotation(uow: UnitOfWork, *, origin: str) -> bytes | None:
    """The newest leaf in which this origin's key names its successor. Those of older origins are history."""
    content = await uow.sql.fetchval(_LAST_ROTATION, origin)
    return None if content is None else bytes(content)


async def changed_parties(uow: UnitOfWork, *, start: int) -> dict[str, int]:
    """The last number of every party with a leaf at `start` or later, by the party's commitment."""
    return {row["party"]: row["sequence"] for row in await uow.sql.fetch(_CHANGED_PARTIES, start)}


async def leaves(
    uow: UnitOfWork, *, size: int, batch: int = 1_000, first: int = 0
) -> AsyncIterator[list[StoredLeaf]]:  # fmt: skip
    """The leaves [first, size), in batches of `batch`."""
    for start in range(first, size, batch):
        rows = await uow.sql.fetch(_LEAVES, start, min(start + batch, size))
        yield [StoredLeaf(row["leaf_index"], bytes(row["leaf"]), bytes(row["leaf_hash"])) for row in rows]


async def index_of(uow: UnitOfWork, leaf_id: UUID) -> int | None:
    """The leaf's index; None while it waits."""
    index: int | None = await uow.sql.fetchval(_INDEX_OF, leaf_id)
    return index


async def party_leaves(uow: UnitOfWork, party_id: UUID, *, after: int, limit: int) -> list[PartyLeaf]:
    """The party's leaves with an index above `after`."""
    rows = await uow.sql.fetch(_OF_PARTY, party_id, after, limit)
    return [PartyLeaf(r["leaf_index"], r["leaf_id"], r["kind"], bytes(r["leaf"]), bytes(r["leaf_hash"])) for r in rows]


async def has_entry(uow: UnitOfWork, leaf_id: UUID) -> bool:
    """Whether a leaf of that id was appended, in the tree or waiting for it."""
    return bool(await uow.sql.fetchval(_HAS_ENTRY, leaf_id))


async def has_kind(uow: UnitOfWork, kind: LeafKind) -> bool:
    """Whether any leaf of that kind was appended, in the tree or waiting for it."""
    return bool(await uow.sql.fetchval(_HAS_KIND, kind))


async def load_leaves_of(uow: UnitOfWork, kind: LeafKind) -> list[dict[str, Any]]:
    """What the leaves of a kind say that few leaves of nobody have, the oldest first."""
    return [json.loads(row["leaf"]) for row in await uow.sql.fetch(_OF_KIND, kind)]


async def known_entries(uow: UnitOfWork, leaf_ids: Iterable[UUID]) -> set[UUID]:
    """Which of these leaves were appended, in the tree or waiting for it."""
    return {row["leaf_id"] for row in await uow.sql.fetch(_KNOWN_ENTRIES, sorted(set(leaf_ids)))}


async def are_integrated(uow: UnitOfWork, leaf_ids: Iterable[UUID]) -> bool:
    """Whether each of these leaves has its place in the tree."""
    wanted = sorted(set(leaf_ids))
    return int(await uow.sql.fetchval(_INTEGRATED, wanted)) == len(wanted)
