"""The SQL of holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from services.compliance.domain.holds import Hold
from shared.database import UnitOfWork

_OF_PARTIES = "SELECT * FROM hold WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY recorded_real"
_BY_ID = "SELECT * FROM hold WHERE hold_id = $2 AND tenant = $1"
_INSERT = """
INSERT INTO hold
  (tenant, party_id, hold_id, kind, scope, valid_from, valid_to, source_ref, recorded_real, sealed_reason)
SELECT $1, h.* FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
                           $8::text[], $9::timestamptz[], $10::bytea[]) AS h
"""
_END = """
UPDATE hold SET ended_at = e.ended_at, ended_cause = e.cause
FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[]) AS e(party_id, hold_id, ended_at, cause)
WHERE hold.tenant = $1 AND hold.party_id = e.party_id AND hold.hold_id = e.hold_id AND hold.ended_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class EndedHold:
    """A hold after its end, and why it ended."""

    hold: Hold
    cause: str


async def load_holds(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, list[Hold]]:
    """All holds of the parties, ended ones included: an audit looks back."""
    found: dict[UUID, list[Hold]] = {}
    for row in await uow.sql.fetch(_OF_PARTIES, uow.tenant, sorted(set(party_ids))):
        found.setdefault(row["party_id"], []).append(_hold(row))
    return found


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
        )


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
        )


def _hold(row: asyncpg.Record) -> Hold:
    return Hold(
        hold_id=row["hold_id"],
        party_id=row["party_id"],
        kind=row["kind"],
        scope=row["scope"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        source_ref=row["source_ref"],
        recorded_real=row["recorded_real"],
        ended_at=row["ended_at"],
    )
