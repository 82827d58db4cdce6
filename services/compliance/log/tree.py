"""The Merkle tree over stored nodes: appends and proofs touch O(log n) nodes.

A node (level, place) covers the leaves [place << level, (place + 1) << level) and is stored once that span is full; it
never changes afterwards. Any other subtree of RFC 9162 is folded from stored nodes. Level 0 holds the leaf hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from services.compliance.log.reference import EMPTY_ROOT, node_hash, split_point


class Node(NamedTuple):
    """Coordinates of a full subtree: its height, and its place among those of that height."""

    level: int
    place: int


class Span(NamedTuple):
    """The leaves [start, end)."""

    start: int
    end: int


def nodes_of(span: Span) -> list[Node]:
    """The stored nodes that cover `span`, left to right. `span.start` is aligned as in every subtree of RFC 9162."""
    nodes: list[Node] = []
    start, end = span
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash of a span from the hashes of its nodes (`nodes_of` order); the empty tree's root for none."""
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def frontier(size: int) -> list[Node]:
    """The nodes from which the root of a tree of `size` leaves is folded, and new leaves are appended."""
    return nodes_of(Span(0, size))


def append(size: int, frontier_hashes: Sequence[bytes], leaf_hashes: Iterable[bytes]) -> dict[Node, bytes]:
    """The nodes that become full when `leaf_hashes` follow a tree of `size` leaves: level 0 and all interior ones."""
    stack = list(zip(frontier(size), frontier_hashes, strict=True))
    full: dict[Node, bytes] = {}
    for position, leaf in enumerate(leaf_hashes, start=size):
        node, value = Node(0, position), leaf
        full[node] = value
        while node.place & 1:
            _, left = stack.pop()
            node, value = Node(node.level + 1, node.place >> 1), node_hash(left, value)
            full[node] = value
        stack.append((node, value))
    return full


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The spans whose hashes prove that leaf `index` is in a tree of `size` leaves, in proof order.

    Raises ValueError.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    spans: list[Span] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split_point(end - start)
        if index < middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start = middle
    return spans[::-1]


def consistency_spans(first: int, second: int) -> list[Span]:
    """The spans whose hashes prove that a tree of `second` leaves extends one of `first`, in proof order.

    Raises ValueError.
    """
    if not 0 < first <= second:
        raise ValueError(f"a tree of {second} leaves cannot extend one of {first}")
    spans: list[Span] = []
    start, end = 0, second
    known = True
    while first != end:
        middle = start + split_point(end - start)
        if first <= middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start, known = middle, False
    if not known:
        spans.append(Span(start, end))
    return spans[::-1]


def nodes_for(spans: Iterable[Span]) -> list[Node]:
    """Every stored node that the proof over `spans` needs."""
    return [node for span in spans for node in nodes_of(span)]


def proof(spans: Iterable[Span], hashes: Mapping[Node, bytes]) -> list[bytes]:
    """The proof over `spans` from stored `hashes`. Raises KeyError when a node is missing."""
    return [fold([hashes[node] for node in nodes_of(span)]) for span in spans]
