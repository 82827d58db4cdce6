"""The Merkle tree exactly as RFC 9162 section 2.1 defines it.

Slow, obvious, and the yardstick of `log.tree` in tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf): RFC 9162 section 2.1.1."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right): RFC 9162 section 2.1.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split_point(size: int) -> int:
    """The largest power of two smaller than `size` (k in RFC 9162); `size` is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def root(hashes: Sequence[bytes]) -> bytes:
    """MTH over leaf hashes: RFC 9162 section 2.1.1."""
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    k = split_point(len(hashes))
    return node_hash(root(hashes[:k]), root(hashes[k:]))


def inclusion_path(index: int, hashes: Sequence[bytes]) -> list[bytes]:
    """PATH(index, D): RFC 9162 section 2.1.3.1."""
    if len(hashes) == 1:
        return []
    k = split_point(len(hashes))
    if index < k:
        return [*inclusion_path(index, hashes[:k]), root(hashes[k:])]
    return [*inclusion_path(index - k, hashes[k:]), root(hashes[:k])]


def consistency_path(first: int, hashes: Sequence[bytes]) -> list[bytes]:
    """PROOF(first, D): RFC 9162 section 2.1.4.1, for 0 < first <= len(hashes)."""
    return _subproof(first, hashes, known=True)


def _subproof(first: int, hashes: Sequence[bytes], *, known: bool) -> list[bytes]:
    if first == len(hashes):
        return [] if known else [root(hashes)]
    k = split_point(len(hashes))
    if first <= k:
        return [*_subproof(first, hashes[:k], known=known), root(hashes[k:])]
    return [*_subproof(first - k, hashes[k:], known=False), root(hashes[:k])]
