"""The core's closed business dates, and which cases a day close still has to age."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

import msgspec

from shared.database import UnitOfWork
from shared.events.loan import BusinessDayClosed

_CLOSED = "SELECT core, closed_on FROM core_day WHERE tenant = $1"
_CLOSE = """
INSERT INTO core_day AS d (tenant, core, closed_on, open_loans, overdue_total) VALUES ($1, $2, $3, $4, $5::text::jsonb)
ON CONFLICT (tenant, core) DO UPDATE
SET closed_on = excluded.closed_on, open_loans = excluded.open_loans, overdue_total = excluded.overdue_total
WHERE d.closed_on < excluded.closed_on
"""
_TO_AGE = """
SELECT party_id FROM case_file
WHERE tenant = $1 AND core = $2 AND status = 'open' AND as_of < $3 AND ($4::uuid IS NULL OR party_id > $4)
ORDER BY party_id LIMIT $5
"""
_READ_UP_TO = """
SELECT min(caught_up_to) AS read_up_to, count(*) > 0 AND bool_and(caught_up_to IS NOT NULL) AS all_known
FROM consumer_position WHERE topic IN ('loan', 'loan-urgent', 'fineract')
"""


async def closed_dates(uow: UnitOfWork) -> dict[str, date]:
    """The last closed business date of each core."""
    return dict(await uow.sql.fetch(_CLOSED, uow.tenant))


async def close(uow: UnitOfWork, fact: BusinessDayClosed) -> None:
    """Remember a close with its control totals; an earlier date than the known one changes nothing."""
    totals = msgspec.json.encode(fact.overdue_total).decode()
    await uow.sql.execute(_CLOSE, uow.tenant, fact.core, fact.business_date, fact.open_loans, totals)


async def parties_to_age(uow: UnitOfWork, core: str, closed_on: date, *, after: UUID | None, limit: int) -> list[UUID]:
    """Parties with open cases last assessed before `closed_on`, in order of id."""
    return [row[0] for row in await uow.sql.fetch(_TO_AGE, uow.tenant, core, closed_on, after, limit)]


async def read_up_to(uow: UnitOfWork) -> datetime | None:
    """The real time up to which the core's topics have been read; None while a partition never was."""
    row = await uow.sql.fetchrow(_READ_UP_TO)
    return row["read_up_to"] if row is not None and row["all_known"] else None
