"""The SQL of erasures: versions are only ever appended; and the deletion of what is kept of a person beside the key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.compliance.domain.complaints import Clock
from services.compliance.domain.erasures import Erasure, ErasureState
from shared.database import UnitOfWork

_APPEND = """
INSERT INTO erasure_version
  (tenant, party_id, erasure_id, version, cause, state, by_whom, received_at, clock_rule, clock_citation, answer_by,
   refused_by, erased_real, complete_from, recorded_at, recorded_real)
SELECT $1, e.party_id, e.erasure_id, e.version, e.cause, e.state, e.by_whom, e.received_at, e.clock_rule,
       e.clock_citation, e.answer_by, string_to_array(e.refused_by, ','), e.erased_real, e.complete_from, $15, $16
FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::text[],
            $10::text[], $11::timestamptz[], $12::text[], $13::timestamptz[], $14::timestamptz[])
  AS e(party_id, erasure_id, version, cause, state, by_whom, received_at, clock_rule, clock_citation, answer_by,
       refused_by, erased_real, complete_from)
"""
# The view `erasure` holds of each the version that stands.
_FIND = "SELECT * FROM erasure WHERE tenant = $1 AND erasure_id = $2"
_LIST = """
SELECT * FROM erasure
WHERE tenant = $1 AND ($2::text IS NULL OR state = $2)
  AND ($3::timestamptz IS NULL OR (received_at, erasure_id) > ($3, $4::uuid))
ORDER BY received_at, erasure_id LIMIT $5
"""
_INCOMPLETE = """
SELECT * FROM erasure WHERE tenant = $1 AND state = 'erased' AND complete_from <= $2
ORDER BY complete_from, erasure_id LIMIT $3
"""
# Until an erasure is complete somebody may still hold events of the person, which are numbered on.
_KEEP_TRAIL = """
INSERT INTO erasure_trail (tenant, erasure_id, party_id)
SELECT $1, t.* FROM unnest($2::uuid[], $3::uuid[]) AS t ON CONFLICT DO NOTHING
"""
_END_TRAIL = "DELETE FROM erasure_trail WHERE tenant = $1 AND erasure_id = ANY($2::uuid[]) RETURNING party_id"
_FORGET_ISSUED = "DELETE FROM sequence_issued WHERE aggregate_id = ANY($1::uuid[])"
_FORGET_RECEIVED = "DELETE FROM sequence_received WHERE aggregate_id = ANY($1::text[])"


async def append(uow: UnitOfWork, erasures: Sequence[Erasure]) -> None:
    """Append versions. The parties are locked."""
    if erasures:
        await uow.sql.execute(
            _APPEND,
            uow.tenant,
            [one.party_id for one in erasures],
            [one.erasure_id for one in erasures],
            [one.version for one in erasures],
            [one.cause for one in erasures],
            [one.state for one in erasures],
            [one.by_whom for one in erasures],
            [one.received_at for one in erasures],
            [one.clock.rule for one in erasures],
            [one.clock.citation for one in erasures],
            [one.clock.answer_by for one in erasures],
            [",".join(one.refused_by) for one in erasures],
            [one.erased_real for one in erasures],
            [one.complete_from for one in erasures],
            uow.now,
            uow.real_now,
        )


async def find(uow: UnitOfWork, erasure_id: UUID) -> Erasure | None:
    """The version that stands."""
    row = await uow.sql.fetchrow(_FIND, uow.tenant, erasure_id)
    return None if row is None else _erasure(row)


async def list_erasures(
    uow: UnitOfWork, *, state: ErasureState | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[Erasure]:
    """Erasures in the order in which they were received (business time)."""
    since, last = after if after is not None else (None, None)
    return [_erasure(row) for row in await uow.sql.fetch(_LIST, uow.tenant, state, since, last, limit)]


async def load_incomplete(uow: UnitOfWork, *, limit: int) -> list[Erasure]:
    """Erasures whose date of completeness has come."""
    return [_erasure(row) for row in await uow.sql.fetch(_INCOMPLETE, uow.tenant, uow.real_now, limit)]


async def keep_trail(uow: UnitOfWork, erasures: Sequence[Erasure]) -> None:
    """Remember whose erasures these are until they are complete."""
    await uow.sql.execute(
        _KEEP_TRAIL, uow.tenant, [one.erasure_id for one in erasures], [one.party_id for one in erasures]
    )


async def end_trail(uow: UnitOfWork, erasure_ids: Sequence[UUID]) -> None:
    """Forget it, and how far their events were numbered: the last places in which these people have their ids."""
    gone = [row["party_id"] for row in await uow.sql.fetch(_END_TRAIL, uow.tenant, list(erasure_ids))]
    await uow.sql.execute(_FORGET_ISSUED, gone)
    await uow.sql.execute(_FORGET_RECEIVED, [str(one) for one in gone])


def _erasure(row: asyncpg.Record) -> Erasure:
    return Erasure(
        erasure_id=row["erasure_id"],
        party_id=row["party_id"],
        cause=row["cause"],
        state=row["state"],
        by_whom=row["by_whom"],
        received_at=row["received_at"],
        clock=Clock(rule=row["clock_rule"], citation=row["clock_citation"], answer_by=row["answer_by"]),
        refused_by=tuple(row["refused_by"]),
        erased_real=row["erased_real"],
        complete_from=row["complete_from"],
        version=row["version"],
    )
