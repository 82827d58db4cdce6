"""C2SP signed notes, tree checkpoints and their cosignatures.

https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-cosignature (Ed25519, v1).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.security.note_keys import COSIGNATURE, ED25519, NoteError, NoteKey

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "Checkpoint",
    "NoteError",
    "NoteKey",
    "cosigned_at",
    "opened",
    "opened_by_any",
    "sign",
]

_DASH = "\N{EM DASH} "


@dataclass(frozen=True)
class Checkpoint:
    """A tree head: origin of the log, number of leaves, root hash."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """The signed text: three lines."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign(checkpoint: Checkpoint, key: NoteKey, signer: Callable[[bytes], bytes]) -> str:
    """The checkpoint as a signed note. `signer` makes Ed25519 signatures with the private half of `key`."""
    body = checkpoint.body()
    signature = base64.b64encode(key.key_id + signer(body.encode())).decode()
    return f"{body}\n{_DASH}{key.name} {signature}\n"


def opened(note: str, key: NoteKey) -> Checkpoint:
    """The checkpoint in `note` after its signature by `key`, a log's, was verified. Raises NoteError."""
    body, lines = _parts(note)
    if any(key.verifies(body.encode(), raw) for raw in _signatures(lines, key)):
        return _checkpoint(body)
    raise NoteError(f"no valid signature of {key.name}")


def opened_by_any(note: str, keys: Iterable[NoteKey]) -> Checkpoint:
    """The checkpoint in `note` when one of `keys` signed it. Raises NoteError."""
    for key in keys:
        try:
            return opened(note, key)
        except NoteError:
            continue
    raise NoteError("no valid signature of a key of this log")


def cosigned_at(note: str, key: NoteKey) -> datetime:
    """When `key`, a witness's, says that this was the largest tree it knew of the log. Raises NoteError."""
    body, lines = _parts(note)
    for raw in _signatures(lines, key):
        timestamp, signature = int.from_bytes(raw[:8]), raw[8:]
        message = f"cosignature/v1\ntime {timestamp}\n{body}"
        if 0 < timestamp < 1 << 40 and key.verifies(message.encode(), signature):
            return datetime.fromtimestamp(timestamp, UTC)
    raise NoteError(f"no valid cosignature of {key.name}")


def _parts(note: str) -> tuple[str, list[str]]:
    """The signed text and the signature lines."""
    body, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise NoteError("no signature block")
    return f"{body}\n", signatures.removesuffix("\n").split("\n")


def _signatures(lines: list[str], key: NoteKey) -> list[bytes]:
    """What the lines of this key's name and id hold after the id."""
    prefix = f"{_DASH}{key.name} "
    found: list[bytes] = []
    for line in lines:
        try:
            raw = base64.b64decode(line.removeprefix(prefix), validate=True) if line.startswith(prefix) else b""
        except (binascii.Error, ValueError):
            continue
        if raw[:4] == key.key_id:
            found.append(raw[4:])
    return found


def _checkpoint(body: str) -> Checkpoint:
    lines = body.split("\n")
    if len(lines) < 4 or not lines[1].isascii() or not lines[1].isdigit() or str(int(lines[1])) != lines[1]:
        raise NoteError("not a checkpoint")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except binascii.Error as error:
        raise NoteError("the root hash is not base64") from error
    if len(root) != hashlib.sha256().digest_size:
        raise NoteError("the root hash is not 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root)
