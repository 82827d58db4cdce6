"""The SQL of turns of the rules, and of the permits that were not judged by the newest one yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import asyncpg

from shared.database import UnitOfWork

_NEWEST = """
SELECT number, rule_set, boundary, began_real FROM rule_turn WHERE tenant = $1 ORDER BY number DESC LIMIT 1
"""
_BEGIN = """
INSERT INTO rule_turn (tenant, rule_set, boundary, began_real) VALUES ($1, $2, $3, $4)
RETURNING number, rule_set, boundary, began_real
"""
_UNJUDGED = """
SELECT DISTINCT party_id FROM permit
WHERE tenant = $1 AND party_id > $2 AND state = 'granted' AND revoked_real IS NULL AND window_end > $3
  AND (coalesce(judged_by, rule_set) <> $4 OR coalesce(judged_real, granted_real) < $5)
ORDER BY party_id LIMIT $6
"""
_JUDGED = """
UPDATE permit SET judged_by = $3, judged_real = $4
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND state = 'granted' AND revoked_real IS NULL
"""
_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTurn:
    """Since `began_real` (real time) the rules of `rule_set` decide; `boundary`: the last date a rule began or ended.

    None: none has yet.
    """

    number: int
    rule_set: str
    boundary: date | None
    began_real: datetime


async def load_newest(uow: UnitOfWork) -> RuleTurn | None:
    """The turn that stands; None before the first one."""
    row = await uow.sql.fetchrow(_NEWEST, uow.tenant)
    return None if row is None else _turn(row)


async def begin(uow: UnitOfWork, rule_set: str, boundary: date | None) -> RuleTurn:
    """Begin a turn now."""
    return _turn(await uow.sql.fetchrow(_BEGIN, uow.tenant, rule_set, boundary, uow.real_now))


async def load_unjudged(
    uow: UnitOfWork, rule_set: str, began_real: datetime, *, after: UUID | None = None, limit: int
) -> list[UUID]:
    """The next parties, by id, with an unused permit that was not judged by these rules since the turn began."""
    rows = await uow.sql.fetch(_UNJUDGED, uow.tenant, after or _FIRST, uow.now, rule_set, began_real, limit)
    return [row["party_id"] for row in rows]


async def mark_judged(uow: UnitOfWork, party_ids: Sequence[UUID], rule_set: str) -> None:
    """The parties' unused permits that still stand were judged by these rules now."""
    await uow.sql.execute(_JUDGED, uow.tenant, list(party_ids), rule_set, uow.real_now)


def _turn(row: asyncpg.Record) -> RuleTurn:
    return RuleTurn(
        number=row["number"], rule_set=row["rule_set"], boundary=row["boundary"], began_real=row["began_real"]
    )
