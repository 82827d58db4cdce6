"""The SQL of missing facts: open tasks, and whom they block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import get_args
from uuid import UUID

import asyncpg

from services.compliance.domain.fact_tasks import BLOCKED_AFTER, FactTask, Owner
from shared.database import UnitOfWork

_OPEN = "SELECT * FROM fact_task WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND closed_at IS NULL"
_INSERT = """
INSERT INTO fact_task (tenant, party_id, task_id, fact, rule, owner, opened_at, due_at, needed_day)
SELECT $1, t.party_id, t.task_id, t.fact, t.rule, t.owner, t.opened_at, t.due_at, t.needed_day
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[],
            $9::date[])
  AS t(party_id, task_id, fact, rule, owner, opened_at, due_at, needed_day)
"""
_CLOSE = "UPDATE fact_task SET closed_at = $3 WHERE tenant = $1 AND task_id = ANY($2::uuid[]) AND closed_at IS NULL"
_CLOSE_ANSWERED = """
UPDATE fact_task AS t SET closed_at = $4 FROM unnest($2::uuid[], $3::text[]) AS told(party_id, fact)
WHERE t.tenant = $1 AND t.party_id = told.party_id AND t.fact = told.fact AND t.closed_at IS NULL
"""
_CLOSE_COMPLETED = """
UPDATE fact_task AS t SET closed_at = $3
WHERE t.tenant = $1 AND t.party_id = ANY($2::uuid[]) AND t.fact = 'facts.completed' AND t.closed_at IS NULL
  AND NOT EXISTS (SELECT FROM hold h WHERE h.tenant = t.tenant AND h.party_id = t.party_id
                  AND h.kind = 'facts_incomplete' AND h.ended_at IS NULL)
  AND NOT EXISTS (SELECT FROM parked_party p WHERE p.party_id = t.party_id)
  AND NOT EXISTS (SELECT FROM feeder_watermark w WHERE t.party_id = ANY(w.named_parties))
"""
_WITHOUT_PACK = """
SELECT DISTINCT f.jurisdiction FROM fact_task t JOIN party_fact f USING (tenant, party_id)
WHERE t.tenant = $1 AND t.fact = 'pack.loaded' AND t.closed_at IS NULL ORDER BY f.jurisdiction
"""
_CLOSE_WITHOUT_PACK = """
UPDATE fact_task AS t SET closed_at = $3 FROM party_fact f
WHERE t.tenant = $1 AND t.fact = 'pack.loaded' AND t.closed_at IS NULL
  AND f.tenant = t.tenant AND f.party_id = t.party_id AND f.jurisdiction = ANY($2::text[])
"""
_CLOSE_WITHOUT_CALENDAR = """
UPDATE fact_task AS t SET closed_at = $5 FROM unnest($2::text[], $3::date[], $4::date[]) AS c(rule, first, last)
WHERE t.tenant = $1 AND t.fact = 'calendar.loaded' AND t.closed_at IS NULL AND t.rule = c.rule
  AND coalesce(t.needed_day, t.opened_at::date) BETWEEN c.first AND c.last
"""
_LIST = """
SELECT * FROM fact_task
WHERE tenant = $1 AND closed_at IS NULL AND ($2::timestamptz IS NULL OR (due_at, task_id) > ($2, $3::uuid))
  AND ($4::text IS NULL OR owner = $4) AND ($5::timestamptz IS NULL OR due_at <= $5)
ORDER BY due_at, task_id LIMIT $6
"""
_BLOCKED = """
SELECT * FROM (
    SELECT party_id, min(opened_at) AS since, array_agg(DISTINCT fact ORDER BY fact) AS facts,
           array_agg(DISTINCT rule ORDER BY rule) AS rules, array_agg(DISTINCT owner ORDER BY owner) AS owners
    FROM fact_task WHERE tenant = $1 AND closed_at IS NULL GROUP BY party_id
) AS blocked
WHERE since <= $2 AND ($3::timestamptz IS NULL OR (since, party_id) > ($3, $4::uuid))
ORDER BY since, party_id LIMIT $5
"""
_OVERDUE = """
SELECT owner, count(*) AS n FROM fact_task WHERE tenant = $1 AND closed_at IS NULL AND due_at <= $2 GROUP BY owner
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedParty:
    """A person whom missing facts have blocked since `since` (business time)."""

    party_id: UUID
    since: datetime
    facts: tuple[str, ...]
    rules: tuple[str, ...]
    owners: tuple[str, ...]


async def load_open(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, dict[str, FactTask]]:
    """The open tasks of the parties, by party and fact."""
    found: dict[UUID, dict[str, FactTask]] = {}
    for row in await uow.sql.fetch(_OPEN, uow.tenant, sorted(set(party_ids))):
        found.setdefault(row["party_id"], {})[row["fact"]] = _task(row)
    return found


async def insert(uow: UnitOfWork, tasks: Sequence[FactTask]) -> None:
    """Keep new tasks."""
    if tasks:
        uow.sql.later(
            _INSERT,
            uow.tenant,
            [task.party_id for task in tasks],
            [task.task_id for task in tasks],
            [task.fact for task in tasks],
            [task.rule for task in tasks],
            [task.owner for task in tasks],
            [task.opened_at for task in tasks],
            [task.due_at for task in tasks],
            [task.needed_day for task in tasks],
        )


async def close(uow: UnitOfWork, task_ids: Iterable[UUID]) -> None:
    """Close tasks at the unit of work's business time."""
    ids = sorted(task_ids)
    if ids:
        await uow.sql.execute(_CLOSE, uow.tenant, ids, uow.now)


async def close_answered(uow: UnitOfWork, told: Sequence[tuple[UUID, str]]) -> None:
    """Close the tasks whose (party, fact) has just been told."""
    if told:
        parties, facts = zip(*told, strict=True)
        await uow.sql.execute(_CLOSE_ANSWERED, uow.tenant, parties, facts, uow.now)


async def close_completed(uow: UnitOfWork, party_ids: Iterable[UUID]) -> None:
    """Close the parties' tasks for incomplete facts, where no record of theirs waits for repair anywhere."""
    ids = sorted(set(party_ids))
    if ids:
        await uow.sql.execute(_CLOSE_COMPLETED, uow.tenant, ids, uow.now)


async def load_places_without_pack(uow: UnitOfWork) -> list[str]:
    """The places of the people who wait for rules of theirs."""
    return [row["jurisdiction"] for row in await uow.sql.fetch(_WITHOUT_PACK, uow.tenant)]


async def close_without_pack(uow: UnitOfWork, places: Sequence[str]) -> None:
    """Close the tasks of the people of these places who waited for rules."""
    if places:
        await uow.sql.execute(_CLOSE_WITHOUT_PACK, uow.tenant, places, uow.now)


async def close_without_calendar(uow: UnitOfWork, calendars: Mapping[str, tuple[date, date]]) -> None:
    """Close the tasks that waited for a day which the calendar of their rule covers now (first and last date)."""
    rules = sorted(calendars)
    first, last = ([calendars[rule][end] for rule in rules] for end in (0, 1))
    await uow.sql.execute(_CLOSE_WITHOUT_CALENDAR, uow.tenant, rules, first, last, uow.now)


async def list_tasks(
    uow: UnitOfWork, *, owner: Owner | None, overdue: bool, after: tuple[datetime, UUID] | None, limit: int
) -> list[FactTask]:
    """The open tasks, the one due first first, after (due time, id)."""
    due, last = after if after is not None else (None, None)
    rows = await uow.sql.fetch(_LIST, uow.tenant, due, last, owner, uow.now if overdue else None, limit)
    return [_task(row) for row in rows]


async def list_blocked(uow: UnitOfWork, *, after: tuple[datetime, UUID] | None, limit: int) -> list[BlockedParty]:
    """The parties blocked for longer than 14 days, the longest first, after (since, party)."""
    since, last = after if after is not None else (None, None)
    rows = await uow.sql.fetch(_BLOCKED, uow.tenant, uow.now - BLOCKED_AFTER, since, last, limit)
    return [
        BlockedParty(
            party_id=row["party_id"],
            since=row["since"],
            facts=tuple(row["facts"]),
            rules=tuple(row["rules"]),
            owners=tuple(row["owners"]),
        )
        for row in rows
    ]


async def count_overdue(uow: UnitOfWork) -> dict[Owner, int]:
    """How many tasks are overdue, of every owner."""
    found = {row["owner"]: row["n"] for row in await uow.sql.fetch(_OVERDUE, uow.tenant, uow.now)}
    return {owner: found.get(owner, 0) for owner in get_args(Owner)}


def _task(row: asyncpg.Record) -> FactTask:
    return FactTask(
        task_id=row["task_id"],
        party_id=row["party_id"],
        fact=row["fact"],
        rule=row["rule"],
        owner=row["owner"],
        opened_at=row["opened_at"],
        due_at=row["due_at"],
        closed_at=row["closed_at"],
        needed_day=row["needed_day"],
    )
