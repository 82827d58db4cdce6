"""Runs of reconciliation, and the differences found: opened when first seen, confirmed when seen again, closed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg

from services.intake.domain.comparison import FieldDifference
from shared.database import UnitOfWork

RunState = Literal["running", "agrees", "differs", "incident", "core_moved"]

_BEGIN = """
INSERT INTO reconciliation_run (tenant, run_id, core, business_date, state, compared, differing, started_at)
VALUES ($1, $2, $3, $4, 'running', 0, 0, $5) ON CONFLICT DO NOTHING
"""
_COUNT = """
UPDATE reconciliation_run SET compared = compared + $3, differing = differing + $4 WHERE tenant = $1 AND run_id = $2
"""
_END = "UPDATE reconciliation_run SET state = $3, ended_at = $4 WHERE tenant = $1 AND run_id = $2"
_COUNTED = "SELECT compared, differing FROM reconciliation_run WHERE tenant = $1 AND run_id = $2"
_SEE = """
INSERT INTO reconciliation_finding AS f
  (tenant, party_id, loan_ref, field, opened_at, run_id, business_date, ours, cores)
SELECT $1, party_id, loan_ref, field, $2, $3, $4, ours, cores
FROM unnest($5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[]) AS n(party_id, loan_ref, field, ours, cores)
ON CONFLICT (tenant, party_id, loan_ref, field) WHERE closed_at IS NULL
DO UPDATE SET run_id = excluded.run_id, business_date = excluded.business_date, ours = excluded.ours,
              cores = excluded.cores
"""
_CONFIRM = """
UPDATE reconciliation_finding f SET confirmed_at = coalesce(confirmed_at, $2)
FROM unnest($3::uuid[], $4::text[], $5::text[]) AS n(party_id, loan_ref, field)
WHERE f.tenant = $1 AND f.party_id = n.party_id AND f.loan_ref = n.loan_ref AND f.field = n.field
  AND f.closed_at IS NULL
"""
_CLOSE = """
UPDATE reconciliation_finding f SET closed_at = $2
WHERE f.tenant = $1 AND f.party_id = ANY($3::uuid[]) AND f.closed_at IS NULL
  AND f.field <> 'group' AND left(f.field, 7) <> 'stated_'
  AND (f.party_id, f.loan_ref, f.field) NOT IN (SELECT * FROM unnest($4::uuid[], $5::text[], $6::text[]))
"""
# No comparison with the core's balances opens or closes what these do not tell: who is bound by a group's loan, and
# what a record stated beside its amounts. Which of two records came first they do tell, so it is asked.
_RESOLVE = """
UPDATE reconciliation_finding f SET closed_at = $2
FROM unnest($3::uuid[], $4::text[]) AS n(party_id, loan_ref)
WHERE f.tenant = $1 AND f.party_id = n.party_id AND f.loan_ref = n.loan_ref AND f.field = $5
  AND f.closed_at IS NULL
"""
_PARTIES = """
SELECT DISTINCT party_id FROM reconciliation_finding
WHERE tenant = $1 AND closed_at IS NULL AND field <> 'group' AND left(field, 7) <> 'stated_' ORDER BY party_id
"""
_SETTLE_STATED = """
UPDATE reconciliation_finding f SET closed_at = $2
FROM unnest($3::uuid[], $4::text[]) AS n(party_id, loan_ref)
WHERE f.tenant = $1 AND f.party_id = n.party_id AND f.loan_ref = n.loan_ref AND left(f.field, 7) = 'stated_'
  AND f.closed_at IS NULL
  AND (f.party_id, f.loan_ref, f.field) NOT IN (SELECT * FROM unnest($5::uuid[], $6::text[], $7::text[]))
"""
_SEE_STATED = """
INSERT INTO reconciliation_finding AS f
  (tenant, party_id, loan_ref, field, opened_at, run_id, business_date, ours, cores, confirmed_at)
SELECT $1, party_id, loan_ref, field, $2, $3, business_date, ours, cores, $2
FROM unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::date[])
  AS n(party_id, loan_ref, field, ours, cores, business_date)
ON CONFLICT (tenant, party_id, loan_ref, field) WHERE closed_at IS NULL
DO UPDATE SET business_date = excluded.business_date, ours = excluded.ours, cores = excluded.cores
"""
_COUNT_STATED = """
SELECT count(*) FROM (
  SELECT DISTINCT f.party_id, f.loan_ref FROM reconciliation_finding f
  WHERE f.tenant = $1 AND f.closed_at IS NULL AND left(f.field, 7) = 'stated_'
    AND ($2::text IS NULL OR EXISTS (
      SELECT FROM case_file c WHERE c.tenant = $1 AND c.party_id = f.party_id AND c.core = $2))
  LIMIT $3) AS loans
"""
_OPEN = """
SELECT party_id, loan_ref, field, ours, cores, business_date, opened_at, confirmed_at FROM reconciliation_finding
WHERE tenant = $1 AND closed_at IS NULL AND ($2::uuid IS NULL OR (party_id, loan_ref, field) > ($2, $3::text, $4::text))
ORDER BY party_id, loan_ref, field LIMIT $5
"""
_RUNS = """
SELECT run_id, core, business_date, state, compared, differing, started_at, ended_at FROM reconciliation_run
WHERE tenant = $1 AND ($2::timestamptz IS NULL OR (started_at, run_id) < ($2, $3::uuid))
ORDER BY started_at DESC, run_id DESC LIMIT $4
"""
_RUN = """
SELECT run_id, core, business_date, state, compared, differing, started_at, ended_at FROM reconciliation_run
WHERE tenant = $1 AND run_id = $2
"""


class Counted(NamedTuple):
    """Loans compared in a run, and how many of them differ."""

    compared: int
    differing: int


async def begin(uow: UnitOfWork, run_id: UUID, *, core: str, business_date: date) -> None:
    """Record that a run has begun."""
    await uow.sql.execute(_BEGIN, uow.tenant, run_id, core, business_date, uow.real_now)


async def count(uow: UnitOfWork, run_id: UUID, *, compared: int, differing: int) -> None:
    """Add a page to a run."""
    await uow.sql.execute(_COUNT, uow.tenant, run_id, compared, differing)


async def counted(uow: UnitOfWork, run_id: UUID) -> Counted:
    """What a run has counted so far."""
    return Counted(*await uow.sql.fetchrow(_COUNTED, uow.tenant, run_id))


async def end(uow: UnitOfWork, run_id: UUID, state: RunState) -> None:
    """Record how a run ended."""
    await uow.sql.execute(_END, uow.tenant, run_id, state, uow.real_now)


async def see(
    uow: UnitOfWork, run_id: UUID, found: Mapping[UUID, Sequence[FieldDifference]], *, business_date: date
) -> None:
    """Open what is new, renew what is open already."""
    rows = sorted((party_id, *one) for party_id, differences in found.items() for one in differences)
    if rows:
        await uow.sql.execute(_SEE, uow.tenant, uow.real_now, run_id, business_date, *_columns(rows))


async def confirm(uow: UnitOfWork, found: Mapping[UUID, Sequence[FieldDifference]]) -> None:
    """Seen again: confirmed. Of the parties in `found` everything else is closed."""
    rows = sorted((party_id, one.loan_ref, one.field) for party_id, differences in found.items() for one in differences)
    columns = _columns(rows) if rows else ([], [], [])
    await uow.sql.execute(_CLOSE, uow.tenant, uow.real_now, sorted(found), *columns)
    await uow.sql.execute(_CONFIRM, uow.tenant, uow.real_now, *columns)


async def see_unresolved(
    uow: UnitOfWork, run_id: UUID, found: Mapping[UUID, Sequence[FieldDifference]], *, business_date: date
) -> None:
    """What is no comparison with the core: nobody can say who is bound by a loan (field `group`), or which of two
    records came first (`order`). Open, and suspended from the first look on.
    """
    await see(uow, run_id, found, business_date=business_date)
    rows = sorted((party_id, one.loan_ref, one.field) for party_id, differences in found.items() for one in differences)
    await uow.sql.execute(_CONFIRM, uow.tenant, uow.real_now, *_columns(rows))


async def resolve(
    uow: UnitOfWork, loans: Collection[tuple[UUID, str]], *, field: Literal["group", "order"] = "group"
) -> None:
    """It is known who is bound by these loans, or which record of them counts; or nothing is past due of them."""
    if loans:
        await uow.sql.execute(_RESOLVE, uow.tenant, uow.real_now, *_columns(sorted(loans)), field)


async def see_stated(
    uow: UnitOfWork, run_id: UUID, found: Mapping[tuple[UUID, str], Sequence[FieldDifference]],
    *, on: Mapping[tuple[UUID, str], date],
) -> None:  # fmt: skip
    """What records state beside their amounts, by party and loan: what differs stands at once, the rest is closed."""
    rows = sorted(
        (party_id, *one, on[party_id, one.loan_ref]) for (party_id, _), all_of in found.items() for one in all_of
    )
    columns = _columns(rows) if rows else ([], [], [], [], [], [])
    await uow.sql.execute(_SETTLE_STATED, uow.tenant, uow.real_now, *_columns(sorted(found)), *columns[:3])
    if rows:
        await uow.sql.execute(_SEE_STATED, uow.tenant, uow.real_now, run_id, *columns)


async def count_stated(uow: UnitOfWork, *, limit: int, core: str | None = None) -> int:
    """Loans with an open finding of that sort, of one core or of all; no further than `limit`."""
    return int(await uow.sql.fetchval(_COUNT_STATED, uow.tenant, core, limit))


async def parties_of_open(uow: UnitOfWork) -> list[UUID]:
    """Everybody with an open difference, in order."""
    return [row[0] for row in await uow.sql.fetch(_PARTIES, uow.tenant)]


async def open_page(uow: UnitOfWork, *, after: tuple[UUID, str, str] | None, limit: int) -> list[asyncpg.Record]:
    """Open differences in order of party, loan and field."""
    return list(await uow.sql.fetch(_OPEN, uow.tenant, *(after or (None, None, None)), limit))


async def runs_page(uow: UnitOfWork, *, before: tuple[object, UUID] | None, limit: int) -> list[asyncpg.Record]:
    """Runs, the newest first."""
    return list(await uow.sql.fetch(_RUNS, uow.tenant, *(before or (None, None)), limit))


async def run(uow: UnitOfWork, run_id: UUID) -> asyncpg.Record | None:
    """One run, None before its first page."""
    return await uow.sql.fetchrow(_RUN, uow.tenant, run_id)


def _columns(rows: Sequence[tuple[object, ...]]) -> tuple[list[object], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True))
