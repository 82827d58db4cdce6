"""Inclusion proofs after RFC 9162, section 2.1.3.2, written from the RFC."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def leaf_hash(leaf: bytes) -> bytes:
    """Hash of a leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def includes(leaf: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that `leaf` is number `index` of the tree of `size` leaves with that root."""
    if not 0 <= index < size:
        return False
    number, last, value = index, size - 1, leaf_hash(leaf)
    for sibling in path:
        if last == 0:
            return False
        if number & 1 or number == last:
            value = _node(sibling, value)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            value = _node(value, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and value == root


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
