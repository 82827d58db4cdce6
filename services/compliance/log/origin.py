"""A new origin: how the log goes on after a restore that lost leaves which were already signed for.

The old tree can never be signed again: whoever holds its last checkpoint would see a fork. So a tree of another name
opens. Its first leaf is the old tree's last checkpoint, which binds the two; then come the leaves that survived, byte
for byte and in their old order, then what happens next. The old tree's rows stay as they were.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.compliance.domain.leaves import NewLeaf, build
from services.compliance.log.head import HeadMissing, SignedHead
from services.compliance.log.note import NoteKey
from services.compliance.log.tree import append
from services.compliance.store import log as store
from services.compliance.store.leaves import insert_entries
from shared.database import Database, UnitOfWork
from shared.ids import event_id

_BATCH: Final = 10_000


class OriginRefused(RuntimeError):  # noqa: N818  # reads as a fact at the call site
    """The database holds another origin than this process is to sign for, and the step to it is not the next one."""


def origin_of(tenant: str, generation: int) -> str:
    """The log's name, the first line of its checkpoints: it names the bank's tenant and, from the second on, its
    number.
    """
    name = f"doorstep.example/{tenant}/audit"
    return name if generation == 1 else f"{name}/{generation}"


async def enter_origin(database: Database, *, generation: int, key: NoteKey, folder: Path) -> None:
    """Be in `generation`: open it when it is the one after the database's. Raises OriginRefused, NoteError.

    `folder` holds the old origin's last checkpoint, signed by the same key pair as `key`.
    """
    async with database.unit_of_work() as uow:
        known = await store.generation(uow)
        if known == generation:
            return
        if generation != known + 1:
            raise OriginRefused(f"the log is at origin {known}; it cannot go on at {generation}")
        if not await store.become_writer(uow):
            raise OriginRefused("another process writes the log")
        old = NoteKey(_name_before(key.name, generation), key.public_key)
        head = SignedHead.of(folder, known, old)
        note = head.note()
        if note is None or head.load() is None:
            raise OriginRefused("the old origin's last checkpoint is not in the folder outside the database")
        await store.add_origin(uow, generation, origin=key.name, previous_note=note)
        await _begin(uow, known, note)


async def refuse_missing_head(database: Database, head: SignedHead, *, generation: int) -> None:
    """A process that is to sign does not start when heads were signed and the newest is not outside the database.

    Raises HeadMissing.
    """
    async with database.read_only() as uow:
        last = await store.last_checkpoint(uow) if await store.generation(uow) == generation else None
    if last is not None and head.note() is None:
        raise HeadMissing(head.path, last.size)


def _name_before(name: str, generation: int) -> str:
    base = name.removesuffix(f"/{generation}")
    return base if generation == 2 else f"{base}/{generation - 1}"


async def _begin(uow: UnitOfWork, old_generation: int, note: str) -> None:
    first = NewLeaf(
        kind="origin",
        leaf_id=event_id(),
        party_id=None,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={"previous_checkpoint": note},
    )
    built = build(first, None, lambda _: b"")
    await insert_entries(uow, [(first, built)])
    await store.add_leaves(uow, [first.leaf_id], size=0, nodes=append(0, [], [built.hash]))
    size, after = 1, -1
    while old := await store.old_leaves(uow, old_generation, after=after, limit=_BATCH):
        nodes = append(size, await store.load_frontier(uow, size), [leaf.leaf_hash for leaf in old])
        await store.add_leaves(uow, [leaf.leaf_id for leaf in old], size=size, nodes=nodes)
        size, after = size + len(old), old[-1].place
