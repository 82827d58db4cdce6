"""The manifest: a leaf that commits, about each hour, to where the chain of every party that changed had come to.

Party chains show that nothing is missing in the middle; a manifest shows that nothing is missing at the end. A manifest
covers exactly the leaves between the manifest before it and itself, so that anybody who has the leaves recomputes it.

It names the root of an RFC 9162 tree over its entries (party commitment, number of the chain's last leaf), sorted by
commitment: one entry and its path show how far a party's chain had come; two neighbours show that a party is not named.
Older manifests name the entries themselves, in parts.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self

from services.compliance.domain.leaves import NewLeaf
from services.compliance.log.tree import Node, append, fold, frontier, inclusion_spans, proof
from services.compliance.store import log as store
from shared.database import UnitOfWork
from shared.ids import event_id

MANIFEST_AFTER: Final = timedelta(hours=1)
_COMMITMENT_BYTES: Final = 32
_ENTRY_BYTES: Final = _COMMITMENT_BYTES + 8


@dataclass(frozen=True, slots=True)
class Entries:
    """(party commitment, number of its last leaf), sorted by commitment."""

    items: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, parties: Mapping[str, int]) -> Self:
        """From the last number of each party."""
        return cls(tuple(sorted(parties.items())))

    @classmethod
    def unpacked(cls, content: bytes) -> Self:
        """From the form in which they are kept."""
        parts = [content[start : start + _ENTRY_BYTES] for start in range(0, len(content), _ENTRY_BYTES)]
        return cls(tuple((one[:_COMMITMENT_BYTES].hex(), int.from_bytes(one[_COMMITMENT_BYTES:])) for one in parts))

    def packed(self) -> bytes:
        """Commitment and number of each, 40 bytes."""
        return b"".join(bytes.fromhex(party) + number.to_bytes(8) for party, number in self.items)

    @property
    def root(self) -> bytes:
        """The root of the tree over them."""
        nodes = self._nodes()
        return fold([nodes[node] for node in frontier(len(self.items))])

    def proofs(self, parties: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """For each party its entry with its path; where it has none, the entries between which it would stand."""
        nodes, size = self._nodes(), len(self.items)
        names = [party for party, _ in self.items]
        found: dict[str, list[dict[str, Any]]] = {}
        for party in parties:
            place = bisect_left(names, party)
            named = place < size and names[place] == party
            places = [place] if named else [one for one in (place - 1, place) if 0 <= one < size]
            found[party] = [
                {
                    "position": one,
                    "party": self.items[one][0],
                    "sequence": self.items[one][1],
                    "path": [value.hex() for value in proof(inclusion_spans(one, size), nodes)],
                }
                for one in places
            ]
        return found

    def _nodes(self) -> dict[Node, bytes]:
        return append(
            0, [], [hashlib.sha256(b"\x00" + f"{party} {number}".encode()).digest() for party, number in self.items]
        )


async def due_manifest(uow: UnitOfWork) -> tuple[NewLeaf, Entries] | None:
    """The manifest that is due; None while no uncovered leaf is an hour old.

    The caller is the log's only writer and gives it the next place, before any other leaf.
    """
    last = await store.last_manifest(uow)
    uncovered = 0 if last is None else last[0] + 1
    oldest = await store.recorded_at(uow, uncovered)
    if oldest is None or uow.real_now - oldest < MANIFEST_AFTER:
        return None
    entries = Entries.of(await store.changed_parties(uow, start=uncovered))
    if not entries.items:
        return None
    number, previous = (1, None) if last is None else _following(last[1])
    leaf = NewLeaf(
        kind="manifest",
        leaf_id=event_id(),
        party_id=None,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={
            "number": number,
            "part": 1,
            "parts": 1,
            "previous_manifest": previous,
            "entries": len(entries.items),
            "entries_root": entries.root.hex(),
        },
    )
    return leaf, entries


def _following(last: bytes) -> tuple[int, str]:
    """The next manifest's number, and the leaf hash of the last part before it."""
    return json.loads(last)["number"] + 1, hashlib.sha256(b"\x00" + last).hexdigest()
