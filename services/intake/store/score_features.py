"""What the score looks at, read from the present tables for a range of parties: one row per overdue case."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

import numpy as np

from services.intake.domain.policy import BUCKETS
from services.intake.scoring.features import MONTH_DAYS, UNKNOWN, Features, Ints
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
# Buckets as numbers, so that the latest row is a maximum; whatever else a loan is, it is not late by it.
_STATE_CODE: Final = "CASE WHEN ascii(state) = ascii('B') THEN ascii(substr(state, 2)) - ascii('0') ELSE 0 END"
_ALONE: Final = "NOT EXISTS (SELECT FROM merged WHERE member_id = {}.party_id)"
_NEWEST: Final = "(array_agg({0} ORDER BY {1} ->> 0 DESC NULLS LAST, ({1} ->> 1)::bigint DESC NULLS LAST))[1]"
# Each document is parsed once: without MATERIALIZED the planner pulls the casts up and parses it for every field.
# What was paid, cleared and was not taken back, by the day of its value; credits and recoveries are nobody's payment.
# What came after the loan's statement is not in the stated balance yet.
# Whoever has several references is one person with the loans of all of them. They are few, and read beside the others;
# a loan or a payment that several of them know is one, and the newest that was told of it counts.
_FEATURES: Final = f"""
WITH chosen AS MATERIALIZED (
  SELECT party_id, case_id, as_of, days_contractual AS days, (opened_at AT TIME ZONE $5)::date AS opened_on
  FROM case_file WHERE {_RANGE} AND status = 'open' AND days_contractual > 0
), merged AS MATERIALIZED (
  SELECT lead_id, unnest(ARRAY[lead_id] || array_agg(party_id)) AS member_id FROM party_identity
  WHERE tenant = $1 AND lead_id > $3 AND lead_id <= $4 AND party_id <> lead_id GROUP BY lead_id
), told AS MATERIALIZED (
  SELECT party_id, loan_ref, statement::jsonb AS said, standing::jsonb -> 'balance' AS alone FROM loan
  WHERE {_RANGE} AND statement IS NOT NULL AND terms IS NOT NULL AND {_ALONE.format("loan")}
  UNION ALL
  SELECT party_id, loan_ref, {_NEWEST.format("said", "said -> 'position'")},
         {_NEWEST.format("alone", "alone -> 'position'")}
  FROM (SELECT m.lead_id AS party_id, l.loan_ref, l.statement::jsonb AS said, l.standing::jsonb -> 'balance' AS alone
        FROM merged m JOIN loan l ON l.tenant = $1 AND l.party_id = m.member_id
        WHERE l.statement IS NOT NULL AND l.terms IS NOT NULL) AS l GROUP BY party_id, loan_ref
), positioned AS MATERIALIZED (
  SELECT party_id, loan_ref, said ->> 'currency' AS currency, (said ->> 'balance_minor')::bigint AS balance, alone,
         said -> 'position' ->> 0 AS stated_on, (said -> 'position' ->> 1)::bigint AS stated_number,
         alone -> 'position' ->> 0 AS alone_on, (alone -> 'position' ->> 1)::bigint AS alone_number
  FROM told
), stated AS MATERIALIZED (
  SELECT party_id, loan_ref, currency,
         CASE WHEN is_newer THEN (alone ->> 'balance_minor')::bigint ELSE balance END AS balance,
         CASE WHEN is_newer THEN alone_on ELSE stated_on END AS stated_on,
         CASE WHEN is_newer THEN alone_number ELSE stated_number END AS stated_number
  FROM (SELECT *, (alone_on, alone_number) > (stated_on, stated_number) AS is_newer FROM positioned) AS p
), parsed AS MATERIALIZED (
  SELECT party_id, loan_ref, receipt::jsonb AS said, reversal::jsonb -> 'position' AS taken_back FROM movement
  WHERE {_RANGE} AND receipt IS NOT NULL AND {_ALONE.format("movement")}
  UNION ALL
  SELECT party_id, max(loan_ref), {_NEWEST.format("said", "said -> 'position'")},
         {_NEWEST.format("taken_back", "taken_back")}
  FROM (SELECT g.lead_id AS party_id, m.transaction_ref, m.loan_ref, m.receipt::jsonb AS said,
               m.reversal::jsonb -> 'position' AS taken_back
        FROM merged g JOIN movement m ON m.tenant = $1 AND m.party_id = g.member_id
        WHERE m.receipt IS NOT NULL) AS m GROUP BY party_id, transaction_ref
), received AS MATERIALIZED (
  SELECT party_id, loan_ref, taken_back, (said ->> 'cleared')::boolean AS is_cleared, said ->> 'currency' AS currency,
         (said ->> 'amount_minor')::bigint AS amount, (said ->> 'value_date')::date AS value_date,
         said -> 'position' ->> 0 AS received_on, (said -> 'position' ->> 1)::bigint AS received_number
  FROM parsed WHERE coalesce(said ->> 'kind', 'payment') = 'payment'
), cleared AS MATERIALIZED (
  SELECT r.party_id, r.currency, r.amount, c.as_of - r.value_date AS days_ago,
         (received_on, received_number) > (stated_on, stated_number) AS is_later
  FROM received r JOIN chosen c ON c.party_id = r.party_id
  JOIN stated s ON s.party_id = r.party_id AND s.loan_ref = r.loan_ref AND s.currency = r.currency
  WHERE r.is_cleared
    AND (taken_back IS NULL OR (received_on, received_number) > (taken_back ->> 0, (taken_back ->> 1)::bigint))
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
), changed AS (
  SELECT b.party_id, loan_id, c.as_of,
         max(((b.as_of - DATE '1900-01-01')::bigint << 44) | (change_id << 4) | ({_STATE_CODE}))
           FILTER (WHERE b.as_of <= c.as_of - 30) AS month_ago,
         max(((b.as_of - DATE '1900-01-01')::bigint << 44) | (change_id << 4) | ({_STATE_CODE}))
           FILTER (WHERE b.as_of <= c.as_of - 60) AS two_months_ago
  FROM (SELECT party_id, loan_id, as_of, change_id, state FROM bucket_change
        WHERE tenant = $1 AND party_id > $3 AND party_id <= $4 AND {_ALONE.format("bucket_change")}
        UNION ALL
        SELECT m.lead_id, loan_id, as_of, change_id, state
        FROM merged m JOIN bucket_change b ON b.tenant = $1 AND b.party_id = m.member_id) AS b
  JOIN chosen c USING (party_id) GROUP BY b.party_id, loan_id, c.as_of
), seen AS (
  SELECT party_id, max(month_ago & 15)::int AS month_ago, max(two_months_ago & 15)::int AS two_months_ago
  FROM changed GROUP BY party_id
)
SELECT c.party_id, c.case_id, (c.as_of - DATE '2000-01-01')::int, c.days::int,
       {{month_ago}}, {{two_months_ago}},
       CASE WHEN s.is_stated THEN s.last_month ELSE -1 END::int,
       CASE WHEN s.is_stated THEN s.month_before ELSE -1 END::int
FROM chosen c JOIN shares s USING (party_id) LEFT JOIN seen USING (party_id)
ORDER BY c.party_id
"""  # noqa: S608 - parts of this module
# How late the case was some days ago: the latest bucket of any of its loans; else, when it came after that day although
# we were listening, what today's oldest unpaid item shows; else not known.
_AGO: Final = """
CASE WHEN seen.{column} IS NOT NULL THEN ($7::int[])[seen.{column} + 1]
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


async def load_cases(
    uow: UnitOfWork, where: Range, *, heard: date | None, time_zone: str, bucket_last_days: Sequence[int]
) -> Cases:
    """The overdue cases of a range, in order of party. `heard`: see `heard_since`.

    A bucket of the past stands for its last day by the limits given; the last one, which has none, and whatever was
    worse by other limits, for a month after the one before.
    """
    open_ones = len(BUCKETS) - 1 - len(bucket_last_days)
    days_of_buckets = [0, *bucket_last_days, *[bucket_last_days[-1] + MONTH_DAYS] * open_ones]
    output = io.BytesIO()
    await uow.sql.copy_from_query(
        _FEATURES_OF_RANGE, uow.tenant, where.core, where.after, where.until, time_zone, heard, days_of_buckets,
        output=output, format="binary",
    )  # fmt: skip
    party_id, case_id, *columns = read_rows(output.getvalue(), _KINDS)
    as_of, now, month_ago, two_months_ago, last_month, month_before = (
        column.astype(np.int32) for column in columns
    )  # fmt: skip
    # A share counts only of a case that was late when its month began: so it was in training.
    paid = [np.where(before > 0, share, UNKNOWN) for before, share in
            ((month_ago, last_month), (two_months_ago, month_before))]  # fmt: skip
    return Cases(party_id, case_id, as_of, Features.of_columns([now, month_ago, two_months_ago], paid))
