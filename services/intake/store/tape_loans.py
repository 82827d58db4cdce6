"""The last row of each loan of a feed: what has changed since, and which loans others have spoken of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from shared.database import UnitOfWork
from shared.database.columns import SEPARATOR, joined

_PAGE = 20_000
_SCAN_SECONDS = 600
# Unchanged rows are the many, and cost one probe of the index; only the others travel back.
_CHANGED = """
SELECT (k.place - 1)::integer, t.loan_ref IS NOT NULL, coalesce(t.overdue, false)
FROM unnest(string_to_array($3, chr(31)), string_to_array($4, chr(31))::uuid[]) WITH ORDINALITY
  AS k(loan_ref, digest, place)
LEFT JOIN LATERAL (
    SELECT loan_ref, digest, overdue FROM tape_loan WHERE tenant = $1 AND feed = $2 AND loan_ref = k.loan_ref LIMIT 1
) AS t ON true
WHERE t.digest IS DISTINCT FROM k.digest OR k.place = ANY($5::bigint[])
"""
# The same for rows in order of reference: one walk along the index, a fifth of the price of as many probes.
_CHANGED_IN_ORDER = """
SELECT (k.place - 1)::integer, t.loan_ref IS NOT NULL, coalesce(t.overdue, false)
FROM unnest(string_to_array($3, chr(31)), string_to_array($4, chr(31))::uuid[]) WITH ORDINALITY
  AS k(loan_ref, digest, place)
LEFT JOIN (
    SELECT loan_ref, digest, overdue FROM tape_loan
    WHERE tenant = $1 AND feed = $2 AND loan_ref BETWEEN $6 AND $7
) AS t ON t.loan_ref = k.loan_ref
WHERE t.digest IS DISTINCT FROM k.digest OR k.place = ANY($5::bigint[])
"""
_UPDATE = """
UPDATE tape_loan t SET digest = n.digest, overdue = n.overdue, party_ref = n.party_ref, currency = n.currency,
       balance_minor = n.balance_minor, stated_on = n.stated_on, stated_number = n.stated_number
FROM unnest($3::text[], $4::uuid[], $5::boolean[], $6::text[], $7::text[], $8::bigint[], $9::date[], $10::bigint[])
  AS n(loan_ref, digest, overdue, party_ref, currency, balance_minor, stated_on, stated_number)
WHERE t.tenant = $1 AND t.feed = $2 AND t.loan_ref = n.loan_ref
"""
# Of a loan that is not overdue, only reference and digest; `stated`: where the last folded fact about it stands.
COLUMNS: Final = (
    "loan_ref",
    "digest",
    "overdue",
    "party_ref",
    "currency",
    "balance_minor",
    "stated_on",
    "stated_number",
)
# A statement of somebody else than this feed, an end, a hold or a charge-off, or money that came after the statement.
_SPOKEN_OF = """
SELECT l.loan_ref FROM loan l
LEFT JOIN tape_loan t ON t.tenant = $1 AND t.feed = $3 AND t.loan_ref = l.loan_ref
WHERE l.tenant = $1 AND l.core = $2 AND (
    l.standing IS NOT NULL
    OR t.stated_on IS NULL AND l.terms IS NOT NULL
    OR t.stated_on IS NOT NULL AND (
        l.statement IS NULL OR (l.statement::json #>> '{position,0}') <> t.stated_on::text
        OR (l.statement::json #>> '{position,1}') <> t.stated_number::text
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
_FORGET = "DELETE FROM tape_loan WHERE tenant = $1 AND feed = $2 AND loan_ref = ANY($3::text[])"


@dataclass(frozen=True, slots=True)
class Changed:
    """A row that differs from the loan's last one, by its place among those asked for."""

    place: int
    known: bool
    was_overdue: bool


class OverdueLoan(NamedTuple):
    """A loan that was overdue by its last row."""

    loan_ref: str
    party_ref: str
    currency: str
    balance_minor: int


async def changed(
    uow: UnitOfWork,
    feed: str,
    loan_refs: pa.Array,
    digests: Sequence[str],
    *,
    always: Sequence[int] = (),
    in_order: bool = False,
) -> list[Changed]:
    """Which of the rows (at least one) differ from the last ones.

    Rows at the places `always` (from 0) are answered in any case. `in_order`: the references ascend, and few loans of
    the feed lie between the first and the last that are not among them.
    """
    given = [joined_column(loan_refs), joined(digests), [place + 1 for place in always]]
    if in_order:
        span = [loan_refs[0].as_py().decode(), loan_refs[-1].as_py().decode()]
        rows = await uow.sql.fetch(_CHANGED_IN_ORDER, uow.tenant, feed, *given, *span)
    else:
        rows = await uow.sql.fetch(_CHANGED, uow.tenant, feed, *given)
    return [Changed(*row) for row in rows]


async def insert(uow: UnitOfWork, feed: str, rows: pa.Table) -> None:
    """Keep the rows (columns of `COLUMNS`) of loans that the feed did not name before; none is looked at one by one."""
    if not rows.num_rows:
        return
    content = pa.BufferOutputStream()
    pa_csv.write_csv(
        rows.append_column("tenant", _constant(uow.tenant, rows)).append_column("feed", _constant(feed, rows)),
        content,
        pa_csv.WriteOptions(include_header=False),
    )
    await uow.sql.copy_to_table(
        "tape_loan", source=_once(content.getvalue().to_pybytes()), columns=[*COLUMNS, "tenant", "feed"], format="csv"
    )


async def update(uow: UnitOfWork, feed: str, rows: pa.Table) -> None:
    """Replace the rows (columns of `COLUMNS`) of known loans."""
    if rows.num_rows:
        columns = [column.to_pylist() for column in rows.sort_by("loan_ref").columns]
        await uow.sql.execute(_UPDATE, uow.tenant, feed, *columns)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    """What the driver copies. Of Arrow's own buffer in a BytesIO the memory is never given back [M]."""
    yield content


def _constant(text: str, rows: pa.Table) -> pa.Array:
    return pa.repeat(pa.scalar(text), rows.num_rows)


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


async def forget(uow: UnitOfWork, feed: str, loan_refs: Sequence[str]) -> None:
    """Loans that vanished: should they come again, they count as new."""
    if loan_refs:
        await uow.sql.execute(_FORGET, uow.tenant, feed, sorted(loan_refs))


def joined_column(column: pa.Array) -> str:
    """A column of text as one parameter (`shared.database.columns`), without touching its values one by one."""
    text = column if pa.types.is_string(column.type) else column.cast(pa.string())
    return str(pc.binary_join(pa.ListArray.from_arrays([0, len(text)], text), SEPARATOR)[0].as_py())
