"""Change of the log's key: a leaf in which the old key names the new one, before the new one signs any head.

A verifier that knows the old key's fingerprint follows: heads up to the leaf carry the old key's signature, heads that
hold the leaf carry the new one's.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Final, Protocol

from services.compliance.domain.leaves import NewLeaf, build
from services.compliance.log.head import ForkRefused
from services.compliance.log.note import NoteError, NoteKey, opened
from services.compliance.log.tree import append
from services.compliance.store import log as store
from services.compliance.store.leaves import insert_entries
from shared.database import Database, UnitOfWork
from shared.ids import event_id

STATEMENT: Final = "doorstep-log-key-rotation/v1"


class Version(Protocol):
    """One version of the log's signing key: the public half, and signing with the private one."""

    @property
    def public_bytes(self) -> bytes:
        """32 bytes of Ed25519."""
        ...

    def sign_bytes(self, content: bytes) -> bytes:
        """The bare 64-byte signature."""
        ...


def statement(old: NoteKey, new: NoteKey) -> bytes:
    """What the old key signs."""
    return f"{STATEMENT}\n{old.vkey}\n{new.vkey}\n".encode()


async def announce_key(database: Database, *, origin: str, versions: Sequence[Version]) -> bool:
    """Append the leaf of a rotation when the log's key is another than the one in use; returns whether it was due.

    `versions`: the key's versions, the one that is to sign first. Raises ForkRefused when the last head was signed by
    none of them.
    """
    keys = [NoteKey(origin, version.public_bytes) for version in versions]
    async with database.unit_of_work() as uow:
        if not await store.become_writer(uow):
            return False
        in_use = await key_in_use(uow, keys)
        if in_use is None or in_use == keys[0]:
            return False
        signature = versions[keys.index(in_use)].sign_bytes(statement(in_use, keys[0]))
        leaf = NewLeaf(
            kind="key_rotation",
            leaf_id=event_id(),
            party_id=None,
            occurred_at=uow.now,
            recorded_at=uow.real_now,
            public={
                "old_key": in_use.vkey,
                "new_key": keys[0].vkey,
                "signature": base64.b64encode(signature).decode(),
            },
        )
        built = build(leaf, None, lambda _: b"")
        await insert_entries(uow, [(leaf, built)])
        size = await store.tree_size(uow)
        nodes = append(size, await store.load_frontier(uow, size), [built.hash])
        await store.add_leaves(uow, [leaf.leaf_id], size=size, nodes=nodes)
    return True


async def key_in_use(uow: UnitOfWork, keys: Sequence[NoteKey]) -> NoteKey | None:
    """The key that the next head must carry: the last rotation's, else the last head's; None before the first head.

    Raises ForkRefused when it is none of `keys`.
    """
    content = await store.last_rotation(uow, origin=keys[0].name)
    last = await store.last_checkpoint(uow)
    if content is not None:
        named = json.loads(content)["new_key"]
        found = next((key for key in keys if key.vkey == named), None)
    elif last is not None:
        found = next((key for key in keys if _signed_by(last.note, key)), None)
    else:
        return None
    if found is None:
        raise ForkRefused("the log's key was changed; this process does not hold the one in use")
    return found


def _signed_by(note: str, key: NoteKey) -> bool:
    try:
        opened(note, key)
    except NoteError:
        return False
    return True
