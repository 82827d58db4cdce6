"""What no longer opens, and which leaf says why: a sort of records deleted by retention, or a whole person erased."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from services.compliance.domain.leaves import LeafKind
from services.compliance.domain.record_kinds import LEAVES_OF, RecordKind
from services.compliance.evidence.scope import ScopeError
from services.compliance.store import evidence as store
from shared.database import UnitOfWork

# Of which sort the rows of a pack's table are, which column says when they came about, and when they say nothing more.
_SORTS: Final[Mapping[str, tuple[RecordKind, str, Callable[[Mapping[str, Any]], bool]]]] = {
    "contacts": ("contact", "started_at", lambda row: row["record"] is None),
    "decisions": ("decision", "decided_at", lambda row: row["record"] is None),
    "permits": ("permit", "window_start", lambda row: row["crew"] is None),
    "findings": ("finding", "recorded_at", lambda row: not row["detail"]),
    "complaints": ("complaint", "recorded_at", lambda row: row["owner"] is None and row["sealed_words"] is None),
    "holds": ("hold", "valid_from", lambda row: row["source_ref"] == str(row["hold_id"])),
}
_SORT_OF: Final[Mapping[LeafKind, RecordKind]] = {kind: sort for sort, kinds in LEAVES_OF.items() for kind in kinds}


class NotYetSealed(ScopeError):  # noqa: N818  # reads as a fact at the call site
    """Records of the scope were deleted just now, and the leaf that says so is under no checkpoint yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One leaf by which records of a person ended. `sorts`: which, and by which rule; None: everything (erased)."""

    leaf: store.EvidenceLeaf
    on: str
    sorts: Mapping[str, str] | None = None

    def words(self, sort: RecordKind | None) -> str:
        """For a reader: what happened, why, when, and which leaf says so."""
        leaf = f"leaf {self.leaf.index}" if self.leaf.index >= 0 else "its leaf is not in the tree yet"
        if self.sorts is None or sort is None:
            return f"erased with the person on {self.on} ({leaf})"
        return f"deleted by retention under rule {self.sorts[sort]} on {self.on} ({leaf})"


@dataclass(frozen=True, slots=True)
class Endings:
    """How records of some people ended, by person, in the order of the log."""

    of_party: Mapping[UUID, Sequence[Ending]]

    def of_leaf(self, kind: LeafKind, leaf: store.EvidenceLeaf) -> Ending | None:
        """The first ending behind the leaf by which its commitments lost what opens them."""
        if leaf.party_id is None:
            return None
        behind = (one for one in self._of(leaf.party_id, _SORT_OF.get(kind)) if one.leaf.index >= leaf.index)
        return next(behind, None)

    def of_row(self, table: str, row: Mapping[str, Any]) -> str | None:
        """What a reader of a row of that table is told instead of what it said; None: it was not deleted."""
        sort, begun, is_gone = _SORTS[table]
        if row["party_id"] is None or not is_gone(row):
            return None
        since = row[begun].date().isoformat()
        found = next((one for one in self._of(row["party_id"], sort) if one.on >= since), None)
        return None if found is None else found.words(sort)

    def _of(self, party_id: UUID, sort: RecordKind | None) -> Iterator[Ending]:
        return (one for one in self.of_party.get(party_id, ()) if one.sorts is None or sort in one.sorts)


async def load_endings(uow: UnitOfWork, party_ids: Collection[UUID], *, size: int | None) -> Endings:
    """The endings of these people that are among the first `size` leaves, which must be all of them; of None leaves
    asked for nothing is proved, and those without a place are shown, too. Raises NotYetSealed.
    """
    found: dict[UUID, list[Ending]] = {}
    for leaf, is_sealed in await store.endings(uow, party_ids, size=size):
        ending = _ending(leaf)
        if ending is None or leaf.party_id is None:
            continue
        if not is_sealed and size is not None:
            raise NotYetSealed("records were deleted just now: ask again when the next checkpoint is out")
        found.setdefault(leaf.party_id, []).append(ending)
    return Endings(found)


def _ending(leaf: store.EvidenceLeaf) -> Ending | None:
    said: dict[str, Any] = json.loads(leaf.content)
    on = said["occurred_at"][:10]
    if said["kind"] == "retention":
        return Ending(leaf=leaf, on=on, sorts={one["records"]: one["rule"] for one in said["deleted"]})
    return Ending(leaf=leaf, on=on) if said["state"] == "erased" else None
