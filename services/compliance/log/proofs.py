"""Verification of proofs, as a client does it: RFC 9162 sections 2.1.3.2 and 2.1.4.2."""

from __future__ import annotations

from collections.abc import Sequence

from services.compliance.log.reference import EMPTY_ROOT, node_hash


def included(*, leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that the leaf is at `index` of the tree of `size` leaves under `root`."""
    if not 0 <= index < size or not _hashes(leaf_hash, root, *path):
        return False
    position, last = index, size - 1
    value = leaf_hash
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            value = node_hash(sibling, value)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            value = node_hash(value, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and value == root


def consistent(*, first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether `path` proves that the tree of `second` leaves extends the tree of `first`.

    False for `first` 0: every tree extends the empty one, so that a proof about it would say nothing.
    """
    if first < 1 or first > second:
        return False
    if first == second:
        return not path and first_root == second_root
    if not path or not _hashes(first_root, second_root, *path):
        return False
    nodes = [first_root, *path] if first & (first - 1) == 0 else list(path)
    position, last = first - 1, second - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and old == first_root and new == second_root


def _hashes(*values: bytes) -> bool:
    """Whether each is as long as a hash: an empty root never equals an empty leaf."""
    return all(len(value) == len(EMPTY_ROOT) for value in values)
