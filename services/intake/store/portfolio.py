"""Buckets over time: each loan's history, and sums of the whole portfolio that are never counted anew.

Every transaction appends what it adds (`portfolio_delta`), so no row is shared between transactions; `gather` moves the
deltas into `portfolio_cell` from time to time. What is read is always both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.intake.domain.book import Book, Loan
from services.intake.domain.rolling import NEW, Amount, Cell, deltas, erased
from shared.database import UnitOfWork
from shared.database.columns import joined

_ADD = """
INSERT INTO portfolio_delta (tenant, measure, month, currency, opening, state, loans, overdue_minor, recorded_at)
SELECT $1, measure, month, currency, opening, state, loans, overdue_minor, $9
FROM unnest($2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::bigint[])
  AS n(measure, month, currency, opening, state, loans, overdue_minor)
"""
_KEEP_HISTORY = """
INSERT INTO bucket_change (tenant, party_id, loan_id, as_of, before, state, currency, overdue_minor, recorded_at)
SELECT $1, party_id, loan_id, as_of, before, state, currency, overdue_minor, $9
FROM unnest(string_to_array($2, chr(31))::uuid[], string_to_array($3, chr(31))::uuid[],
            string_to_array($4, chr(31))::date[], string_to_array($5, chr(31)), string_to_array($6, chr(31)),
            string_to_array($7, chr(31)), string_to_array($8, chr(31))::bigint[])
  AS n(party_id, loan_id, as_of, before, state, currency, overdue_minor)
"""
_GATHER = """
WITH taken AS (
    DELETE FROM portfolio_delta WHERE tenant = $1
    RETURNING measure, month, currency, opening, state, loans, overdue_minor
)
INSERT INTO portfolio_cell AS c (tenant, measure, month, currency, opening, state, loans, overdue_minor)
SELECT $1, measure, month, currency, opening, state, sum(loans), sum(overdue_minor) FROM taken GROUP BY 2, 3, 4, 5, 6
ON CONFLICT (tenant, measure, month, currency, opening, state) DO UPDATE
SET loans = c.loans + excluded.loans, overdue_minor = c.overdue_minor + excluded.overdue_minor
"""
_STOCK = """
SELECT currency, state, sum(loans)::bigint AS loans, sum(overdue_minor)::bigint AS overdue_minor
FROM portfolio_entry WHERE tenant = $1 AND measure = 'stock' AND month <= $2
GROUP BY 1, 2 HAVING sum(loans) <> 0 ORDER BY 1, 2
"""
_MOVED = """
SELECT measure, currency, opening, state, sum(loans)::bigint AS loans, sum(overdue_minor)::bigint AS overdue_minor
FROM portfolio_entry WHERE tenant = $1 AND measure <> 'stock' AND month = $2 GROUP BY 1, 2, 3, 4
"""
_HISTORY = """
SELECT loan_id, as_of, before, state, currency, overdue_minor, recorded_at FROM bucket_change
WHERE tenant = $1 AND party_id = $2 ORDER BY recorded_at, change_id
"""


async def note_moves(uow: UnitOfWork, loans: Sequence[tuple[Book, Loan | None, Loan]]) -> None:
    """Add what the loans' moves (book, before, after) change in the sums, and keep each change of state."""
    await _add(uow, deltas((old, new) for _, old, new in loans))
    await _keep_history(uow, loans)


async def forget(uow: UnitOfWork, erased_books: Mapping[UUID, Book]) -> None:
    """Take the loans of people who are erased out of the sums: they have left, and nothing says who they were."""
    await _add(
        uow,
        deltas((loan, erased(loan, uow.now.date())) for book in erased_books.values() for loan in book.loans.values()),
    )


async def _add(uow: UnitOfWork, added: Mapping[Cell, Amount]) -> None:
    if not added:
        return
    ordered = sorted(added.items())
    await uow.sql.execute(
        _ADD,
        uow.tenant,
        *(list(column) for column in zip(*(cell for cell, _ in ordered), strict=True)),
        *(list(column) for column in zip(*(amount for _, amount in ordered), strict=True)),
        uow.real_now,
    )


async def _keep_history(uow: UnitOfWork, loans: Sequence[tuple[Book, Loan | None, Loan]]) -> None:
    rows = [
        (book.party_id.hex, new.loan_id.hex, place.since, before, place.state, new.terms.currency, place.overdue_minor)
        for book, old, new in loans
        if (place := new.place) is not None and new.terms is not None
        if (before := NEW if old is None or old.place is None else old.place.state) != place.state
    ]
    if rows:
        columns = (joined(column) for column in zip(*rows, strict=True))
        await uow.sql.execute(_KEEP_HISTORY, uow.tenant, *columns, uow.real_now)


async def gather(uow: UnitOfWork) -> None:
    """Move the deltas into the cells. Readers see every loan once, before and after."""
    await uow.sql.execute(_GATHER, uow.tenant)


async def stock(uow: UnitOfWork, *, until: int) -> dict[str, dict[str, Amount]]:
    """Loans and what is overdue on them by currency and state, at the end of month `until` (as 202603)."""
    found: dict[str, dict[str, Amount]] = {}
    for row in await uow.sql.fetch(_STOCK, uow.tenant, until):
        found.setdefault(row["currency"], {})[row["state"]] = Amount(row["loans"], row["overdue_minor"])
    return found


async def moved(uow: UnitOfWork, month: int) -> Mapping[Cell, Amount]:
    """What moved in a month, by cell."""
    return {
        Cell(row["measure"], month, row["currency"], row["opening"], row["state"]): Amount(
            row["loans"], row["overdue_minor"]
        )
        for row in await uow.sql.fetch(_MOVED, uow.tenant, month)
    }
