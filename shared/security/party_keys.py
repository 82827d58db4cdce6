"""Personal data columns, encrypted under one data key per party: to erase a person is to delete one row.

A sealed value is `0x02 ‖ mark of party (4) ‖ mark of key (4) ‖ nonce (12) ‖ AES-256-GCM ciphertext and tag`, bound to
tenant, party and `table.column`: moved to another row or column it does not open. The marks tell a value whose key was
erased, though the party has a new one, from a value that was changed; version 1 had none. Openings read the wrapped
key's row in the caller's transaction, so erasure holds from its commit on, in all processes; only the unwrapping is
cached. Of parties that the transaction has locked the row is read once: whoever erases takes the same lock.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.database import UnitOfWork
from shared.security.key_management import KEY_BYTES, KeyManagement

_VERSION: Final = b"\x02"
_UNMARKED: Final = b"\x01"
_MARK_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_UUID_BYTES: Final = 16

_LOAD = "SELECT party_id, wrapped_key, wrapped_by FROM party_key WHERE tenant = $1 AND party_id = ANY($2::uuid[])"
_CREATE = """
INSERT INTO party_key (tenant, party_id, wrapped_key, wrapped_by, recorded_at)
SELECT $1, party_id, wrapped_key, $4, $5 FROM unnest($2::uuid[], $3::bytea[]) AS new (party_id, wrapped_key)
ORDER BY party_id
"""
_UNLESS_MADE = "ON CONFLICT DO NOTHING RETURNING party_id, wrapped_key, wrapped_by"
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


class _PartyKey(NamedTuple):
    """A party's unwrapped key; `mark` names party and key without telling either."""

    cipher: AESGCM
    mark: bytes


class PartyCipher:
    """Seals and opens the personal data of one tenant. Share one per process; the cache of unwrapped keys is
    bounded.
    """

    def __init__(self, keys: KeyManagement, *, tenant: str, cached_keys: int = 20_000) -> None:
        self._keys = keys
        self._tenant = tenant
        self._cached_keys = cached_keys
        self._unwrapped: OrderedDict[bytes, _PartyKey] = OrderedDict()
        self._index_keys: dict[str, bytes] = {}
        self._of_locked: WeakKeyDictionary[UnitOfWork, dict[UUID, _PartyKey | None]] = WeakKeyDictionary()

    async def look_up(self, uow: UnitOfWork, party_ids: Iterable[UUID]) -> None:
        """Read the keys of parties that the transaction has locked for what it will seal or open; reads only."""
        await self._ciphers(uow, party_ids)

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
        """Seal a batch, in order; two statements at most, a third when another transaction makes keys meanwhile."""
        ciphers = await self._ciphers(uow, {value.party_id for value in values})
        missing = sorted({value.party_id for value in values} - ciphers.keys())
        if missing:
            ciphers |= await self._create(uow, missing)
        # Another transaction made the key first.
        if overtaken := [party_id for party_id in missing if party_id not in ciphers]:
            ciphers |= await self._ciphers(uow, overtaken)
        # One draw for all nonces: each by itself would be a system call.
        noise = secrets.token_bytes(_NONCE_BYTES * len(values))
        return [
            self._sealed(ciphers[value.party_id], value, noise[at : at + _NONCE_BYTES])
            for value, at in zip(values, range(0, len(noise), _NONCE_BYTES), strict=True)
        ]

    async def open_many(self, uow: UnitOfWork, values: Sequence[Sealed]) -> list[str | None]:
        """Open a batch, in order, with one statement at most; None where the key of the value was erased.

        Raises SealBrokenError.
        """
        ciphers = await self._ciphers(uow, {value.party_id for value in values})
        return [self._opened(ciphers.get(value.party_id), value) for value in values]

    async def erase(self, uow: UnitOfWork, party_ids: Iterable[UUID]) -> set[UUID]:
        """Delete the parties' keys; returns those that had one. Blind indexes of the party are the store's to
        delete.
        """
        rows = await uow.sql.fetch(_ERASE, self._tenant, sorted(set(party_ids)))
        self._of_locked.pop(uow, None)
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
        secret = self._index_keys.get(field)
        if secret is None:
            secret = self._index_keys[field] = self._keys.derive(f"blind-index|{self._tenant}|{field}")
        return hmac.digest(secret, text.encode(), "sha256")[:16]

    async def _ciphers(self, uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, _PartyKey]:
        wanted = set(party_ids)
        known = self._of_locked.get(uow, {})
        found = {party_id: key for party_id in wanted if (key := known.get(party_id)) is not None}
        missing = sorted(wanted - known.keys())
        if missing:
            loaded = self._by_party(await uow.sql.fetch(_LOAD, self._tenant, missing))
            self._remember(uow, {party_id: loaded.get(party_id) for party_id in missing})
            found |= loaded
        return found

    async def _create(self, uow: UnitOfWork, party_ids: Sequence[UUID]) -> dict[UUID, _PartyKey]:
        fresh = [secrets.token_bytes(KEY_BYTES) for _ in party_ids]
        wrapped = [self._keys.wrap(key, context=self._context(p)) for p, key in zip(party_ids, fresh, strict=True)]
        # What was wrapped just now need not be unwrapped.
        made = {
            party_id: self._cache(party_id, sealed, key)
            for party_id, sealed, key in zip(party_ids, wrapped, fresh, strict=True)
        }
        arguments = (self._tenant, list(party_ids), wrapped, self._keys.kek_id, uow.real_now)
        if uow.locked.issuperset(party_ids):
            # Nobody else makes them meanwhile; if somebody does, this fails: nothing is sealed under what is lost.
            uow.sql.later(_CREATE, *arguments)
            created = made
        else:
            created = self._by_party(await uow.sql.fetch(_CREATE + _UNLESS_MADE, *arguments))
        self._remember(uow, created)
        return created

    def _remember(self, uow: UnitOfWork, keys: Mapping[UUID, _PartyKey | None]) -> None:
        """For the rest of the transaction; only of parties whose key nobody else can make or erase meanwhile."""
        if locked := {party_id: key for party_id, key in keys.items() if party_id in uow.locked}:
            self._of_locked.setdefault(uow, {}).update(locked)

    def _by_party(self, rows: Iterable[Mapping[str, Any]]) -> dict[UUID, _PartyKey]:
        return {r["party_id"]: self._key(r["party_id"], bytes(r["wrapped_key"]), r["wrapped_by"]) for r in rows}

    def _key(self, party_id: UUID, wrapped: bytes, kek_id: str) -> _PartyKey:
        name = _name_of(party_id, wrapped)
        key = self._unwrapped.get(name)
        if key is None:
            return self._cache(party_id, wrapped, self._unwrap(party_id, wrapped, kek_id))
        self._unwrapped.move_to_end(name)
        return key

    def _cache(self, party_id: UUID, wrapped: bytes, unwrapped: bytes) -> _PartyKey:
        key = _PartyKey(AESGCM(unwrapped), _mark(self._tenant, party_id, unwrapped))
        self._unwrapped[_name_of(party_id, wrapped)] = key
        if len(self._unwrapped) > self._cached_keys:
            self._unwrapped.popitem(last=False)
        return key

    def _unwrap(self, party_id: UUID, wrapped: bytes, kek_id: str) -> bytes:
        return self._keys.unwrap(wrapped, kek_id=kek_id, context=self._context(party_id))

    def _context(self, party_id: UUID) -> bytes:
        return _before_party("party-key/1", self._tenant) + party_id.bytes

    def _sealed(self, key: _PartyKey, value: Plain, nonce: bytes) -> bytes:
        context = _context_of(self._tenant, value.party_id, value.field)
        return b"".join((_VERSION, key.mark, nonce, key.cipher.encrypt(nonce, value.text.encode(), context)))

    def _opened(self, key: _PartyKey | None, value: Sealed) -> str | None:
        if key is None:
            return None
        sealed = value.sealed
        nonce_at = 1 + (0 if sealed[:1] == _UNMARKED else 2 * _MARK_BYTES)
        if len(sealed) < nonce_at + _NONCE_BYTES + _TAG_BYTES or sealed[:1] not in (_VERSION, _UNMARKED):
            raise SealBrokenError(f"{value.field}: not a sealed value")
        mark = sealed[1:nonce_at]
        if mark and mark != key.mark and mark[:_MARK_BYTES] == key.mark[:_MARK_BYTES]:
            return None  # the party's, under a key that was erased
        context = _context_of(self._tenant, value.party_id, value.field)
        content_at = nonce_at + _NONCE_BYTES
        try:
            return key.cipher.decrypt(sealed[nonce_at:content_at], sealed[content_at:], context).decode()
        except InvalidTag as error:
            raise SealBrokenError(f"{value.field}: changed, or sealed for another place") from error


def _context_of(tenant: str, party_id: UUID, field: str) -> bytes:
    """`bound("party/1", tenant, party, field)`: from value to value mostly the party changes."""
    return _before_party("party/1", tenant) + party_id.bytes + _after_party(field)


@lru_cache(maxsize=64)
def _before_party(purpose: str, tenant: str) -> bytes:
    return bound(purpose, tenant) + _UUID_BYTES.to_bytes(4)


@lru_cache(maxsize=256)
def _after_party(field: str) -> bytes:
    return bound(field)


def _mark(tenant: str, party_id: UUID, key: bytes) -> bytes:
    context = _before_party("mark/1", tenant) + party_id.bytes
    party = hashlib.blake2b(context, digest_size=_MARK_BYTES).digest()
    return party + hashlib.blake2b(context, key=key, digest_size=_MARK_BYTES).digest()


def _name_of(party_id: UUID, wrapped: bytes) -> bytes:
    # The party is part of the cache key: a row copied to another party must fail as it would uncached.
    return hashlib.blake2b(party_id.bytes + wrapped, digest_size=16).digest()


def bound(*parts: str | bytes) -> bytes:
    """Parts as one unambiguous associated-data string: each is preceded by its length."""
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in raw)
