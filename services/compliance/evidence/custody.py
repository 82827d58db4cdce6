"""The chain of custody of a court bundle: who exported it, who handed it to whom, when and why, each entry signed.

Entries stand beside the pack's sums, because they are added later; each names the digest of the pack and of the entry
before it. The export itself is a leaf of the log.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal
from uuid import UUID

from services.compliance.domain.canonical import canonical, format_time
from services.compliance.domain.leaves import NewLeaf
from services.compliance.evidence import proofs
from services.compliance.evidence.files import SUMS
from services.compliance.evidence.pack import Archive, Pack
from services.compliance.log.note import NoteKey
from services.compliance.store import log as log_store
from services.compliance.store.leaves import append_leaves
from shared.ids import event_id
from shared.security.signing import SigningKey

CUSTODY: Final = "custody.jsonl"
LEAF: Final = "custody-leaf.json"
_SIGNED: Final = b"doorstep-custody/v1\n"
_POLL_SECONDS: Final = 0.5
Action = Literal["exported", "handed_over"]


class CustodyBroken(RuntimeError):  # noqa: N818  # reads as a fact at the call site
    """The folder is not, any more, the pack that its last entry names, or has no custody record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """One act on a bundle: by whom, to whom (None: kept), and why."""

    action: Action
    by: str
    reason: str
    to: str | None = None


def add_entry(folder: Path, handling: Handling, *, key: SigningKey, name: str, at: datetime) -> dict[str, Any]:
    """Append a signed entry to the bundle's custody record; `name` is the signing key's public name.

    Every file of the pack is held against its sums first. Raises CustodyBroken.
    """
    digest = _pack_digest(folder)
    path = folder / CUSTODY
    lines = path.read_bytes().splitlines() if path.exists() else []
    if (handling.action == "exported") == bool(lines):
        raise CustodyBroken("a custody record begins with the export, once")
    if lines and json.loads(lines[-1])["pack_sha256"] != digest:
        raise CustodyBroken("the pack is not the one that the last entry names")
    entry: dict[str, Any] = {
        "number": len(lines) + 1,
        "action": handling.action,
        "by": handling.by,
        "to": handling.to,
        "reason": handling.reason,
        "at": format_time(at),
        "pack_sha256": digest,
        "previous": hashlib.sha256(lines[-1]).hexdigest() if lines else None,
        "key": NoteKey(name, key.public_bytes).vkey,
    }
    entry["signature"] = base64.b64encode(key.sign_bytes(_SIGNED + canonical(entry))).decode()
    with path.open("ab") as file:
        file.write(canonical(entry) + b"\n")
    return entry


async def log_export(archive: Archive, pack: Pack, entry: dict[str, Any], *, scope_kind: str) -> UUID:
    """Make the export a leaf: digests only, nothing that names anybody. Returns the leaf's id."""
    async with archive.database.unit_of_work() as uow:
        leaf = NewLeaf(
            kind="custody",
            leaf_id=event_id(),
            party_id=None,
            occurred_at=uow.now,
            recorded_at=uow.real_now,
            public={
                "action": "exported",
                "scope_kind": scope_kind,
                "pack_sha256": pack.digest,
                "entry_sha256": hashlib.sha256(canonical(entry)).hexdigest(),
                "tree_size": pack.tree_size,
            },
        )
        await append_leaves(uow, archive.cipher, [leaf])
    return leaf.leaf_id


async def prove_export(archive: Archive, pack: Pack, leaf_id: UUID, *, wait_seconds: float) -> bool:
    """Put the leaf's proof into the bundle once a checkpoint covers it; False when none did in time."""
    for _ in range(max(1, round(wait_seconds / _POLL_SECONDS))):
        async with archive.database.read_only() as uow:
            index = await log_store.index_of(uow, leaf_id)
            head = await log_store.last_checkpoint(uow)
            if index is not None and head is not None and head.size > index:
                (content,) = [leaf.content async for (leaf,) in log_store.leaves(uow, size=index + 1, first=index)]
                path = (await proofs.inclusion_paths(uow, [index], head.size))[index]
                extends = await log_store.load_proof(uow, proofs.consistency(pack.tree_size, head.size))
                document = {
                    "index": index,
                    "leaf": _base64(content),
                    "path": [_base64(one) for one in path],
                    "note": head.note,
                    "published_at": format_time(head.published_at),
                    "consistency": [_base64(one) for one in extends],
                }
                (pack.folder / LEAF).write_text(json.dumps(document) + "\n", encoding="utf-8")
                return True
        await asyncio.sleep(_POLL_SECONDS)
    return False


def _pack_digest(folder: Path) -> str:
    """SHA-256 of the sums, after every file was held against them. Raises CustodyBroken."""
    try:
        sums = (folder / SUMS).read_bytes()
        for line in sums.decode().splitlines():
            digest, _, name = line.partition("  ")
            if (inside := PurePosixPath(name)).is_absolute() or ".." in inside.parts:
                raise CustodyBroken(f"{name} is no file of the pack")
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    raise CustodyBroken(f"{name} was changed")
    except (OSError, UnicodeDecodeError) as error:
        raise CustodyBroken(f"not a whole pack: {error}") from error
    return hashlib.sha256(sums).hexdigest()


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
