"""Reading cases: one case, its payments, figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from shared.database import UnitOfWork

_CORES = "SELECT party_id, core FROM case_file WHERE tenant = $1 AND party_id = ANY($2::uuid[])"
_PARTY_OF = "SELECT party_id, core FROM case_file WHERE tenant = $1 AND case_id = $2"
_PAYMENTS = """
SELECT transaction_ref, loan_ref, receipt::text, reversal::text, posted, reversal_posted FROM movement
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY transaction_ref
"""
_PARTIES_PAGE = """
SELECT party_id, core FROM case_file WHERE tenant = $1 AND ($2::uuid IS NULL OR party_id > $2)
ORDER BY party_id LIMIT $3
"""
_BY_STATE = """
SELECT status, bucket, held, suspended <> '{}' AS is_suspended, count(*) AS cases
FROM case_file WHERE tenant = $1 GROUP BY 1, 2, 3, 4
"""
_TOTALS = """
SELECT t.entry ->> 0 AS currency, sum((t.entry ->> 1)::bigint)::bigint AS amount_minor
FROM case_file, jsonb_array_elements(overdue_minor::jsonb) AS t(entry) WHERE tenant = $1 AND status = 'open' GROUP BY 1
"""
_LOANS = """
SELECT count(*) FILTER (WHERE terms IS NOT NULL), count(*) FILTER (WHERE terms IS NULL) FROM loan WHERE tenant = $1
"""
_MOVED = """
SELECT m.currency, count(*) FILTER (WHERE m.posted > 0) AS posted,
       count(*) FILTER (WHERE m.posted = 0) AS pending,
       count(*) FILTER (WHERE m.reversal_posted) AS reversed,
       coalesce(sum(m.amount) FILTER (WHERE m.posted > 0), 0)::bigint AS posted_minor,
       coalesce(sum(m.amount) FILTER (WHERE m.reversal_posted), 0)::bigint AS reversed_minor
FROM (SELECT posted, reversal_posted, coalesce(receipt, reversal)::jsonb ->> 'currency' AS currency,
             (coalesce(receipt, reversal)::jsonb ->> 'amount_minor')::bigint AS amount
      FROM movement WHERE tenant = $1) AS m
GROUP BY 1 ORDER BY 1
"""
_OUTCOMES = "SELECT outcome, count(*) FROM inbox WHERE topic IN ('loan', 'loan-urgent', 'http') GROUP BY 1"
_DEAD = "SELECT count(*) FROM dead_letter WHERE state = 'open'"
_PEOPLE = "SELECT count(*) FROM person WHERE tenant = $1 AND profile IS NOT NULL"
_READINGS = "SELECT what, count(*) FROM contact_reading WHERE tenant = $1 GROUP BY 1"


async def cores(uow: UnitOfWork, party_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The core of each party that has a case."""
    return dict(await uow.sql.fetch(_CORES, uow.tenant, sorted(set(party_ids))))


async def party_of(uow: UnitOfWork, case_id: UUID) -> tuple[UUID, str] | None:
    """Party and core of a case."""
    row = await uow.sql.fetchrow(_PARTY_OF, uow.tenant, case_id)
    return None if row is None else (row[0], row[1])


async def payments_of(uow: UnitOfWork, party_ids: Sequence[UUID]) -> list[asyncpg.Record]:
    """Every movement of a person under each of their references, in order of the transaction's."""
    return list(await uow.sql.fetch(_PAYMENTS, uow.tenant, party_ids))


async def parties_page(uow: UnitOfWork, *, after: UUID | None, limit: int) -> dict[UUID, str]:
    """Parties with a case and their cores, in order of id."""
    return dict(await uow.sql.fetch(_PARTIES_PAGE, uow.tenant, after, limit))


@dataclass(frozen=True)
class Figures:
    """Counts and sums over a tenant, as the tables give them."""

    cases: Sequence[asyncpg.Record]
    overdue: Sequence[asyncpg.Record]
    loans: int
    loans_awaited: int
    payments: Sequence[asyncpg.Record]
    events: dict[str, int]
    dead_letters_open: int
    parties: int
    readings: dict[str, int]


async def figures(uow: UnitOfWork) -> Figures:
    """Counts and sums over the whole tenant."""
    loans = await uow.sql.fetchrow(_LOANS, uow.tenant)
    return Figures(
        cases=await uow.sql.fetch(_BY_STATE, uow.tenant),
        overdue=await uow.sql.fetch(_TOTALS, uow.tenant),
        loans=loans[0],
        loans_awaited=loans[1],
        payments=await uow.sql.fetch(_MOVED, uow.tenant),
        events=dict(await uow.sql.fetch(_OUTCOMES)),
        dead_letters_open=await uow.sql.fetchval(_DEAD),
        parties=await uow.sql.fetchval(_PEOPLE, uow.tenant),
        readings=dict(await uow.sql.fetch(_READINGS, uow.tenant)),
    )
