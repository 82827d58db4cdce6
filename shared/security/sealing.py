"""Sealing of raw bytes that cannot be tied to a party yet: parked and dead-lettered records of one service.

A sealed record is `0x01 ‖ length of the KEK's id ‖ KEK's id ‖ wrapped key (60) ‖ nonce (12) ‖ AES-256-GCM ciphertext
and tag`, one data key per record. Such rows are not erased with a party's key: whoever erases a party deletes its
parked rows too.
"""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.security.key_management import KEY_BYTES, KeyManagement, KeyUnreadableError
from shared.security.party_keys import SealBrokenError, bound

_VERSION: Final = 1
_NONCE_BYTES: Final = 12
_WRAPPED_BYTES: Final = 12 + KEY_BYTES + 16


class RecordSealer:
    """Seals records of one service. `place` says where a record belongs (for instance topic, partition, offset)."""

    def __init__(self, keys: KeyManagement, *, service: str) -> None:
        self._keys = keys
        self._service = service

    def seal(self, record: bytes, *, place: str) -> bytes:
        """Seal `record` for `place`."""
        key, nonce = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(_NONCE_BYTES)
        kek_id, context = self._keys.kek_id.encode(), self._context(place)
        wrapped = self._keys.wrap(key, context=context)
        head = bytes([_VERSION, len(kek_id)]) + kek_id + wrapped + nonce
        return head + AESGCM(key).encrypt(nonce, record, context)

    def open(self, sealed: bytes, *, place: str) -> bytes:
        """The record. Raises SealBrokenError when it was changed, moved, or its key-encryption key is gone."""
        if len(sealed) < 2 or sealed[0] != _VERSION:
            raise SealBrokenError("not a sealed record")
        key_at = 2 + sealed[1]
        nonce_at = key_at + _WRAPPED_BYTES
        content_at = nonce_at + _NONCE_BYTES
        context = self._context(place)
        try:
            kek_id = sealed[2:key_at].decode("ascii")
            key = self._keys.unwrap(sealed[key_at:nonce_at], kek_id=kek_id, context=context)
            return AESGCM(key).decrypt(sealed[nonce_at:content_at], sealed[content_at:], context)
        except (InvalidTag, KeyUnreadableError, ValueError) as error:
            raise SealBrokenError("changed, or sealed for another place") from error

    def _context(self, place: str) -> bytes:
        return bound("record/1", self._service, place)
