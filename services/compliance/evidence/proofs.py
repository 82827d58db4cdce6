"""Proofs of a pack: a path for each leaf of a person's chain, the left edge of a period's range."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from services.compliance.log.manifest import Entries
from services.compliance.log.tree import Node, Span, consistency_spans, frontier, inclusion_spans, nodes_for, proof
from services.compliance.store import evidence as store
from services.compliance.store.log import load_nodes
from shared.database import UnitOfWork

_TOGETHER = 200


async def inclusion_paths(uow: UnitOfWork, indexes: Sequence[int], size: int) -> dict[int, list[bytes]]:
    """The inclusion proof of each leaf in the tree of `size` (RFC 9162 section 2.1.3)."""
    paths: dict[int, list[bytes]] = {}
    for start in range(0, len(indexes), _TOGETHER):
        spans = {index: inclusion_spans(index, size) for index in indexes[start : start + _TOGETHER]}
        nodes = await load_nodes(uow, sorted({node for each in spans.values() for node in nodes_for(each)}))
        paths |= {index: proof(each, nodes) for index, each in spans.items()}
    return paths


async def left_edge(uow: UnitOfWork, first: int) -> list[tuple[Node, bytes]]:
    """The nodes that stand for all leaves before `first`, left to right."""
    nodes = await load_nodes(uow, frontier(first))
    return [(node, nodes[node]) for node in frontier(first)]


def consistency(first: int, second: int) -> list[Span]:
    """The spans that prove that the tree of `second` leaves extends that of `first`; none for the same tree."""
    return [] if first == second else consistency_spans(first, second)


async def manifest_parts(
    uow: UnitOfWork, commitments: set[str], *, after: int, size: int
) -> tuple[list[store.EvidenceLeaf], list[dict[str, Any]]]:
    """Every manifest behind leaf `after`, and what each says of these parties: entries with their paths.

    Of older manifests the parts that name the parties, or between whose names they would be.
    """
    chosen: list[store.EvidenceLeaf] = []
    entries: list[dict[str, Any]] = []
    before: tuple[store.EvidenceLeaf, str] | None = None
    async for leaf, kept in store.manifests(uow, after=after, size=size):
        if kept is not None:
            chosen.append(leaf)
            found = Entries.unpacked(kept).proofs(sorted(commitments))
            entries += [{"index": leaf.index, "party": party, "entries": shown} for party, shown in found.items()]
            continue
        document: dict[str, Any] = json.loads(leaf.content)
        if "parties" not in document:
            chosen.append(leaf)  # its entries were lost: the verifier says what that leaves open
            continue
        names = sorted(document["parties"])
        first_part, last_part = document["part"] == 1, document["part"] == document["parts"]
        since = "" if first_part or before is None else before[1]
        touched = [one for one in commitments if since < one and (one <= names[-1] or last_part)]
        if touched:
            # One that falls between two parts is shown to be absent by both.
            between = before is not None and not first_part and min(touched) < names[0]
            if between and before is not None and (not chosen or chosen[-1] != before[0]):
                chosen.append(before[0])
            chosen.append(leaf)
        before = (leaf, names[-1])
    return chosen, entries
