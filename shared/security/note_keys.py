"""Ed25519 keys with names in the text form of C2SP signed notes, and their fingerprints: https://c2sp.org/signed-note."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519 = b"\x01"
COSIGNATURE = b"\x04"


def person_key_name(person: str) -> str:
    """The name that a person's key carries: spaces and plus signs have no place in a key's text form."""
    return re.sub(r"[\s+]+", "_", person.strip().casefold())


class NoteError(ValueError):
    """The text is not a note of the expected form, or no signature of the expected key is on it."""


@dataclass(frozen=True)
class NoteKey:
    """A verification key: its name (for a log: the origin), 32 bytes of Ed25519 public key, and what it signs.

    `algorithm` is `ED25519` for a log and `COSIGNATURE` for a witness.
    """

    name: str
    public_key: bytes
    algorithm: bytes = ED25519

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """The key from its text form `name+id+key`. Raises NoteError."""
        name, _, rest = vkey.partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise NoteError("the key is not base64") from error
        key = cls(name, raw[1:], raw[:1])
        if raw[:1] not in (ED25519, COSIGNATURE) or len(raw) != 33 or not name or key.key_id.hex() != key_id:
            raise NoteError(f"{vkey} is not an Ed25519 key, or its id does not fit")
        return key

    @property
    def key_id(self) -> bytes:
        """The four bytes that say which key made a signature: SHA-256(name || LF || type || key)[:4]."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.algorithm + self.public_key).digest()[:4]

    @property
    def vkey(self) -> str:
        """The text form `name+id+key` that verifiers are given."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self.algorithm + self.public_key).decode()}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the text form, hexadecimal: short enough to be published in print."""
        return hashlib.sha256(self.vkey.encode()).hexdigest()

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the bare 64-byte signature over `message` was made with this key's private half."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True
