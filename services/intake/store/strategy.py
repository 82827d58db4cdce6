"""The SQL of the strategy: what a choice looks at, what was chosen, what was done, and which strategy chose when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from services.intake.strategy.decision import Choice
from services.intake.strategy.release import Strategy, Version
from shared.database import UnitOfWork
from shared.database.columns import joined
from shared.events.case import NextAction, StrategyArm

_totals = msgspec.json.Decoder(tuple[tuple[str, int], ...]).decode
# One look-up per person and table: merged by order, all rows before the last of them would be read, and a plan that was
# made while the tables were small would go on reading them whole.
_CASES: Final = """
SELECT c.party_id, c.case_id, c.status, c.held, c.suspended, c.as_of, c.days_contractual, c.days_effective,
       c.overdue_minor::text, p.mobile_index IS NOT NULL AS has_phone,
       p.profile::json ->> 'cell' IS NOT NULL AS has_home, s.as_of AS scored_on, s.cure_probability,
       n.number, n.action, n.reasons, n.rule, n.next_on, n.strategy_sha256, n.arm
FROM unnest($2::uuid[]) WITH ORDINALITY AS k(party_id, place)
CROSS JOIN LATERAL (SELECT * FROM case_file WHERE tenant = $1 AND party_id = k.party_id LIMIT 1) c
LEFT JOIN LATERAL (SELECT * FROM person WHERE tenant = $1 AND party_id = k.party_id LIMIT 1) p ON true
LEFT JOIN LATERAL (SELECT * FROM score WHERE tenant = $1 AND party_id = k.party_id LIMIT 1) s ON s.case_id = c.case_id
LEFT JOIN LATERAL (SELECT * FROM next_action WHERE tenant = $1 AND party_id = k.party_id LIMIT 1) n ON true
ORDER BY k.place
"""
_HISTORY: Final = """
SELECT party_id, fact_id, kind, reference, happened_at, codes FROM case_history
WHERE tenant = $1 AND party_id = ANY($2::uuid[])
"""
_HOLDS: Final = """
SELECT party_id, hold_id, kind, channels, valid_from, valid_to FROM party_hold
WHERE tenant = $1 AND party_id = ANY($2::uuid[])
"""
# Whoever is somebody else by now: what was done with them was done with that person.
_MEMBERS: Final = """
SELECT party_id, lead_id FROM party_identity WHERE tenant = $1 AND lead_id = ANY($2::uuid[]) AND party_id <> lead_id
"""
_ADD_FACTS: Final = """
INSERT INTO case_history (tenant, party_id, kind, reference, happened_at, codes, origin, recorded_at)
SELECT $1, party_id, kind, reference, happened_at, codes::text[], origin, $8
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[])
  AS n(party_id, kind, reference, happened_at, codes, origin)
ORDER BY party_id, kind, reference
ON CONFLICT DO NOTHING RETURNING party_id, kind, reference
"""
_HELD_FACTS: Final = """
SELECT count(*) FROM case_history h
JOIN unnest($2::uuid[], $3::text[], $4::text[]) AS n(party_id, kind, reference) USING (party_id, kind, reference)
WHERE h.tenant = $1
"""
_SET_HOLDS: Final = """
INSERT INTO party_hold (tenant, party_id, hold_id, kind, channels, valid_from, valid_to)
SELECT $1, party_id, hold_id, kind, channels::text[], valid_from, valid_to
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[])
  AS n(party_id, hold_id, kind, channels, valid_from, valid_to)
ON CONFLICT (tenant, party_id, hold_id) DO UPDATE
SET kind = excluded.kind, channels = excluded.channels, valid_from = excluded.valid_from, valid_to = excluded.valid_to
"""
_SAVE: Final = """
INSERT INTO next_action (tenant, party_id, case_id, number, action, reasons, rule, next_on, strategy, strategy_version,
                         strategy_sha256, arm, chosen_at)
SELECT $1, party_id, case_id, number, action, reasons::text[], rule, nullif(next_on, '-')::date, strategy, version,
       sha256, arm, $12
FROM unnest(string_to_array($2, chr(31))::uuid[], string_to_array($3, chr(31))::uuid[],
            string_to_array($4, chr(31))::integer[], string_to_array($5, chr(31)), string_to_array($6, chr(31)),
            string_to_array($7, chr(31)), string_to_array($8, chr(31)), string_to_array($9, chr(31)),
            string_to_array($10, chr(31))::integer[], string_to_array($11, chr(31)), string_to_array($13, chr(31)))
  AS n(party_id, case_id, number, action, reasons, rule, next_on, strategy, version, sha256, arm)
ON CONFLICT (tenant, party_id) DO UPDATE
SET case_id = excluded.case_id, number = excluded.number, action = excluded.action, reasons = excluded.reasons,
    rule = excluded.rule, next_on = excluded.next_on, strategy = excluded.strategy,
    strategy_version = excluded.strategy_version, strategy_sha256 = excluded.strategy_sha256, arm = excluded.arm,
    chosen_at = excluded.chosen_at
"""
_OPEN: Final = """
SELECT party_id FROM case_file WHERE tenant = $1 AND status = 'open' AND ($2::text IS NULL OR core = $2)
  AND ($3::uuid IS NULL OR party_id > $3)
ORDER BY party_id LIMIT $4
"""
# In order of the primary key: no index of its own, which each choice would pay for, for one pass a day.
_WAITS_OVER: Final = """
SELECT party_id FROM next_action WHERE tenant = $1 AND action = 'wait' AND next_on <= $2
  AND ($3::uuid IS NULL OR party_id > $3)
ORDER BY party_id LIMIT $4
"""
_CHOSEN: Final = """
SELECT n.*, c.party_id AS party, c.case_id AS case, c.opened_at
FROM case_file c LEFT JOIN next_action n ON n.tenant = c.tenant AND n.party_id = c.party_id
WHERE c.tenant = $1 AND c.case_id = $2
"""
_PAGE: Final = """
SELECT * FROM next_action WHERE tenant = $1 AND action = $2 AND ($3::uuid IS NULL OR case_id > $3)
ORDER BY case_id LIMIT $4
"""
_FIGURES: Final = """
SELECT action, arm, count(*) AS cases FROM next_action n
WHERE tenant = $1 AND EXISTS (
    SELECT FROM case_file c WHERE c.tenant = n.tenant AND c.party_id = n.party_id AND c.status = 'open'
)
GROUP BY 1, 2 ORDER BY 1, 2
"""
_NAMED: Final = """
SELECT k.core, k.party_ref, a.party_id FROM unnest($2::text[], $3::text[]) AS k(core, party_ref)
JOIN party_alias a ON a.tenant = $1 AND a.core = k.core AND a.party_ref = k.party_ref
"""
_LAST_USE: Final = """
SELECT sha256, challenger, not_used FROM strategy_use WHERE tenant = $1 ORDER BY use_id DESC LIMIT 1
"""
_ADD_USE: Final = """
INSERT INTO strategy_use (tenant, strategy, sha256, challenger, not_used, approved_by, since)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING use_id
"""


Members = Mapping[UUID, UUID]
"""Who stands for a party that is somebody else by now."""


class NewFact(NamedTuple):
    """Something that was done, or came of it."""

    party_id: UUID
    kind: str
    reference: str
    happened_at: datetime
    codes: tuple[str, ...]
    origin: str


class NewHold(NamedTuple):
    """A hold as it is known now; `valid_to` is its end, whichever way it was told."""

    party_id: UUID
    hold_id: UUID
    kind: str
    channels: tuple[str, ...] | None
    valid_from: datetime
    valid_to: datetime | None


class Chosen(NamedTuple):
    """A choice to be kept. `number`: how many of the case were told, this one included if it is."""

    party_id: UUID
    case_id: UUID
    number: int
    choice: Choice
    by: Version
    arm: StrategyArm
    version: int


async def load_cases(uow: UnitOfWork, party_ids: Iterable[UUID]) -> list[asyncpg.Record]:
    """The parties' cases with person, score and newest choice, in order of party."""
    return list(await uow.sql.fetch(_CASES, uow.tenant, sorted(set(party_ids))))


def totals_of(row: asyncpg.Record) -> tuple[tuple[str, int], ...]:
    """What is overdue, minor units by currency."""
    return _totals(row["overdue_minor"])


async def members_of(uow: UnitOfWork, party_ids: Iterable[UUID]) -> Members:
    """Who else these parties are, by the other's id."""
    return dict(await uow.sql.fetch(_MEMBERS, uow.tenant, sorted(set(party_ids))))


async def load_history(
    uow: UnitOfWork, party_ids: Iterable[UUID], members: Members
) -> dict[UUID, list[asyncpg.Record]]:  # fmt: skip
    """What was done and came of it, by party; under whoever stands for a party, theirs as well."""
    return await _with_members(uow, _HISTORY, party_ids, members)


async def load_holds(
    uow: UnitOfWork, party_ids: Iterable[UUID], members: Members
) -> dict[UUID, list[asyncpg.Record]]:  # fmt: skip
    """Holds, current and past, by party; under whoever stands for a party, theirs as well."""
    return await _with_members(uow, _HOLDS, party_ids, members)


async def add_facts(uow: UnitOfWork, facts: Sequence[NewFact]) -> set[tuple[UUID, str, str]]:
    """Keep what is new; returns its keys (party, kind, reference)."""
    if not facts:
        return set()
    columns = [list(column) for column in zip(*facts, strict=True)]
    columns[4] = [_array(codes) for codes in columns[4]]
    rows = await uow.sql.fetch(_ADD_FACTS, uow.tenant, *columns, uow.real_now)
    return {(row[0], row[1], row[2]) for row in rows}


async def held_facts(uow: UnitOfWork, keys: Iterable[tuple[UUID, str, str]]) -> int:
    """How many of these facts (party, kind, reference) are kept."""
    wanted = sorted(set(keys))
    columns = [[key[part] for key in wanted] for part in range(3)]
    return int(await uow.sql.fetchval(_HELD_FACTS, uow.tenant, *columns))


async def set_holds(uow: UnitOfWork, holds: Sequence[NewHold]) -> None:
    """Keep holds as they are known now; of one hold the last in the batch counts."""
    last = {(hold.party_id, hold.hold_id): hold for hold in holds}
    if not last:
        return
    columns = [list(column) for column in zip(*(last[key] for key in sorted(last)), strict=True)]
    columns[3] = [None if channels is None else _array(channels) for channels in columns[3]]
    await uow.sql.execute(_SET_HOLDS, uow.tenant, *columns)


async def save(uow: UnitOfWork, chosen: Sequence[Chosen]) -> None:
    """Keep choices, in order of party."""
    if not chosen:
        return
    await uow.sql.execute(
        _SAVE,
        uow.tenant,
        joined(one.party_id.hex for one in chosen),
        joined(one.case_id.hex for one in chosen),
        joined(one.number for one in chosen),
        joined(one.choice.action for one in chosen),
        joined(_array(one.choice.reasons) for one in chosen),
        joined(one.choice.rule for one in chosen),
        joined("-" if one.choice.next_on is None else one.choice.next_on for one in chosen),
        joined(one.by.policy.id for one in chosen),
        joined(one.version for one in chosen),
        joined(one.by.sha256 for one in chosen),
        uow.now,
        joined(one.arm for one in chosen),
    )


async def open_parties(uow: UnitOfWork, *, core: str | None, after: UUID | None, limit: int) -> list[UUID]:
    """Parties with an open case, in order of id."""
    return [row[0] for row in await uow.sql.fetch(_OPEN, uow.tenant, core, after, limit)]


async def waits_over(uow: UnitOfWork, day: date, *, after: UUID | None, limit: int) -> list[UUID]:
    """Parties who wait for a date up to `day`, in order of id."""
    return [row[0] for row in await uow.sql.fetch(_WAITS_OVER, uow.tenant, day, after, limit)]


async def chosen_for(uow: UnitOfWork, case_id: UUID) -> asyncpg.Record | None:
    """A case with its newest choice; None: no such case."""
    return await uow.sql.fetchrow(_CHOSEN, uow.tenant, case_id)


async def page(uow: UnitOfWork, action: NextAction, *, after: UUID | None, limit: int) -> list[asyncpg.Record]:
    """Cases by their next action, in order of case id."""
    return list(await uow.sql.fetch(_PAGE, uow.tenant, action, after, limit))


async def figures(uow: UnitOfWork) -> list[asyncpg.Record]:
    """How many open cases have which next action, by arm."""
    return list(await uow.sql.fetch(_FIGURES, uow.tenant))


async def named(uow: UnitOfWork, references: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], UUID]:
    """Party ids of known references (core, party_ref)."""
    wanted = sorted(set(references))
    rows = await uow.sql.fetch(_NAMED, uow.tenant, [core for core, _ in wanted], [name for _, name in wanted])
    return {(row[0], row[1]): row[2] for row in rows}


async def note_use(uow: UnitOfWork, strategy: Strategy) -> int | None:
    """Keep that this strategy chooses from now on; its number, or None when it was the last one already."""
    challenger = None if strategy.challenger is None else strategy.challenger.sha256
    last = await uow.sql.fetchrow(_LAST_USE, uow.tenant)
    if last is not None and tuple(last) == (strategy.champion.sha256, challenger, strategy.not_used):
        return None
    number: int = await uow.sql.fetchval(
        _ADD_USE, uow.tenant, strategy.champion.policy.id, strategy.champion.sha256, challenger, strategy.not_used,
        list(strategy.approved_by), uow.real_now,
    )  # fmt: skip
    return number


async def _with_members(
    uow: UnitOfWork, query: str, party_ids: Iterable[UUID], members: Members
) -> dict[UUID, list[asyncpg.Record]]:  # fmt: skip
    wanted = set(party_ids)
    asked = wanted | {member for member, lead in members.items() if lead in wanted}
    found: dict[UUID, list[asyncpg.Record]] = {}
    for row in await uow.sql.fetch(query, uow.tenant, sorted(asked)):
        for party_id in {row["party_id"], members.get(row["party_id"])} & wanted:
            found.setdefault(party_id, []).append(row)
    return found


def _array(codes: Iterable[str]) -> str:
    """An array literal of codes."""
    return f"{{{','.join(codes)}}}"
