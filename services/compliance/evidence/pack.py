"""A regulator's pack: what was decided, done, found and complained about in a scope, and what proves that it is all.

Its files are described in docs/evidence-pack.md; tools/verify_log.py checks a pack offline.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from services.compliance.domain.canonical import format_time
from services.compliance.evidence import page, proofs
from services.compliance.evidence.files import PackFolder
from services.compliance.evidence.openings import Document, openings, outside_case, subject_opening
from services.compliance.evidence.scope import Scope, ScopeError
from services.compliance.evidence.tables import Progress, write_tables
from services.compliance.log.note import NoteKey
from services.compliance.store import evidence as store
from services.compliance.store import log as log_store
from services.compliance.store.frames import load_named
from services.compliance.store.leaves import subject_of
from services.compliance.store.log import StoredCheckpoint
from shared.database import Database, UnitOfWork
from shared.security.party_keys import PartyCipher

FORMAT: Final = "doorstep-evidence-4"
BATCH: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Archive:
    """Where evidence comes from: the database, the keys that open it, and the keys that a reader verifies with.

    `keys`: the log's own first, older ones and the witnesses' after it; `required` witnesses must have cosigned the
    checkpoint that closes a pack.
    """

    database: Database
    cipher: PartyCipher
    keys: Sequence[NoteKey]
    required: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A pack that was written. `digest`: SHA-256 of its SHA256SUMS, which stands for the whole pack."""

    folder: Path
    digest: str
    tree_size: int
    counts: Mapping[str, int]


@dataclass(kw_only=True)
class _Plan:
    """Which leaves and rows the pack shows."""

    head: StoredCheckpoint
    newest: StoredCheckpoint
    """What came after the closing one is proved under this one: by which leaves records were deleted since."""
    first: int = 0
    chain: list[store.EvidenceLeaf] = field(default_factory=list)
    other_permits: set[UUID] = field(default_factory=set)
    other_leaves: set[int] = field(default_factory=set)
    ended_by: set[int] = field(default_factory=set)
    frames: set[str] = field(default_factory=set)


async def write_pack(
    archive: Archive, scope: Scope, folder: Path, *, on_progress: Progress = lambda _step, _done: None
) -> Pack:
    """Write the pack of `scope` to `folder`, which must not exist. Raises ScopeError, PackExists.

    Memory does not grow with the period: everything but one person's chain is streamed.
    """
    with PackFolder(folder) as files:
        async with archive.database.read_only() as uow:
            await store.be_patient(uow)
            plan = await _plan(uow, archive, scope)
            if scope.is_subject:
                await _write_chain(uow, archive, scope, plan, files, on_progress)
            else:
                await _write_range(uow, archive, scope, plan, files, on_progress)
            await write_tables(
                uow, archive.cipher, scope, files, on_progress, size=plan.head.size, newest=plan.newest.size,
                other_permits=plan.other_permits,
            )  # fmt: skip
            await _write_later(uow, plan, files)
            await _write_frames(uow, plan, files)
            _write_header(archive, scope, plan, files, uow.real_now, await proofs.left_edge(uow, plan.first))
        page.write(files, scope, plan.head)
    return Pack(folder=folder, digest=files.digest, tree_size=plan.head.size, counts=files.counts)


async def scope_of_case(archive: Archive, case_id: UUID) -> Scope:
    """The scope of one case. Raises ScopeError."""
    async with archive.database.read_only() as uow:
        party_id = await store.party_of_case(uow, case_id)
    if party_id is None:
        raise ScopeError(f"no case {case_id} is known")
    return Scope(kind="case", name=str(case_id), party_id=party_id, case_id=case_id)


async def scope_of_party(archive: Archive, party_id: UUID) -> Scope:
    """The scope of one person; of one who was erased, under the alias that is left. Raises ScopeError."""
    async with archive.database.read_only() as uow:
        subject = await subject_of(uow, archive.cipher, party_id)
        if not await store.knows_party(uow, subject):
            raise ScopeError(f"no person {party_id} is known")
    return Scope(kind="party", name=str(subject), party_id=subject)


async def _plan(uow: UnitOfWork, archive: Archive, scope: Scope) -> _Plan:
    required = archive.required
    newest = (required and await log_store.last_witnessed(uow, required=required)) or await log_store.last_checkpoint(
        uow
    )
    if not newest:
        raise ScopeError("the log has no checkpoint yet")
    if scope.party_id is not None:
        plan = _Plan(head=newest, newest=newest, chain=await store.leaves_of_party(uow, scope.party_id, newest.size))
        if not plan.chain:
            raise ScopeError("no leaf of the person is under a checkpoint yet")
        if scope.case_id is not None:
            plan.other_permits = await store.permits_of_other_cases(uow, scope.party_id, scope.case_id)
        return plan
    if scope.start is None or scope.end is None:
        raise ScopeError("a period has a start and an end")
    found = await store.bounds(uow, scope.start, scope.end)
    if found is None or found[0] >= newest.size:
        raise ScopeError("nothing of the period is under a checkpoint")
    first, last = found
    return _Plan(head=await _closing(uow, newest, last, required), newest=newest, first=first)


async def _closing(uow: UnitOfWork, newest: StoredCheckpoint, last: int, required: int) -> StoredCheckpoint:
    """The checkpoint over the first whole manifest behind the period's last leaf; the newest when there is none yet."""
    async for leaf, _ in store.manifests(uow, after=last, size=newest.size):
        document = json.loads(leaf.content)
        if document["part"] == document["parts"]:
            sizes = await store.first_covering(uow, [leaf.index], up_to=newest.size, required=required)
            return (await store.checkpoints_at(uow, sizes) or [newest])[0]
    return newest


async def _write_chain(
    uow: UnitOfWork, archive: Archive, scope: Scope, plan: _Plan, files: PackFolder, on_progress: Progress
) -> None:
    """A person's leaves, the manifests over them and the foundations, each with its inclusion proof."""
    size = plan.head.size
    documents = [(leaf, json.loads(leaf.content)) for leaf in plan.chain]
    commitments = {document["party"] for _, document in documents}
    parts, entries = await proofs.manifest_parts(uow, commitments, after=plan.chain[0].index, size=size)
    with files.lines("manifests.jsonl") as lines:
        for entry in entries:
            lines.add(entry)
    await _write_leaves(uow, [*plan.chain, *parts, *await store.foundations(uow, size)], plan, files, on_progress)
    with files.lines("openings.jsonl") as lines:
        opened = await openings(
            uow, archive.cipher, scope, documents, size=size, ended_by=plan.ended_by, frames=plan.frames
        )
        _withhold(scope, plan, documents, opened)
        for line in opened:
            if line["index"] not in plan.other_leaves:
                lines.add(line)
    if scope.party_id is not None:
        with files.lines("subject.jsonl") as lines:
            lines.add(await subject_opening(uow, archive.cipher, scope.party_id))
    indexes = [leaf.index for leaf in plan.chain]
    sizes = await store.first_covering(uow, indexes, up_to=size, required=archive.required)
    with files.lines("checkpoints.ndjson") as lines:
        for head in await store.checkpoints_at(uow, sorted({*sizes, size})):
            extends = await log_store.load_proof(uow, proofs.consistency(head.size, size))
            lines.add(_head(head) | {"consistency": [_base64(value) for value in extends]})


async def _write_leaves(
    uow: UnitOfWork, leaves: Iterable[store.EvidenceLeaf], plan: _Plan, files: PackFolder, on_progress: Progress
) -> None:
    """Single leaves in order, each with its inclusion proof under the pack's checkpoint."""
    ordered = sorted({leaf.index: leaf for leaf in leaves}.items())
    paths = await proofs.inclusion_paths(uow, [index for index, _ in ordered], plan.head.size)
    with files.lines("chain.jsonl") as lines:
        for index, leaf in ordered:
            path = [_base64(value) for value in paths[index]]
            lines.add({"index": index, "leaf": _base64(leaf.content), "path": path})
            on_progress("leaves with proofs", lines.count)


def _withhold(
    scope: Scope, plan: _Plan, documents: Sequence[tuple[store.EvidenceLeaf, Document]], opened: Iterable[Document]
) -> None:
    """Note the leaves of other cases: their places in the chain are shown, their contents are not."""
    if scope.case_id is None:
        return
    by_leaf: dict[int, dict[str, Document]] = {}
    for line in opened:
        by_leaf.setdefault(line["index"], {})[line["name"]] = line
    for leaf, document in documents:
        fields = by_leaf.get(leaf.index, {})
        if outside_case(document, fields, case_id=scope.case_id, other_permits=plan.other_permits):
            plan.other_leaves.add(leaf.index)


async def _write_range(
    uow: UnitOfWork, archive: Archive, scope: Scope, plan: _Plan, files: PackFolder, on_progress: Progress
) -> None:
    """All leaves from the period's first to the closing checkpoint, in the form of the log's export."""
    with files.lines("openings.jsonl") as opened:
        async for leaves in store.leaves_between(uow, plan.first, plan.head.size, batch=BATCH):
            name = f"{leaves[0].index:012}"
            with files.lines(f"leaves/{name}.ndjson") as lines, files.lines(f"leaf_hashes/{name}.txt") as hashes:
                for leaf in leaves:
                    lines.add_text(f'{{"index":{leaf.index},"leaf":"{_base64(leaf.content)}"}}')
                    hashes.add_text(leaf.hash.hex())
            documents = [(leaf, json.loads(leaf.content)) for leaf in leaves if leaf.party_id is not None]
            for line in await openings(
                uow, archive.cipher, scope, documents, size=plan.newest.size, ended_by=plan.ended_by,
                frames=plan.frames,
            ):  # fmt: skip
                opened.add(line)
            on_progress("leaves", leaves[-1].index + 1 - plan.first)
    await _write_leaves(uow, await store.foundations(uow, plan.first), plan, files, on_progress)
    with files.lines("checkpoints.ndjson") as lines:
        async for head in store.checkpoint_each_minute(
            uow, after=plan.first, before=plan.head.size, required=archive.required
        ):
            lines.add(_head(head))
            on_progress("checkpoints", lines.count)
        for head in await store.checkpoints_at(uow, [plan.head.size]):
            lines.add(_head(head))


async def _write_later(uow: UnitOfWork, plan: _Plan, files: PackFolder) -> None:
    """Leaves behind the closing checkpoint by which records in the range were deleted, under the newest one."""
    size = plan.newest.size
    behind = sorted(index for index in plan.ended_by if index >= plan.head.size)
    leaves = await store.leaves_at(uow, behind) if behind else []
    leaves += await store.key_rotations(uow, after=plan.head.size, size=size) if behind else []
    ordered = sorted({leaf.index: leaf for leaf in leaves}.items())
    paths = await proofs.inclusion_paths(uow, [index for index, _ in ordered], size)
    extends = await log_store.load_proof(uow, proofs.consistency(plan.head.size, size)) if behind else []
    with files.lines("later.jsonl") as lines:
        if behind:
            lines.add(_head(plan.newest) | {"consistency": [_base64(value) for value in extends]})
        for index, leaf in ordered:
            path = [_base64(value) for value in paths[index]]
            lines.add({"index": index, "leaf": _base64(leaf.content), "path": path})


async def _write_frames(uow: UnitOfWork, plan: _Plan, files: PackFolder) -> None:
    """What the opened records of decisions name by its digest, and do not say themselves."""
    with files.lines("frames.jsonl") as lines:
        for name, content in (await load_named(uow, plan.frames)).items():
            lines.add({"sha256": name, "frame": content.decode()})


def _write_header(
    archive: Archive, scope: Scope, plan: _Plan, files: PackFolder, made_at: datetime, edge: Sequence[tuple[Any, bytes]]
) -> None:
    with files.lines("keys.txt") as lines:
        for key in archive.keys:
            lines.add_text(key.vkey)
    with files.lines("pack.json") as lines:
        lines.add(
            {
                "format": FORMAT,
                "scope": scope.document(),
                "made_at": format_time(made_at),
                "origin": archive.keys[0].name,
                "tree_size": plan.head.size,
                "first_leaf": plan.first,
                "left_edge": [value.hex() for _, value in edge],
                "withheld": sorted(plan.other_leaves),
            }
        )


def _head(head: StoredCheckpoint) -> Document:
    return {"tree_size": head.size, "published_at": format_time(head.published_at), "note": head.note}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
