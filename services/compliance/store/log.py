"""The SQL of the tree: queue, leaves by index, stored nodes, checkpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.compliance.log.tree import Node, Span, fold, frontier, nodes_for, proof
from shared.database import UnitOfWork

# The two-number key space of advisory locks: 3 is the log's, 1 its only writer's.
_WRITER_LOCK = "SELECT pg_try_advisory_xact_lock(3, 1)"
_PENDING = """
SELECT p.place, p.leaf_id, e.leaf_hash FROM log_pending p JOIN log_entry e USING (leaf_id) ORDER BY p.place LIMIT $1
"""
_COUNT_PENDING = "SELECT count(*) FROM log_pending"
_OLDEST_PENDING = "SELECT min(e.recorded_at) FROM log_pending p JOIN log_entry e USING (leaf_id)"
_SIZE = "SELECT coalesce(max(leaf_index) + 1, 0) FROM log_leaf"
_ADD_LEAVES = """
INSERT INTO log_leaf (leaf_index, leaf_id) SELECT * FROM unnest($1::bigint[], $2::uuid[])
"""
_ADD_NODES = "INSERT INTO log_node (level, place, hash) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])"
_DEQUEUE = "DELETE FROM log_pending WHERE place = ANY($1::bigint[])"
_NODES = """
SELECT n.level, n.place, n.hash FROM log_node n JOIN unnest($1::smallint[], $2::bigint[]) AS w(level, place)
USING (level, place)
"""
_LAST_CHECKPOINT = "SELECT tree_size, root, note, published_at FROM log_checkpoint ORDER BY tree_size DESC LIMIT 1"
_CHECKPOINTS = """
SELECT tree_size, root, note, published_at FROM log_checkpoint WHERE tree_size > $1 AND tree_size <= $2
ORDER BY tree_size LIMIT $3
"""
_ADD_CHECKPOINT = "INSERT INTO log_checkpoint (tree_size, root, note, published_at) VALUES ($1, $2, $3, $4)"
_LEAVES = """
SELECT l.leaf_index, e.leaf, e.leaf_hash FROM log_leaf l JOIN log_entry e USING (leaf_id)
WHERE l.leaf_index >= $1 AND l.leaf_index < $2 ORDER BY l.leaf_index
"""
_INDEX_OF = "SELECT leaf_index FROM log_leaf WHERE leaf_id = $1"
_OF_PARTY = """
SELECT l.leaf_index, e.leaf_id, e.kind, e.leaf, e.leaf_hash FROM log_entry e JOIN log_leaf l USING (leaf_id)
WHERE e.party_id = $1 AND l.leaf_index > $2 ORDER BY l.leaf_index LIMIT $3
"""
_HAS_ENTRY = "SELECT EXISTS (SELECT FROM log_entry WHERE leaf_id = $1)"


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


async def oldest_pending(uow: UnitOfWork) -> datetime | None:
    """Since when (real time) the oldest waiting leaf waits."""
    moment: datetime | None = await uow.sql.fetchval(_OLDEST_PENDING)
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


async def integrate(uow: UnitOfWork, pending: Sequence[PendingLeaf], *, size: int, nodes: Mapping[Node, bytes]) -> None:
    """Give the leaves their indexes from `size` on, store the nodes that became full, and empty the queue of them."""
    await uow.sql.execute(_ADD_LEAVES, list(range(size, size + len(pending))), [leaf.leaf_id for leaf in pending])
    await uow.sql.execute(
        _ADD_NODES, [node.level for node in nodes], [node.place for node in nodes], list(nodes.values())
    )
    await uow.sql.execute(_DEQUEUE, [leaf.place for leaf in pending])


async def last_checkpoint(uow: UnitOfWork) -> StoredCheckpoint | None:
    """The newest published checkpoint."""
    row = await uow.sql.fetchrow(_LAST_CHECKPOINT)
    return (
        None
        if row is None
        else StoredCheckpoint(row["tree_size"], bytes(row["root"]), row["note"], row["published_at"])
    )


async def add_checkpoint(uow: UnitOfWork, checkpoint: StoredCheckpoint) -> None:
    """Append a checkpoint."""
    await uow.sql.execute(_ADD_CHECKPOINT, checkpoint.size, checkpoint.root, checkpoint.note, checkpoint.published_at)


async def checkpoints(uow: UnitOfWork, *, up_to: int) -> list[StoredCheckpoint]:
    """All checkpoints of at most `up_to` leaves, oldest first."""
    found: list[StoredCheckpoint] = []
    after = -1
    while rows := await uow.sql.fetch(_CHECKPOINTS, after, up_to, 1_000):
        found += [StoredCheckpoint(r["tree_size"], bytes(r["root"]), r["note"], r["published_at"]) for r in rows]
        after = found[-1].size
    return found


async def leaves(uow: UnitOfWork, *, size: int, batch: int) -> AsyncIterator[list[StoredLeaf]]:
    """The first `size` leaves, in batches of `batch`."""
    for start in range(0, size, batch):
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
