"""The export: a tar stream of leaves, leaf hashes, checkpoints and the keys, made piece by piece."""

from __future__ import annotations

import base64
import json
import tarfile
from collections.abc import AsyncIterator, Sequence
from typing import Final

from services.compliance.log.note import NoteKey
from services.compliance.store import log as store
from shared.database import UnitOfWork
from shared.events.codec import format_time

BATCH: Final = 1_000


async def stream_export(uow: UnitOfWork, *, size: int, keys: Sequence[NoteKey]) -> AsyncIterator[bytes]:
    """The first `size` leaves in files of 1,000, named by their first index; hashes apart from them.

    Then the checkpoints with their cosignatures, and the keys, the log's own first.
    """
    start = 0
    async for leaves in store.leaves(uow, size=size, batch=BATCH):
        lines = "".join(f'{{"index":{x.index},"leaf":"{base64.b64encode(x.content).decode()}"}}\n' for x in leaves)
        yield _member(f"leaves/{start:012}.ndjson", lines.encode())
        yield _member(f"leaf_hashes/{start:012}.txt", "".join(f"{leaf.hash.hex()}\n" for leaf in leaves).encode())
        start += len(leaves)
    heads = [
        json.dumps({"tree_size": one.size, "published_at": format_time(one.published_at), "note": one.note})
        for one in await store.checkpoints(uow, up_to=size)
    ]
    yield _member("checkpoints.ndjson", "".join(f"{line}\n" for line in heads).encode())
    yield _member("keys.txt", "".join(f"{key.vkey}\n" for key in keys).encode())
    yield b"\0" * 2 * tarfile.BLOCKSIZE


def _member(name: str, content: bytes) -> bytes:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    padding = b"\0" * (-len(content) % tarfile.BLOCKSIZE)
    return header.tobuf(format=tarfile.USTAR_FORMAT) + content + padding
