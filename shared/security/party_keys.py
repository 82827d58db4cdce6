"""Personal data columns, encrypted under one data key per party: to erase a person is to delete one row.

A sealed value is `0x01 ‖ nonce (12) ‖ AES-256-GCM ciphertext and tag`, bound to tenant, party and `table.column`: moved
to another row or column it does not open. Every opening reads the wrapped key's row in the caller's transaction, so
erasure holds from its commit on, in all processes; only the unwrapping is cached.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.database import UnitOfWork
from shared.security.key_management import KEY_BYTES, KeyManagement

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_OVERHEAD_BYTES: Final = len(_VERSION) + _NONCE_BYTES + 16

_LOAD = "SELECT party_id, wrapped_key, wrapped_by FROM party_key WHERE tenant = $1 AND party_id = ANY($2::uuid[])"
_CREATE = """
INSERT INTO party_key (tenant, party_id, wrapped_key, wrapped_by, recorded_at)
SELECT $1, party_id, wrapped_key, $4, $5 FROM unnest($2::uuid[], $3::bytea[]) AS new (party_id, wrapped_key)
ORDER BY party_id ON CONFLICT DO NOTHING RETURNING party_id, wrapped_key, wrapped_by
"""
_ERASE = "DELETE FROM party_key WHERE tenant = $1 AND party_id = ANY($2::uuid[]) RETURNING party_id"
_OUTDATED = """
SELECT party_id, wrapped_key, wrapped_by FROM party_key WHERE tenant = $1 AND wrapped_by <> $2
ORDER BY party_id LIMIT $3 FOR UPDATE
"""
_REWRAP = """
UPDATE party_key SET wrapped_key = new.wrapped_key, wrapped_by = $4
FROM unnest($2::uuid[], $3::bytea[]) AS new (party_id, wrapped_key)
WHERE party_key.tenant = $1 AND party_key.party_id = new.party_id
"""


class PartyErasedError(Exception):
    """The party has no data key (any more): what was sealed for it can never be read again."""


class SealBrokenError(Exception):
    """The sealed bytes were changed, or belong to another party, tenant or column."""


class Plain(NamedTuple):
    """One value to seal; `field` is `table.column`."""

    party_id: UUID
    field: str
    text: str


class Sealed(NamedTuple):
    """One value to open; `field` is the `table.column` it was sealed for."""

    party_id: UUID
    field: str
    sealed: bytes


class PartyCipher:
    """Seals and opens the personal data of one tenant. Share one per process; the cache of unwrapped keys is
    bounded.
    """

    def __init__(self, keys: KeyManagement, *, tenant: str, cached_keys: int = 20_000) -> None:
        self._keys = keys
        self._tenant = tenant
        self._cached_keys = cached_keys
        self._unwrapped: OrderedDict[bytes, AESGCM] = OrderedDict()

    async def seal(self, uow: UnitOfWork, party_id: UUID, field: str, text: str) -> bytes:
        """Seal one value; creates the party's key when it has none. Take the party lock first."""
        return (await self.seal_many(uow, [Plain(party_id, field, text)]))[0]

    async def open(self, uow: UnitOfWork, party_id: UUID, field: str, sealed: bytes) -> str:
        """Open one value. Raises PartyErasedError, SealBrokenError."""
        text = (await self.open_many(uow, [Sealed(party_id, field, sealed)]))[0]
        if text is None:
            raise PartyErasedError()
        return text

    async def seal_many(self, uow: UnitOfWork, values: Sequence[Plain]) -> list[bytes]:
        """Seal a batch, in order; two statements, a third when another transaction makes keys at the same moment."""
        ciphers = await self._ciphers(uow, {value.party_id for value in values})
        missing = sorted({value.party_id for value in values} - ciphers.keys())
        if missing:
            ciphers |= await self._create(uow, missing)
        # Another transaction made the key first.
        if overtaken := [party_id for party_id in missing if party_id not in ciphers]:
            ciphers |= await self._ciphers(uow, overtaken)
        return [self._sealed(ciphers[value.party_id], value) for value in values]

    async def open_many(self, uow: UnitOfWork, values: Sequence[Sealed]) -> list[str | None]:
        """Open a batch, in order, with one statement; None where the party was erased. Raises SealBrokenError."""
        ciphers = await self._ciphers(uow, {value.party_id for value in values})
        return [self._opened(ciphers.get(value.party_id), value) for value in values]

    async def erase(self, uow: UnitOfWork, party_ids: Iterable[UUID]) -> set[UUID]:
        """Delete the parties' keys; returns those that had one. Blind indexes of the party are the store's to
        delete.
        """
        rows = await uow.sql.fetch(_ERASE, self._tenant, sorted(set(party_ids)))
        return {row["party_id"] for row in rows}

    async def rewrap(self, uow: UnitOfWork, *, limit: int = 1000) -> int:
        """After a rotation: wrap up to `limit` keys under the present key-encryption key; repeat until it returns 0."""
        rows = await uow.sql.fetch(_OUTDATED, self._tenant, self._keys.kek_id, limit)
        parties = [row["party_id"] for row in rows]
        wrapped = [
            self._keys.wrap(
                self._unwrap(row["party_id"], bytes(row["wrapped_key"]), row["wrapped_by"]), context=context
            )
            for row in rows
            for context in [self._context(row["party_id"])]
        ]
        if parties:
            await uow.sql.execute(_REWRAP, self._tenant, parties, wrapped, self._keys.kek_id)
        return len(parties)

    def blind_index(self, field: str, text: str) -> bytes:
        """A keyed digest (HMAC-SHA-256, 16 bytes) to find rows by an exact, already normalised value without revealing
        it.
        """
        secret = self._keys.derive(f"blind-index|{self._tenant}|{field}")
        return hmac.digest(secret, text.encode(), "sha256")[:16]

    async def _ciphers(self, uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, AESGCM]:
        ids = sorted(party_ids)
        return self._by_party(await uow.sql.fetch(_LOAD, self._tenant, ids)) if ids else {}

    async def _create(self, uow: UnitOfWork, party_ids: Sequence[UUID]) -> dict[UUID, AESGCM]:
        wrapped = [self._keys.wrap(secrets.token_bytes(KEY_BYTES), context=self._context(p)) for p in party_ids]
        made = await uow.sql.fetch(_CREATE, self._tenant, list(party_ids), wrapped, self._keys.kek_id, uow.real_now)
        return self._by_party(made)

    def _by_party(self, rows: Iterable[Mapping[str, Any]]) -> dict[UUID, AESGCM]:
        return {r["party_id"]: self._cipher(r["party_id"], bytes(r["wrapped_key"]), r["wrapped_by"]) for r in rows}

    def _cipher(self, party_id: UUID, wrapped: bytes, kek_id: str) -> AESGCM:
        # The party is part of the cache key: a row copied to another party must fail as it would uncached.
        name = hashlib.blake2b(party_id.bytes + wrapped, digest_size=16).digest()
        cipher = self._unwrapped.get(name)
        if cipher is None:
            cipher = AESGCM(self._unwrap(party_id, wrapped, kek_id))
            self._unwrapped[name] = cipher
            if len(self._unwrapped) > self._cached_keys:
                self._unwrapped.popitem(last=False)
        else:
            self._unwrapped.move_to_end(name)
        return cipher

    def _unwrap(self, party_id: UUID, wrapped: bytes, kek_id: str) -> bytes:
        return self._keys.unwrap(wrapped, kek_id=kek_id, context=self._context(party_id))

    def _context(self, party_id: UUID) -> bytes:
        return bound("party-key/1", self._tenant, party_id.bytes)

    def _sealed(self, cipher: AESGCM, value: Plain) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        context = bound("party/1", self._tenant, value.party_id.bytes, value.field)
        return _VERSION + nonce + cipher.encrypt(nonce, value.text.encode(), context)

    def _opened(self, cipher: AESGCM | None, value: Sealed) -> str | None:
        if cipher is None:
            return None
        sealed = value.sealed
        if len(sealed) < _OVERHEAD_BYTES or sealed[:1] != _VERSION:
            raise SealBrokenError(f"{value.field}: not a sealed value")
        context = bound("party/1", self._tenant, value.party_id.bytes, value.field)
        try:
            return cipher.decrypt(sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :], context).decode()
        except InvalidTag as error:
            raise SealBrokenError(f"{value.field}: changed, or sealed for another place") from error


def bound(*parts: str | bytes) -> bytes:
    """Parts as one unambiguous associated-data string: each is preceded by its length."""
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in raw)
