"""C2SP signed notes and tree checkpoints (https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519 = b"\x01"
_DASH = "\N{EM DASH} "


class NoteError(ValueError):
    """The text is not a note of the expected form, or no signature of the expected key is on it."""


@dataclass(frozen=True)
class NoteKey:
    """A verification key: its name (for a log: the origin) and its 32 bytes of Ed25519 public key."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that say which key made a signature: SHA-256(name || LF || type || key)[:4]."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public_key).digest()[:4]

    @property
    def vkey(self) -> str:
        """The text form `name+id+key` that verifiers are given."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public_key).decode()}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the text form, hexadecimal: short enough to be published in print."""
        return hashlib.sha256(self.vkey.encode()).hexdigest()


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
    """The checkpoint in `note` after its signature by `key` was verified. Raises NoteError."""
    body, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise NoteError("no signature block")
    body += "\n"
    for line in signatures.splitlines():
        name, _, encoded = line.removeprefix(_DASH).rpartition(" ")
        if line.startswith(_DASH) and name == key.name and _signed(body.encode(), encoded, key):
            return _checkpoint(body)
    raise NoteError(f"no valid signature of {key.name}")


def _signed(body: bytes, encoded: str, key: NoteKey) -> bool:
    try:
        raw = base64.b64decode(encoded, validate=True)
        if raw[:4] != key.key_id:
            return False
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(raw[4:], body)
    except (binascii.Error, InvalidSignature, ValueError):
        return False
    return True


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
