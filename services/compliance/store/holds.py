"""The SQL of holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

import asyncpg

from services.compliance.domain.holds import Hold, HoldKind
from services.compliance.domain.same_persons import Same, holds_of_others, others_of
from shared.database import UnitOfWork

_NOBODY: Final[Same] = MappingProxyType({})
_OF_PARTIES = "SELECT * FROM hold WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY recorded_real, hold_id"
_OF_KINDS = """
SELECT * FROM hold WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND kind = ANY($3::text[])
ORDER BY recorded_real, hold_id
"""
_BY_ID = "SELECT * FROM hold WHERE hold_id = $2 AND tenant = $1"
_INSERT = """
INSERT INTO hold
  (tenant, party_id, hold_id, kind, scope, valid_from, valid_to, source_ref, recorded_real, sealed_reason, need,
   review_by, scope_key)
SELECT $1, h.* FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
                           $8::text[], $9::timestamptz[], $10::bytea[], $11::text[], $12::timestamptz[],
                           $13::text[]) AS h
"""
_END = """
UPDATE hold SET ended_at = e.ended_at, ended_cause = e.cause, ended_by = e.by_whom,
       end_evidence = coalesce(e.evidence, end_evidence)
FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::text[])
  AS e(party_id, hold_id, ended_at, cause, by_whom, evidence)
WHERE hold.tenant = $1 AND hold.party_id = e.party_id AND hold.hold_id = e.hold_id AND hold.ended_at IS NULL
"""
_TOLD_PLAINLY = "SELECT hold_id FROM hold WHERE tenant = $1 AND hold_id = ANY($2::uuid[]) AND told_plainly"
_ASK_END = "UPDATE hold SET end_asked_by = $4, end_evidence = $5 WHERE tenant = $1 AND party_id = $2 AND hold_id = $3"
_LIST_OPEN = """
SELECT * FROM hold
WHERE tenant = $1 AND (ended_at IS NULL OR ended_at > $5) AND (valid_to IS NULL OR valid_to > $5)
  AND ($2::timestamptz IS NULL OR (recorded_real, hold_id) > ($2, $3::uuid)) AND ($4::uuid IS NULL OR party_id = $4)
  AND (NOT $6 OR review_by <= $5)
  AND kind <> ALL($8::text[])
ORDER BY recorded_real, hold_id LIMIT $7
"""


@dataclass(frozen=True, slots=True)
class EndedHold:
    """A hold after its end, why it ended, and on whose word (None: an event's)."""

    hold: Hold
    cause: str
    by_whom: str | None = None
    evidence: str | None = None


async def load_holds(uow: UnitOfWork, party_ids: Iterable[UUID], *, same: Same = _NOBODY) -> dict[UUID, list[Hold]]:
    """All holds of the parties, ended ones included: an audit looks back.

    `same`: other ids of the parties, whose holds keep contact away from them, too; nobody knew of these before it was
    known that both are one person.
    """
    ids = set(party_ids)
    found: dict[UUID, list[Hold]] = {}
    for row in await uow.sql.fetch(_OF_PARTIES, uow.tenant, sorted(ids | others_of(same))):
        found.setdefault(row["party_id"], []).append(_hold(row))
    if not same:
        return found
    return {party_id: held for party_id in ids if (held := _with_others(party_id, found, same))}


def _with_others(party_id: UUID, found: Mapping[UUID, Sequence[Hold]], same: Same) -> list[Hold]:
    return [*found.get(party_id, ()), *holds_of_others(same.get(party_id, ()), found)]


async def load_holds_of_kinds(
    uow: UnitOfWork, party_ids: Iterable[UUID], kinds: Iterable[HoldKind], *, same: Same
) -> dict[UUID, list[Hold]]:
    """The parties' holds of these kinds, ended ones included. `same`: as for `load_holds`."""
    ids = set(party_ids)
    found: dict[UUID, list[Hold]] = {}
    for row in await uow.sql.fetch(_OF_KINDS, uow.tenant, sorted(ids | others_of(same)), sorted(kinds)):
        found.setdefault(row["party_id"], []).append(_hold(row))
    return {party_id: held for party_id in ids if (held := _with_others(party_id, found, same))}


async def find_hold(uow: UnitOfWork, hold_id: UUID) -> Hold | None:
    """The hold of that id."""
    row = await uow.sql.fetchrow(_BY_ID, uow.tenant, hold_id)
    return None if row is None else _hold(row)


async def insert_holds(uow: UnitOfWork, holds: Sequence[tuple[Hold, bytes | None]]) -> None:
    """Insert new holds, each with its sealed reason if it has one."""
    if holds:
        await uow.sql.execute(
            _INSERT,
            uow.tenant,
            [hold.party_id for hold, _ in holds],
            [hold.hold_id for hold, _ in holds],
            [hold.kind for hold, _ in holds],
            [hold.scope for hold, _ in holds],
            [hold.valid_from for hold, _ in holds],
            [hold.valid_to for hold, _ in holds],
            [hold.source_ref for hold, _ in holds],
            [hold.recorded_real for hold, _ in holds],
            [reason for _, reason in holds],
            [hold.need for hold, _ in holds],
            [hold.review_by for hold, _ in holds],
            [hold.scope_key for hold, _ in holds],
        )


async def ask_end(uow: UnitOfWork, hold: Hold, *, evidence: str | None) -> None:
    """Keep who asked for its end first, and on what evidence."""
    await uow.sql.execute(_ASK_END, uow.tenant, hold.party_id, hold.hold_id, hold.end_asked_by, evidence)


async def list_open(
    uow: UnitOfWork, *, party_id: UUID | None, due_for_review: bool, without: Collection[HoldKind],
    after: tuple[datetime, UUID] | None, limit: int,
) -> list[Hold]:  # fmt: skip
    """The open holds but those of some kinds, in the order in which they were recorded, after (real time, id)."""
    since, last = after if after is not None else (None, None)
    rows = await uow.sql.fetch(
        _LIST_OPEN, uow.tenant, since, last, party_id, uow.now, due_for_review, limit, sorted(without)
    )  # fmt: skip
    return [_hold(row) for row in rows]


async def told_plainly(uow: UnitOfWork, hold_ids: Collection[UUID]) -> set[UUID]:
    """Those of the holds of which others were told by kind and source, before some of these stayed here."""
    rows = await uow.sql.fetch(_TOLD_PLAINLY, uow.tenant, sorted(hold_ids))
    return {row["hold_id"] for row in rows}


async def end_holds(uow: UnitOfWork, ended: Sequence[EndedHold]) -> None:
    """Record the ends."""
    if ended:
        await uow.sql.execute(
            _END,
            uow.tenant,
            [one.hold.party_id for one in ended],
            [one.hold.hold_id for one in ended],
            [one.hold.ended_at for one in ended],
            [one.cause for one in ended],
            [one.by_whom for one in ended],
            [one.evidence for one in ended],
        )


def _hold(row: asyncpg.Record) -> Hold:
    return Hold(
        hold_id=row["hold_id"],
        party_id=row["party_id"],
        kind=row["kind"],
        scope=row["scope"],
        scope_key=row["scope_key"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        source_ref=row["source_ref"],
        recorded_real=row["recorded_real"],
        ended_at=row["ended_at"],
        end_asked_by=row["end_asked_by"],
        need=row["need"],
        review_by=row["review_by"],
    )
