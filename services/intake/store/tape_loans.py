"""The last row of each loan of a feed, and which loans others have spoken of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.intake.store.tape_rows import LastRows
from shared.database import UnitOfWork

_PAGE = 20_000
_SCAN_SECONDS = 600
# Of a loan that is not overdue, only reference and digest; `stated`: where the last folded fact about it stands.
LOANS: Final = LastRows(
    table="tape_loan",
    key="loan_ref",
    columns={
        "loan_ref": "text", "digest": "uuid", "overdue": "boolean", "party_ref": "text", "currency": "text",
        "balance_minor": "bigint", "stated_on": "date", "stated_number": "bigint",
    },
    overdue="overdue",
)  # fmt: skip
# A statement begins with its position; written in any other way, its loan is looked at once too often.
# A statement of somebody else than this feed, an end, a hold or a charge-off, or money that came after the statement.
_SPOKEN_OF = """
SELECT l.loan_ref FROM loan l
LEFT JOIN tape_loan t ON t.tenant = $1 AND t.feed = $3 AND t.loan_ref = l.loan_ref
WHERE l.tenant = $1 AND l.core = $2 AND (
    l.standing IS NOT NULL
    OR t.stated_on IS NULL AND l.terms IS NOT NULL
    OR t.stated_on IS NOT NULL AND NOT coalesce(
        starts_with(l.statement, '{"position":["' || t.stated_on || '",' || t.stated_number || ','), false
    )
)
UNION
SELECT loan_ref FROM movement WHERE tenant = $1 AND core = $2 AND matters
"""
_OVERDUE = """
SELECT loan_ref, party_ref, currency, balance_minor FROM tape_loan
WHERE tenant = $1 AND feed = $2 AND overdue AND loan_ref > $3 ORDER BY loan_ref LIMIT $4
"""
_OVERDUE_AMONG = """
SELECT loan_ref, party_ref, currency, balance_minor FROM tape_loan
WHERE tenant = $1 AND feed = $2 AND overdue AND loan_ref = ANY($3::text[])
"""


class OverdueLoan(NamedTuple):
    """A loan that was overdue by its last row."""

    loan_ref: str
    party_ref: str
    currency: str
    balance_minor: int


async def spoken_of(uow: UnitOfWork, core: str, feed: str) -> list[str]:
    """Loans in the book of which somebody else than this feed has said the last word: their rows are never skipped."""
    await uow.sql.execute(f"SET LOCAL statement_timeout = '{_SCAN_SECONDS}s'")
    rows = await uow.sql.fetch(_SPOKEN_OF, uow.tenant, core, feed, timeout=_SCAN_SECONDS)
    return [row[0] for row in rows]


async def overdue_after(uow: UnitOfWork, feed: str, after: str, *, limit: int = _PAGE) -> list[OverdueLoan]:
    """Loans that are overdue by their last row, in order of reference."""
    return [OverdueLoan(*row) for row in await uow.sql.fetch(_OVERDUE, uow.tenant, feed, after, limit)]


async def overdue_among(uow: UnitOfWork, feed: str, loan_refs: Sequence[str]) -> list[OverdueLoan]:
    """Those of the loans that are overdue by their last row."""
    return [OverdueLoan(*row) for row in await uow.sql.fetch(_OVERDUE_AMONG, uow.tenant, feed, loan_refs)]
