"""The SQL of lists of cases by filter, in order of case id, in bounded work per page however rare the filter is.

A page examines at most `CaseFilter.most_examined` cases, in the order of an index: by bucket, by suspension, or all.
The rest of the filter is judged on these. So a page may hold fewer cases than asked, even none, while a next one
follows; a page of a filter that fits almost nobody costs no more than one that fits all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.intake.domain.policy import DelinquencyPolicy
from shared.database import UnitOfWork
from shared.events.case import Bucket

MOST_EXAMINED: Final = 5_000
_MOST_LOOKED_UP: Final = 1_500
"""Where other tables are asked for each case (`benchmarks/case_lists.py`)."""
_COLUMNS: Final = """c.party_id, c.case_id, c.core, c.version, c.status, c.as_of, c.suspended, c.opened_at, c.bucket,
       c.days_contractual, c.days_effective, c.overdue_minor, c.held"""
_SUSPENDED: Final = "c.suspended <> '{}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases; None: any. `suspended_for` implies `suspended`. Money in minor units of `currency`."""

    status: str | None = None
    bucket: Bucket | None = None
    days_from: int | None = None
    days_to: int | None = None
    currency: str | None = None
    overdue_from: int | None = None
    overdue_to: int | None = None
    product_class: str | None = None
    jurisdiction: str | None = None
    suspended: bool | None = None
    suspended_for: str | None = None
    held: bool | None = None
    core: str | None = None
    opened_since: datetime | None = None
    as_of_since: date | None = None
    changed_since: datetime | None = None

    @property
    def list_name(self) -> str:
        """Names the list, so that a cursor of another filter is refused."""
        return "cases|" + "|".join(f"{one.name}={getattr(self, one.name)}" for one in fields(self))

    @property
    def most_examined(self) -> int:
        """How many cases a page may examine: about the same work whatever is asked of each."""
        looked_up = (self.product_class, self.jurisdiction, self.changed_since)
        return MOST_EXAMINED if looked_up == (None, None, None) else _MOST_LOOKED_UP

    @property
    def only_suspended(self) -> bool:
        """Whether only suspended cases can fit."""
        return self.suspended is True or self.suspended_for is not None

    def buckets(self, policy: DelinquencyPolicy) -> tuple[Bucket, ...]:
        """The buckets in which fitting cases can be; empty: in any. More days are never a better bucket."""
        if self.bucket is not None:
            return (self.bucket,)
        if self.days_from is None and self.days_to is None:
            return ()
        return policy.buckets_between(self.days_from or 0, self.days_to)


_JUDGED: Final[dict[str, str]] = {
    "status": "c.status = {}",
    "bucket": "c.bucket = {}",
    "days_from": "c.days_contractual >= {}",
    "days_to": "c.days_contractual <= {}",
    "suspended": "(c.suspended <> '{{}}') = {}",
    "suspended_for": "{} = ANY(c.suspended)",
    "held": "c.held = {}",
    "core": "c.core = {}",
    "opened_since": "c.opened_at >= {}",
    "as_of_since": "c.as_of >= {}",
    # OFFSET 0: asked for each examined case, never joined with the whole table.
    "product_class": """EXISTS (
        SELECT FROM loan l WHERE l.tenant = $1 AND l.party_id = c.party_id AND l.terms IS NOT NULL
          AND l.terms::json ->> 'product_class' = {} OFFSET 0)""",
    # As the case itself: of the person where the core has described them, else of a loan.
    "jurisdiction": """coalesce(
        (SELECT nullif(p.profile::json ->> 'jurisdiction', '') FROM person p
         WHERE p.tenant = $1 AND p.party_id = c.party_id),
        (SELECT l.terms::json ->> 'jurisdiction' FROM loan l
         WHERE l.tenant = $1 AND l.party_id = c.party_id AND l.terms IS NOT NULL ORDER BY l.loan_ref LIMIT 1)) = {}""",
    # Each change of a case is an event: in the outbox, or gathered from it.
    "changed_since": r"""(EXISTS (
        SELECT FROM outbox o WHERE o.key = convert_to(c.party_id::text, 'UTF8') AND o.key <> '\x2d'::bytea
          AND o.topic = 'case' AND o.created_at >= {0} OFFSET 0)
        OR EXISTS (
        SELECT FROM case_entry e WHERE e.tenant = $1 AND e.party_id = c.party_id AND e.recorded_at >= {0}
          AND e.type LIKE 'case.%' OFFSET 0))""",
}
# The text is looked through before it is understood.
_MONEY: Final = """c.overdue_minor LIKE {} AND EXISTS (
        SELECT FROM json_array_elements(c.overdue_minor::json) AS t(entry)
        WHERE t.entry ->> 0 = {} AND (t.entry ->> 1)::bigint BETWEEN {} AND {})"""
_LARGEST: Final = 2**63 - 1
# No condition on "the first page": an index is entered where a condition says, not where it may say.
_BEFORE_ALL: Final = UUID(int=0)
_AFTER_ALL: Final = UUID(int=2**128 - 1)


async def page(
    uow: UnitOfWork,
    which: CaseFilter,
    policy: DelinquencyPolicy,
    *,
    after: UUID | None,
    limit: int,
    most_examined: int | None = None,
) -> tuple[list[asyncpg.Record], UUID | None]:
    """Up to `limit` fitting cases after `after`, and the case after which to go on; None: that was the last page."""
    most_examined = most_examined or which.most_examined
    walk = _walk(which, policy, most=most_examined + 1)
    judged, values = _judged(which, first=3)
    # Limits are in the text: a plan made for any limit would read and sort everything.
    examined = f"SELECT c.* FROM ({walk}) AS c ORDER BY c.case_id LIMIT {most_examined:d}"  # noqa: S608 - own text
    statement = f"SELECT c.* FROM ({examined}) AS c WHERE {judged} ORDER BY c.case_id LIMIT {limit + 1:d}"  # noqa: S608
    rows = list(await uow.sql.fetch(statement, uow.tenant, after or _BEFORE_ALL, *values))
    if len(rows) > limit:
        return rows[:limit], rows[limit - 1]["case_id"]
    return rows, await _end(uow, walk, after=after, examined=most_examined)


async def span(
    uow: UnitOfWork, which: CaseFilter, policy: DelinquencyPolicy, *, after: UUID | None, examined: int
) -> UUID | None:
    """The case that ends the next `examined` ones after `after`; None: there are no more than that."""
    return await _end(uow, _walk(which, policy, most=examined + 1), after=after, examined=examined)


async def rows_until(
    uow: UnitOfWork, which: CaseFilter, policy: DelinquencyPolicy, *, after: UUID | None, until: UUID | None, limit: int
) -> list[asyncpg.Record]:
    """Up to `limit` fitting cases after `after`, none of them behind `until`."""
    judged, values = _judged(which, first=4)
    statement = (
        f"SELECT c.* FROM ({_walk(which, policy)}) AS c WHERE c.case_id <= $3 AND {judged} "  # noqa: S608 - own text
        f"ORDER BY c.case_id LIMIT {limit:d}"
    )
    return list(await uow.sql.fetch(statement, uow.tenant, after or _BEFORE_ALL, until or _AFTER_ALL, *values))


async def count_walked(uow: UnitOfWork, which: CaseFilter, policy: DelinquencyPolicy) -> int:
    """How many cases a walk through the whole list examines."""
    statement = f"SELECT count(*) FROM ({_walk(which, policy)}) AS c"  # noqa: S608 - own text
    found: int = await uow.sql.fetchval(statement, uow.tenant, _BEFORE_ALL)
    return found


def _walk(which: CaseFilter, policy: DelinquencyPolicy, *, most: int | None = None) -> str:
    """The cases to examine: $1 tenant, $2 after which. Each branch has an index in order of case id.

    `most`: as many of each branch as can be among the first; then no branch is read whole to be sorted.
    """
    branches = ["true"]
    if which.only_suspended:
        branches = [_SUSPENDED]
    elif buckets := which.buckets(policy):
        branches = [f"c.bucket = '{bucket}'" for bucket in buckets]
    first = "" if most is None else f" ORDER BY c.case_id LIMIT {most:d}"
    return " UNION ALL ".join(
        f"(SELECT {_COLUMNS} FROM case_file c WHERE c.tenant = $1 AND {branch} AND c.case_id > $2{first})"  # noqa: S608
        for branch in branches
    )


def _judged(which: CaseFilter, *, first: int) -> tuple[str, list[Any]]:
    """The conditions of the filter, and their values, which are numbered from `first`."""
    conditions: list[str] = ["true"]
    values: list[Any] = []
    for name, condition in _JUDGED.items():
        value = getattr(which, name)
        if value is not None:
            conditions.append(condition.format(f"${first + len(values)}"))
            values.append(value)
    if which.currency is not None:
        text, *places = (f"${first + len(values) + number}" for number in range(4))
        conditions.append(_MONEY.format(text, places[0], f"{places[1]}::bigint", f"{places[2]}::bigint"))
        lowest = 1 if which.overdue_from is None else which.overdue_from
        highest = _LARGEST if which.overdue_to is None else which.overdue_to
        values += [f'%"{which.currency}"%', which.currency, lowest, highest]
    return " AND ".join(conditions), values


async def _end(uow: UnitOfWork, walk: str, *, after: UUID | None, examined: int) -> UUID | None:
    # One more than was examined tells whether anything follows at all.
    statement = f"SELECT c.case_id FROM ({walk}) AS c ORDER BY c.case_id OFFSET {examined - 1:d} LIMIT 2"  # noqa: S608 - own text
    found: Sequence[asyncpg.Record] = await uow.sql.fetch(statement, uow.tenant, after or _BEFORE_ALL)
    return found[0]["case_id"] if len(found) == 2 else None
