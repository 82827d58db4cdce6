"""Sorts of records whose minimum has passed: restricted, then deleted, each deletion a leaf that names its rule.

The person and the key stay as long as another sort is kept. What a leaf says stays said; nothing opens it any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from uuid import UUID

from services.compliance.domain.canonical import Json, format_time
from services.compliance.domain.keeping import Holding, keep_until_of, states_of
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.record_kinds import RECORD_KINDS, RecordKind
from services.compliance.instruments import Instruments
from services.compliance.store import record_endings as store
from services.compliance.store.leaves import append_leaves
from shared.database import UnitOfWork
from shared.ids import event_id
from shared.telemetry.metrics import count

Sort = tuple[UUID, RecordKind]


async def end_sorts(uow: UnitOfWork, instruments: Instruments, holdings: Mapping[UUID, Holding], today: date) -> None:
    """Restrict, free or delete each sort of each person's records, as the rules say today. The parties are locked."""
    restricted: list[Sort] = []
    freed: list[Sort] = []
    due: list[Sort] = []
    for party_id, holding in holdings.items():
        states = states_of(holding, instruments.book, today=today)
        restricted += [
            (party_id, kind) for kind, state in states.items() if state != "kept" and kind not in holding.restricted
        ]
        freed += [
            (party_id, kind)
            for kind in RECORD_KINDS
            if kind in holding.restricted and states.get(kind, "kept") == "kept"
        ]
        due += [(party_id, kind) for kind, state in states.items() if state == "due"]
    await store.restrict_kinds(uow, restricted, since=today)
    await store.free_kinds(uow, freed)
    steps = [*_steps(uow, restricted, "restricted"), *_steps(uow, freed, "freed")]
    await append_leaves(uow, instruments.cipher, steps)
    await _delete(uow, instruments, holdings, due, today)


async def _delete(
    uow: UnitOfWork, instruments: Instruments, holdings: Mapping[UUID, Holding], due: Sequence[Sort], today: date
) -> None:
    """Delete the sorts; one leaf for each person names the sorts, the rule of each, and how much of each there was."""
    deleted: dict[UUID, list[Json]] = {}
    notes: list[store.Deletion] = []
    leaf_ids = {party_id: event_id() for party_id, _ in due}
    for kind in RECORD_KINDS:
        until = {party_id: holdings[party_id].newest[kind] for party_id, one in due if one == kind}
        forgotten = await store.forget(uow, kind, until) if until else {}
        for party_id, gone in forgotten.items():
            holding = holdings[party_id]
            kept = keep_until_of(holding, instruments.book, today=today)[kind]
            if kept.rule is None or kept.until is None:
                raise AssertionError("a sort without an end is never due")
            deleted.setdefault(party_id, []).append(
                {
                    "records": kind,
                    "rule": kept.rule.id,
                    "citation": kept.rule.citation,
                    "kept_until": kept.until.isoformat(),
                    "restricted_since": holding.restricted[kind].isoformat(),
                    "newest": format_time(holding.newest[kind]),
                    "count": gone.records,
                    "leaves": gone.leaves,
                }
            )
            notes.append(
                store.Deletion(
                    party_id=party_id, kind=kind, deleted_to=holding.newest[kind], rule=kept.rule.id,
                    leaf_id=leaf_ids[party_id],
                )
            )  # fmt: skip
            count("doorstep.records.deleted", amount=gone.records, kind=kind)
    await store.note_deletions(uow, notes, on=today)
    leaves = [_deletion(uow, party_id, leaf_ids[party_id], sorts) for party_id, sorts in deleted.items()]
    await append_leaves(uow, instruments.cipher, leaves)


def _deletion(uow: UnitOfWork, party_id: UUID, leaf_id: UUID, deleted: list[Json]) -> NewLeaf:
    return NewLeaf(
        kind="retention",
        leaf_id=leaf_id,
        party_id=party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={"deleted": deleted},
    )


def _steps(uow: UnitOfWork, sorts: Sequence[Sort], step: str) -> Iterator[NewLeaf]:
    """One leaf for each person, which names the sorts."""
    of_party: dict[UUID, list[Json]] = {}
    for party_id, kind in sorts:
        of_party.setdefault(party_id, []).append(kind)
    for party_id, kinds in of_party.items():
        yield NewLeaf(
            kind="restriction",
            leaf_id=event_id(),
            party_id=party_id,
            occurred_at=uow.now,
            recorded_at=uow.real_now,
            public={"step": step, "records": kinds},
        )
