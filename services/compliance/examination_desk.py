"""The desk of examinations: an outside examiner reads what was granted, writes nothing, and each read is kept.

A read's row commits before the answer goes out. Hourly the rows since the last time become one leaf of the log: their
numbers, how many, and a digest, so that none can be dropped or changed later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.compliance.domain.canonical import canonical, format_time
from services.compliance.domain.leaves import NewLeaf
from services.compliance.evidence.rows import is_of_scope
from services.compliance.evidence.scope import Scope
from services.compliance.evidence.tables import examined
from services.compliance.instruments import Instruments
from services.compliance.store import evidence, examinations
from services.compliance.store.examinations import Grant, Read
from services.compliance.store.leaves import append_leaves
from services.compliance.watch import Timer, next_look
from shared.database import UnitOfWork
from shared.ids import event_id
from shared.messaging import Intent
from shared.security.callers import Caller
from shared.security.party_keys import PartyCipher
from shared.web.problems import KnownProblem, NotFound

LONGEST: Final = timedelta(days=90)
LEAF_EVERY: Final = timedelta(hours=1)
_KIND: Final = "compliance.examinations_watch"


class ExaminationNotOpen(KnownProblem):
    """The examination has not begun, is over, or was taken back."""

    kind, status, title = "examination-not-open", 403, "The examination is not open"


async def grant(uow: UnitOfWork, instruments: Instruments, new: Grant) -> None:
    """Keep a grant and make it a leaf, by digest: the leaf names nobody."""
    await examinations.insert_grant(uow, new)
    digest = hashlib.sha256(canonical({name: _text(getattr(new, name)) for name in new.__slots__})).hexdigest()
    public = {"action": "granted", "grant_id": str(new.grant_id), "scope_kind": new.scope_kind, "grant_sha256": digest}
    await append_leaves(uow, instruments.cipher, [_leaf(uow, public)])


async def end(uow: UnitOfWork, instruments: Instruments, grant_id: UUID, *, by_whom: str, reason: str) -> Grant:
    """Take a grant back; a second time changes nothing. Raises NotFound."""
    known = await _known(uow, grant_id)
    if known.ended_real is None:
        await examinations.end_grant(uow, grant_id, by_whom=by_whom, reason=reason)
        await append_leaves(uow, instruments.cipher, [_leaf(uow, {"action": "ended", "grant_id": str(grant_id)})])
    return await _known(uow, grant_id)


async def read(
    uow: UnitOfWork, cipher: PartyCipher, grant_id: UUID, caller: Caller, *, name: str, position: int, limit: int
) -> tuple[list[tuple[int, dict[str, Any]]], bool]:
    """Rows of the list in the grant's scope with their positions, and whether there are more; the read is kept.

    Raises NotFound for another examiner's grant, ExaminationNotOpen.
    """
    known = await _known(uow, grant_id)
    if known.examiner != caller.subject:
        raise NotFound("there is no such examination")
    if known.ended_real is not None or not known.valid_from <= uow.real_now < known.valid_to:
        raise ExaminationNotOpen(f"open from {known.valid_from.isoformat()} to before {known.valid_to.isoformat()}")
    scope = scope_of(known)
    found = await evidence.rows_from(
        uow, cipher, "decisions" if name == "facts" else name, party_id=scope.party_id, start=scope.start,
        end=scope.end, position=position, limit=limit + 1,
    )  # fmt: skip
    others: set[UUID] = set()
    if scope.party_id is not None and scope.case_id is not None:
        others = await evidence.permits_of_other_cases(uow, scope.party_id, scope.case_id)
    documents = await examined(uow, cipher, name, found[:limit])
    shown = [
        (position + offset, document)
        for offset, (row, document) in enumerate(zip(found, documents, strict=False))
        if is_of_scope(row, scope, others)
    ]
    await examinations.add_read(
        uow, grant_id, by_whom=caller.subject, client_id=caller.client_id, name=name, position=position, rows=len(shown)
    )
    uow.intend(next_look(_KIND, uow.real_now, every=LEAF_EVERY))
    return shown, len(found) > limit


def scope_of(known: Grant) -> Scope:
    """What the grant is about, as evidence packs say it."""
    kind = known.scope_kind
    if kind not in ("case", "party", "month", "year"):
        raise ValueError(f"{kind} is no scope")
    return Scope(
        kind=kind,  # type: ignore[arg-type]
        name=known.scope_name,
        party_id=known.party_id,
        case_id=known.case_id,
        start=known.period_start,
        end=known.period_end,
    )


async def _known(uow: UnitOfWork, grant_id: UUID) -> Grant:
    known = await examinations.find_grant(uow, grant_id)
    if known is None:
        raise NotFound("there is no such examination")
    return known


def digest_of(reads: Sequence[Read]) -> str:
    """SHA-256 over the reads as canonical JSON lines: who, what, when."""
    lines = (canonical({name: _text(value) for name, value in one._asdict().items()}) for one in reads)
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def _text(value: object) -> str | int | None:
    if isinstance(value, datetime):
        return format_time(value)
    return value if value is None or isinstance(value, int) else str(value)


def _leaf(uow: UnitOfWork, public: dict[str, Any]) -> NewLeaf:
    return NewLeaf(
        kind="examination",
        leaf_id=event_id(),
        party_id=None,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public=public,
    )


def examination_watch(instruments: Instruments) -> Timer:
    """The reads of the last hour become a leaf."""

    async def look(uow: UnitOfWork, _: Sequence[Intent]) -> None:
        reads = await examinations.unlogged_reads(uow)
        if not reads:
            return
        first, last = reads[0].number, reads[-1].number
        public = {"action": "read", "first": first, "last": last, "reads": len(reads), "sha256": digest_of(reads)}
        leaf = _leaf(uow, public)
        await append_leaves(uow, instruments.cipher, [leaf])
        await examinations.mark_logged(uow, leaf.leaf_id, first=first, last=last)

    return Timer(_KIND, look)
