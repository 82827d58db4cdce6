"""Key-encryption keys (KEKs): the port behind which a key management service stands, and the development form.

The calls are synchronous and local on purpose: they happen inside transactions, where no network call is allowed. A
production adapter asks its KMS once, at start (and on rotation), to decrypt this service's KEKs into memory; the KMS
thereby keeps the root key, the access log and the right to refuse. Data keys never leave the process unwrapped.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class KeyUnreadableError(Exception):
    """The wrapped bytes were changed, belong elsewhere, or their key-encryption key is not held."""


class KeyManagement(Protocol):
    """What the platform needs of key management. `context` is bound into the wrapping: other context, no key."""

    @property
    def kek_id(self) -> str:
        """Id of the key-encryption key that wraps now."""
        ...

    def wrap(self, key: bytes, *, context: bytes) -> bytes:
        """Wrap a data key under the present key-encryption key."""
        ...

    def unwrap(self, wrapped: bytes, *, kek_id: str, context: bytes) -> bytes:
        """The data key. Raises KeyUnreadableError."""
        ...

    def derive(self, purpose: str) -> bytes:
        """A secret for one purpose that no rotation changes (blind indexes must stay searchable)."""
        ...


@dataclass(frozen=True)
class _Ring:
    current: str
    keys: dict[str, bytes]
    root: bytes


class LocalKeyManagement:
    """Development: one service's key-encryption keys in a file that only its user can read (0600)."""

    def __init__(self, path: Path, ring: _Ring) -> None:
        self._path = path
        self._ring = ring

    @classmethod
    def open(cls, folder: Path, service: str) -> Self:
        """Load the service's keys, or create them. Raises PermissionError when others could read the file."""
        path = folder / f"{service}.kek.json"
        if not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            kek_id = _new_id()
            ring = _Ring(kek_id, {kek_id: secrets.token_bytes(KEY_BYTES)}, secrets.token_bytes(KEY_BYTES))
            write_private_file(path, _encode(ring), replace=False)
        return cls(path, _decode(read_private_file(path)))

    @property
    def kek_id(self) -> str:
        """Id of the key-encryption key that wraps now."""
        return self._ring.current

    def wrap(self, key: bytes, *, context: bytes) -> bytes:
        """Wrap a data key under the present key-encryption key."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._ring.keys[self._ring.current]).encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, *, kek_id: str, context: bytes) -> bytes:
        """The data key. Raises KeyUnreadableError."""
        kek = self._ring.keys.get(kek_id)
        if kek is None:
            raise KeyUnreadableError(f"key-encryption key {kek_id} is not held")
        try:
            return AESGCM(kek).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError) as error:
            raise KeyUnreadableError("the wrapped key was changed or belongs elsewhere") from error

    def derive(self, purpose: str) -> bytes:
        """A secret for one purpose (HKDF, RFC 5869), independent of rotation."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(self._ring.root)

    def rotate(self) -> str:
        """Add a key-encryption key that wraps from now on; older ones still unwrap. Returns its id."""
        kek_id = _new_id()
        ring = _Ring(kek_id, {**self._ring.keys, kek_id: secrets.token_bytes(KEY_BYTES)}, self._ring.root)
        write_private_file(self._path, _encode(ring), replace=True)
        self._ring = ring
        return kek_id


def write_private_file(path: Path, content: bytes, *, replace: bool) -> None:
    """Write a file readable by its owner only, whole or not at all. With `replace=False` an existing file wins."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(draft, path)
        else:
            try:
                os.link(draft, path)
            except FileExistsError:
                return  # another process of this service was first: its key is the key
    finally:
        draft.unlink(missing_ok=True)


def read_private_file(path: Path) -> bytes:
    """The content of a private file. Raises PermissionError when group or others may read it."""
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path.name} must be readable by its owner only (chmod 600)")
    return path.read_bytes()


def _new_id() -> str:
    return f"kek-{secrets.token_hex(8)}"


def _encode(ring: _Ring) -> bytes:
    keys = {kek_id: base64.b64encode(key).decode() for kek_id, key in ring.keys.items()}
    return json.dumps({"current": ring.current, "keys": keys, "root": base64.b64encode(ring.root).decode()}).encode()


def _decode(content: bytes) -> _Ring:
    document = json.loads(content)
    keys = {kek_id: base64.b64decode(key) for kek_id, key in document["keys"].items()}
    return _Ring(document["current"], keys, base64.b64decode(document["root"]))
