"""What the score looks at, read from the present tables for a range of parties: one row per overdue case."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

import numpy as np

from services.intake.scoring.features import Features, Ints
from services.intake.store.binary_copy import Column, read_rows
from shared.database import UnitOfWork

# The two-number key space of advisory locks: 7 is the score's. Whoever scores shares it, whoever erases has it alone:
# else a score read before an erasure could be written after it.
_SCORING: Final = "SELECT pg_advisory_xact_lock_shared(7, 1)"
_ERASING: Final = "SELECT pg_advisory_xact_lock(7, 1)"
_END: Final = """
SELECT party_id FROM case_file WHERE tenant = $1 AND core = $2 AND ($3::uuid IS NULL OR party_id > $3)
ORDER BY party_id OFFSET $4 LIMIT 1
"""
_HEARD_SINCE: Final = """
SELECT (min(opened_at) AT TIME ZONE $3)::date FROM case_file WHERE tenant = $1 AND core = $2
"""
_RANGE: Final = "tenant = $1 AND core = $2 AND party_id > $3 AND party_id <= $4"
# Whoever was erased has no loan any more: nothing is noted of them.
_NOTE: Final = f"""
INSERT INTO past_due_seen (tenant, party_id, seen_on, since)
SELECT $1, c.party_id, c.as_of, c.since
FROM (SELECT party_id, as_of,
             CASE WHEN status = 'open' AND days_contractual > 0 THEN as_of - days_contractual END AS since
      FROM case_file WHERE {_RANGE}) AS c
LEFT JOIN (SELECT party_id, max((seen_on - DATE '1900-01-01')::bigint * 131072
                                + coalesce(since - DATE '1900-01-01', 0)) AS newest
           FROM past_due_seen WHERE tenant = $1 AND party_id > $3 AND party_id <= $4
           GROUP BY party_id) AS p USING (party_id)
WHERE (p.newest IS NULL OR p.newest % 131072 <> coalesce(c.since - DATE '1900-01-01', 0))
  AND party_id IN (SELECT party_id FROM loan WHERE {_RANGE})
ON CONFLICT (tenant, party_id, seen_on) DO UPDATE SET since = excluded.since
"""  # noqa: S608 - parts of this module
# What was paid, cleared and was not taken back, by the day of its value; credits and recoveries are nobody's payment.
# What came after the loan's statement is not in the stated balance yet.
_FEATURES: Final = f"""
WITH chosen AS MATERIALIZED (
  SELECT party_id, case_id, as_of, days_contractual AS days, (opened_at AT TIME ZONE $5)::date AS opened_on
  FROM case_file WHERE {_RANGE} AND status = 'open' AND days_contractual > 0
), stated AS MATERIALIZED (
  SELECT party_id, loan_ref, said ->> 'currency' AS currency, (newest ->> 'balance_minor')::bigint AS balance,
         newest -> 'position' ->> 0 AS stated_on, (newest -> 'position' ->> 1)::bigint AS stated_number
  FROM (SELECT party_id, loan_ref, said,
               CASE WHEN (alone -> 'position' ->> 0, (alone -> 'position' ->> 1)::bigint)
                       > (said -> 'position' ->> 0, (said -> 'position' ->> 1)::bigint)
                    THEN alone ELSE said END AS newest
        FROM (SELECT party_id, loan_ref, statement::jsonb AS said, standing::jsonb -> 'balance' AS alone FROM loan
              WHERE {_RANGE} AND statement IS NOT NULL AND terms IS NOT NULL) AS l) AS n
), received AS MATERIALIZED (
  SELECT party_id, loan_ref, receipt::jsonb AS said, reversal::jsonb -> 'position' AS taken_back FROM movement
  WHERE {_RANGE} AND receipt IS NOT NULL
), cleared AS (
  SELECT party_id, loan_ref, currency, (r.said ->> 'amount_minor')::bigint AS amount,
         c.as_of - (r.said ->> 'value_date')::date AS days_ago,
         (r.said -> 'position' ->> 0, (r.said -> 'position' ->> 1)::bigint) > (stated_on, stated_number) AS is_later
  FROM received r JOIN chosen c USING (party_id) JOIN stated s USING (party_id, loan_ref)
  WHERE (r.said ->> 'cleared')::boolean AND r.said ->> 'currency' = currency
    AND coalesce(r.said ->> 'kind', 'payment') = 'payment'
    AND (taken_back IS NULL OR (r.said -> 'position' ->> 0, (r.said -> 'position' ->> 1)::bigint)
                               > (taken_back ->> 0, (taken_back ->> 1)::bigint))
), paid AS (
  SELECT party_id, currency, sum(amount) FILTER (WHERE is_later) AS not_deducted,
         sum(amount) FILTER (WHERE days_ago BETWEEN 0 AND 29) AS last_month,
         sum(amount) FILTER (WHERE days_ago BETWEEN 30 AND 59) AS month_before
  FROM cleared GROUP BY party_id, currency
), owed AS (
  SELECT party_id, currency, bool_and(balance IS NOT NULL) AS is_stated, sum(balance) AS balance
  FROM stated JOIN chosen USING (party_id) GROUP BY 1, 2
), shares AS (
  SELECT party_id, bool_and(is_stated) AS is_stated,
         min(CASE WHEN before_last > 0 THEN least(1000 * last_month / before_last, 1000) ELSE -1 END)::int
           AS last_month,
         min(CASE WHEN before_both > 0 THEN least(1000 * month_before / before_both, 1000) ELSE -1 END)::int
           AS month_before
  FROM (SELECT party_id, is_stated, last_month, month_before, balance_now + last_month AS before_last,
               balance_now + last_month + month_before AS before_both
        FROM (SELECT o.party_id, o.is_stated, coalesce(p.last_month, 0) AS last_month,
                     coalesce(p.month_before, 0) AS month_before,
                     greatest(0, o.balance - coalesce(p.not_deducted, 0)) AS balance_now
              FROM owed o LEFT JOIN paid p USING (party_id, currency)) AS n) AS b
  GROUP BY party_id
), seen AS (
  SELECT party_id,
         max((seen_on - DATE '1900-01-01')::bigint * 131072 + coalesce(since - DATE '1900-01-01', 0))
           FILTER (WHERE seen_on <= as_of - 30) AS month_ago,
         max((seen_on - DATE '1900-01-01')::bigint * 131072 + coalesce(since - DATE '1900-01-01', 0))
           FILTER (WHERE seen_on <= as_of - 60) AS two_months_ago
  FROM past_due_seen JOIN chosen USING (party_id)
  WHERE tenant = $1 AND party_id > $3 AND party_id <= $4 GROUP BY party_id
)
SELECT c.party_id, c.case_id, (c.as_of - DATE '2000-01-01')::int, c.days::int,
       {{month_ago}}, {{two_months_ago}},
       CASE WHEN s.is_stated THEN s.last_month ELSE -1 END::int,
       CASE WHEN s.is_stated THEN s.month_before ELSE -1 END::int
FROM chosen c JOIN shares s USING (party_id) LEFT JOIN seen USING (party_id)
ORDER BY c.party_id
"""  # noqa: S608 - parts of this module
# How late the case was some days ago: as it was seen then; else, when it came after that day although we were
# listening, what today's oldest unpaid item shows; else not known.
_AGO: Final = """
CASE WHEN seen.{column} IS NOT NULL THEN
       CASE WHEN seen.{column} % 131072 = 0 THEN 0
            ELSE greatest(0, (c.as_of - {days} - DATE '1900-01-01') - seen.{column} % 131072) END
     WHEN $6::date <= c.as_of - {days} AND c.opened_on > c.as_of - {days} THEN greatest(0, c.days - {days})
     ELSE -1 END::int
"""
_FEATURES_OF_RANGE: Final = _FEATURES.format(
    month_ago=_AGO.format(column="month_ago", days=30), two_months_ago=_AGO.format(column="two_months_ago", days=60)
)
_KINDS: Final = ("V16", "V16", ">i4", ">i4", ">i4", ">i4", ">i4", ">i4")
FIRST: Final = UUID(int=0)
_LAST: Final = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True)
class Range:
    """Parties of a core after one id, up to another."""

    core: str
    after: UUID
    until: UUID
    is_last: bool


@dataclass(frozen=True)
class Cases:
    """Overdue cases of a range as columns: ids as raw bytes, `as_of` in days since 2000-01-01."""

    party_id: Column
    case_id: Column
    as_of: Ints
    features: Features

    def __len__(self) -> int:
        return len(self.party_id)


async def share_scoring(uow: UnitOfWork) -> None:
    """Wait for erasures, and keep others from beginning until this transaction ends."""
    await uow.sql.execute(_SCORING)


async def wait_for_scorings(uow: UnitOfWork) -> None:
    """Wait for scorings (each a second or two), and keep others from beginning until this transaction ends."""
    await uow.sql.execute(_ERASING)


async def next_range(uow: UnitOfWork, core: str, *, after: UUID, limit: int) -> Range:
    """The next `limit` cases of a core in order of party."""
    until = await uow.sql.fetchval(_END, uow.tenant, core, after, limit - 1)
    return Range(core, after, until or _LAST, until is None)


async def heard_since(uow: UnitOfWork, core: str, *, time_zone: str) -> date | None:
    """The tenant's date on which the first case of a core was opened: from then on a missing case means not late."""
    found: date | None = await uow.sql.fetchval(_HEARD_SINCE, uow.tenant, core, time_zone)
    return found


async def note_past_due(uow: UnitOfWork, where: Range) -> None:
    """Note since when each case of a range is past due, where that is not what was noted last."""
    await uow.sql.execute(_NOTE, uow.tenant, where.core, where.after, where.until)


async def load_cases(uow: UnitOfWork, where: Range, *, heard: date | None, time_zone: str) -> Cases:
    """The overdue cases of a range, in order of party. `heard`: see `heard_since`."""
    output = io.BytesIO()
    await uow.sql.copy_from_query(
        _FEATURES_OF_RANGE, uow.tenant, where.core, where.after, where.until, time_zone, heard,
        output=output, format="binary",
    )  # fmt: skip
    party_id, case_id, *columns = read_rows(output.getvalue(), _KINDS)
    as_of, now, month_ago, two_months_ago, last_month, month_before = (
        column.astype(np.int32) for column in columns
    )  # fmt: skip
    # A share counts only of a case that was late when its month began: so it was in training.
    paid = [np.where(before > 0, share, -1) for before, share in
            ((month_ago, last_month), (two_months_ago, month_before))]  # fmt: skip
    return Cases(party_id, case_id, as_of, Features.of_columns([now, month_ago, two_months_ago], paid))
