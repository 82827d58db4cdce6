"""The way back of a head that is missing outside the database: a signed note, held against the tree."""

from __future__ import annotations

from services.compliance.log.head import SignedHead, refuse_fork
from services.compliance.log.note import Checkpoint, NoteKey, opened_by_any
from services.compliance.store import log as store
from shared.database import Database


class HeadPresent(RuntimeError):  # noqa: N818  # reads as a fact at the call site
    """The remembered head is there; nothing is replaced."""


async def restore_head(database: Database, head: SignedHead, note: str, *, keys: list[NoteKey]) -> Checkpoint:
    """Write `note` as the remembered head, when one of `keys` signed it and the tree in the database extends it.

    Raises NoteError, ForkRefused, HeadPresent.
    """
    if head.note() is not None:
        raise HeadPresent(f"{head.path} exists; a head is never replaced by hand")
    checkpoint = opened_by_any(note, keys)
    async with database.read_only() as uow:
        size = await store.tree_size(uow)
        root = await store.root_at(uow, checkpoint.size) if checkpoint.size <= size else None
        newest = await store.last_checkpoint(uow)
    refuse_fork(checkpoint, size=size, root_at_remembered=root)
    if newest is not None and newest.size > checkpoint.size:
        # The database itself knows a later head of ours: forgetting it would permit a fork between the two.
        opened_by_any(newest.note, keys)
        note, checkpoint = newest.note, Checkpoint(checkpoint.origin, newest.size, newest.root)
    head.remember(note)
    return checkpoint
