"""Identifiers (RFC 9562).

Entities carry a UUIDv8: 48-bit Unix milliseconds, version, 16-bit shard, variant, random rest. The shard is drawn once,
at a party's birth, and copied to everything that belongs to the party, so its rows stay together when tables spread.
Events carry a UUIDv7. Derived ids (UUIDv8 over SHA-256) name the same thing the same way in every process.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Callable
from uuid import UUID

from asyncpg.pgproto import pgproto

_VARIANT = 0b10 << 62
_VARIANT_DIGITS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
SHARD_COUNT = 1 << 16
# Of an entity id: version and variant, their values, and both with the shard.
_ENTITY_BITS, _ENTITY_MARKS, _SHARD_BITS = 0xF << 76 | 0b11 << 62, 0x8 << 76 | 0b10 << 62, 0xFFFF << 64 | 0xFC << 56
_BLOCK = struct.Struct("<512Q")
_pool: list[int] = []
# A child process must not go on with its parent's random numbers.
os.register_at_fork(after_in_child=_pool.clear)


def draw_shard() -> int:
    """A new party's shard, 0..65535."""
    return _random_64_bits() % SHARD_COUNT


def entity_id(shard: int, *, unix_ms: int | None = None, ahead_ms: int = 0) -> UUID:
    """A new entity id: 48 bits time | 4 version (8) | 12 high shard bits | 2 variant | 4 low shard bits | 58 random.

    `ahead_ms` is added to the time: of ids drawn one after the other, each further ahead, the later one is greater.
    Raises ValueError when the shard is outside 0..65535.
    """
    if not 0 <= shard < SHARD_COUNT:
        raise ValueError(f"shard {shard} is outside 0..{SHARD_COUNT - 1}")
    milliseconds = (time.time_ns() // 1_000_000 if unix_ms is None else unix_ms) + ahead_ms
    high = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x8 << 12 | shard >> 4
    low = _VARIANT | (shard & 0xF) << 58 | _random_64_bits() >> 6
    return uuid_of(high << 64 | low)


def entity_id_beside(identifier: UUID) -> UUID:
    """A new entity id in the shard of an entity. Raises ValueError for other UUID versions."""
    number = identifier.int
    if number & _ENTITY_BITS != _ENTITY_MARKS:
        raise ValueError(f"{identifier} is not an entity id")
    milliseconds = time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF
    return uuid_of(milliseconds << 80 | number & _SHARD_BITS | _random_64_bits() >> 6)


def shard_of(identifier: UUID) -> int:
    """The shard inside an entity id. Raises ValueError for other UUID versions."""
    number = identifier.int
    if number & _ENTITY_BITS != _ENTITY_MARKS:
        raise ValueError(f"{identifier} is not an entity id")
    return (number >> 64 & 0xFFF) << 4 | number >> 58 & 0xF


def event_id() -> UUID:
    """A new event id (UUIDv7): time-ordered to the millisecond."""
    milliseconds = time.time_ns() // 1_000_000
    # 74 random bits: 12 of a number beside 62 of another.
    high = milliseconds << 16 | 0x7 << 12 | _random_64_bits() >> 52
    return uuid_of(high << 64 | _VARIANT | _random_64_bits() >> 2)


def event_id_texts(count: int) -> list[str]:
    """`count` new event ids (UUIDv7) as text, of one millisecond; much cheaper than making them one by one."""
    milliseconds = time.time_ns() // 1_000_000
    head = f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7"
    noise = os.urandom(10 * count).hex()
    return [
        f"{head}{noise[at : at + 3]}-{_VARIANT_DIGITS[noise[at + 3]]}{noise[at + 4 : at + 7]}-{noise[at + 7 : at + 19]}"
        for at in range(0, 20 * count, 20)
    ]


def derived_id(namespace: str, *parts: str) -> UUID:
    """The same parts give the same id in every process (SHA-256; length-prefixed so that no two lists collide)."""
    return digest_id(hashlib.sha256(_framed(namespace, *parts)).digest())


def derived_ids(namespace: str, *parts: str) -> Callable[[str], UUID]:
    """`derived_id` of these parts and one more, for many that differ in the last one only."""
    first = _framed(namespace, *parts)

    def derive(last: str) -> UUID:
        encoded = last.encode()
        return digest_id(hashlib.sha256(first + len(encoded).to_bytes(4) + encoded).digest())

    return derive


def _framed(*parts: str) -> bytes:
    return b"".join([len(encoded).to_bytes(4) + encoded for encoded in [part.encode() for part in parts]])


def digest_id(digest: bytes) -> UUID:
    """An id of the first 16 bytes of a digest: under a key, one that nobody derives without it."""
    return uuid_of(int.from_bytes(digest[:16]) & ~_ENTITY_BITS | _ENTITY_MARKS)


def of_driver(identifier: UUID) -> UUID:
    """The same id in the driver's own form, in which it is hashed, compared and sent in a fraction of the time."""
    return uuid_of(identifier.int)


def uuid_of(number: int) -> UUID:
    """The driver's own kind of UUID, as its rows hold it: written, hashed and compared in a fraction of the time."""
    made: UUID = pgproto.UUID(number.to_bytes(16))
    return made


def _random_64_bits() -> int:
    """64 random bits of the system, fetched a block at a time: one system call per id would be most of its cost."""
    while True:
        try:
            return _pool.pop()  # atomic, so no two threads get the same number
        except IndexError:
            _pool.extend(_BLOCK.unpack(os.urandom(_BLOCK.size)))
