"""Candidacies: the case, the blocks and the live visit of each party."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

import asyncpg

from services.assignment.domain.candidacy import Block, Candidacy, CaseFacts, ChosenAction
from services.assignment.domain.policy import SelectionPolicy
from services.assignment.domain.visits import LIVE, PlannedVisit, VisitState
from services.assignment.store.rows import columns
from shared.database import UnitOfWork
from shared.events.base import TimeWindow
from shared.messaging.disbelieved import disbelieved
from shared.money import Money

_LIVE = sorted(LIVE)

_CANDIDATES = "SELECT * FROM candidate WHERE tenant = $1 AND party_id = ANY($2::uuid[])"
_BLOCKS = """
SELECT * FROM block WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY party_id, since, cause, reference
"""
_LIVE_VISITS = "SELECT * FROM visit WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND state = ANY($3::text[])"

# Coarse filter in SQL, the decision itself in the domain: what is dropped here would be refused there.
_WORTH_A_LOOK = """
SELECT c.party_id FROM candidate c
WHERE c.tenant = $1 AND c.is_open AND NOT c.held AND NOT c.suspended AND c.bucket = ANY($2::text[])
  AND c.action = 'field_visit' AND c.action_case_id = c.case_id
  AND c.dpd_effective >= $3 AND (c.not_before IS NULL OR c.not_before <= $4)
  AND NOT EXISTS (
    SELECT FROM visit v WHERE v.tenant = c.tenant AND v.party_id = c.party_id AND v.state = ANY($5::text[])
  )
ORDER BY c.party_id
"""

_VISITED = """
SELECT DISTINCT unnest(c.shared) AS name FROM visit v JOIN candidate c USING (tenant, party_id)
WHERE v.tenant = $1 AND v.state = ANY($2::text[])
"""

_SAVE_CANDIDATES = """
INSERT INTO candidate (tenant, party_id, case_id, case_version, bucket, dpd_effective, overdue_minor, overdue_currency,
                       jurisdiction, time_zones, language, cell, held, facts_at, is_open, suspended, not_before,
                       shared, leads, action, action_number, action_case_id, core)
SELECT $1, r.party_id, r.case_id, r.case_version, r.bucket, r.dpd_effective,
       r.overdue_minor::bigint[], r.overdue_currency::text[], r.jurisdiction, r.time_zones::text[], r.language, r.cell,
       r.held, r.facts_at, r.is_open, r.suspended, r.not_before, coalesce(r.shared::text[], '{}'),
       coalesce(r.leads, true), r.action, r.action_number, r.action_case_id, r.core
FROM unnest($2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::integer[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::boolean[], $14::timestamptz[], $15::boolean[], $16::boolean[],
            $17::text[], $18::boolean[], $19::text[], $20::date[], $21::text[], $22::integer[], $23::uuid[])
  AS r(party_id, case_id, case_version, bucket, dpd_effective, overdue_minor, overdue_currency, jurisdiction,
       time_zones, language, cell, held, facts_at, is_open, suspended, shared, leads, core, not_before, action,
       action_number, action_case_id)
ON CONFLICT (tenant, party_id) DO UPDATE SET
  case_id = excluded.case_id, case_version = excluded.case_version, bucket = excluded.bucket,
  dpd_effective = excluded.dpd_effective, overdue_minor = excluded.overdue_minor,
  overdue_currency = excluded.overdue_currency, jurisdiction = excluded.jurisdiction,
  time_zones = excluded.time_zones, language = excluded.language, cell = excluded.cell, held = excluded.held,
  facts_at = excluded.facts_at, is_open = excluded.is_open, suspended = excluded.suspended,
  shared = excluded.shared, leads = excluded.leads,
  not_before = excluded.not_before, action = excluded.action, action_number = excluded.action_number,
  action_case_id = excluded.action_case_id, core = excluded.core
"""

_SAVE_BLOCKS = """
INSERT INTO block (tenant, party_id, cause, reference, since, until, ended_at)
SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
ON CONFLICT (tenant, party_id, cause, reference) DO UPDATE SET
  since = excluded.since, until = excluded.until, ended_at = excluded.ended_at
"""

_SAVE_VISITS = """
INSERT INTO visit (tenant, party_id, visit_id, case_id, field_day_id, field_day, pair_id, crew, device_id, stop_number,
                   arrives_at, window_start, window_end, duration_minutes, cell, jurisdiction, time_zones, case_version,
                   version, state, cause, rules, permit_id, changed_at)
SELECT $1, r.party_id, r.visit_id, r.case_id, r.field_day_id, r.field_day, r.pair_id, r.crew::uuid[], r.device_id,
       r.stop_number, r.arrives_at, r.window_start, r.window_end, r.duration_minutes, r.cell, r.jurisdiction,
       r.time_zones::text[], r.case_version, r.version, r.state, r.cause, r.rules::text[], r.permit_id, r.changed_at
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::date[], $7::uuid[], $8::text[], $9::text[],
            $10::integer[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::integer[], $15::text[],
            $16::text[], $17::text[], $18::integer[], $19::integer[], $20::text[], $21::text[], $22::text[],
            $23::uuid[], $24::timestamptz[])
  AS r(party_id, visit_id, case_id, field_day_id, field_day, pair_id, crew, device_id, stop_number, arrives_at,
       window_start, window_end, duration_minutes, cell, jurisdiction, time_zones, case_version, version, state, cause,
       rules, permit_id, changed_at)
ON CONFLICT (tenant, party_id, visit_id) DO UPDATE SET
  window_start = excluded.window_start, window_end = excluded.window_end, version = excluded.version,
  state = excluded.state, cause = excluded.cause, rules = excluded.rules, permit_id = excluded.permit_id,
  changed_at = excluded.changed_at
"""


async def load_candidacies(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, Candidacy]:
    """One candidacy per party; a party nobody has heard of gets an empty one."""
    ids = sorted(set(party_ids))
    cases = {row["party_id"]: row for row in await uow.sql.fetch(_CANDIDATES, uow.tenant, ids)}
    blocks: dict[UUID, list[Block]] = defaultdict(list)
    for row in await uow.sql.fetch(_BLOCKS, uow.tenant, ids):
        blocks[row["party_id"]].append(_block(row))
    cores = await disbelieved(uow)
    visits = {row["party_id"]: planned_visit(row) for row in await uow.sql.fetch(_LIVE_VISITS, uow.tenant, ids, _LIVE)}
    return {
        party_id: Candidacy(
            party_id=party_id,
            case=_case(cases.get(party_id)),
            chosen=_chosen(cases.get(party_id)),
            blocks=tuple(blocks[party_id]),
            not_before=cases[party_id]["not_before"] if party_id in cases else None,
            visit=visits.get(party_id),
            disbelieved=cores,
        )
        for party_id in ids
    }


async def parties_worth_a_look(uow: UnitOfWork, policy: SelectionPolicy, day: date) -> list[UUID]:
    """Parties that the policy might choose for `day`."""
    rows = await uow.sql.fetch(
        _WORTH_A_LOOK, uow.tenant, list(policy.buckets), policy.minimum_days_past_due, day, _LIVE
    )
    return [row["party_id"] for row in rows]


async def visited(uow: UnitOfWork) -> set[str]:
    """The homes and shared debts about which a visit is planned or under way."""
    return {row["name"] for row in await uow.sql.fetch(_VISITED, uow.tenant, _LIVE)}


async def save_candidacies(
    uow: UnitOfWork,
    before: Mapping[UUID, Candidacy],
    after: Mapping[UUID, Candidacy],
    finished: Sequence[PlannedVisit] = (),
) -> None:
    """Write what changed, final rows once, sorted by key."""
    changed = [after[party_id] for party_id in sorted(after) if after[party_id] != before[party_id]]
    await _save_candidates(
        uow,
        [c for c in changed if _kept_with_case(c) != _kept_with_case(before[c.party_id])],
    )
    await _save_blocks(
        uow,
        [(c.party_id, block) for c in changed for block in c.blocks if block not in before[c.party_id].blocks],
    )
    live = [c.visit for c in changed if c.visit is not None and c.visit != before[c.party_id].visit]
    # What ends goes first: a party has at most one live visit at any moment, and the index says so.
    await _save_visits(uow, finished)
    await _save_visits(uow, live)


async def _save_candidates(uow: UnitOfWork, changed: Sequence[Candidacy]) -> None:
    if not changed:
        return
    rows = [(c.party_id, *_case_row(c.case), c.not_before, *_chosen_row(c.chosen)) for c in changed]
    await uow.sql.execute(_SAVE_CANDIDATES, uow.tenant, *columns(rows))


async def _save_blocks(uow: UnitOfWork, changed: Sequence[tuple[UUID, Block]]) -> None:
    if not changed:
        return
    ordered = sorted(changed, key=lambda each: (each[0], each[1].cause, each[1].reference))
    rows = [(party_id, b.cause, b.reference, b.since, b.until, b.ended_at) for party_id, b in ordered]
    await uow.sql.execute(_SAVE_BLOCKS, uow.tenant, *columns(rows))


async def _save_visits(uow: UnitOfWork, visits: Sequence[PlannedVisit]) -> None:
    # A visit may pass through several states in one batch; only its last one is a row.
    last = {visit.visit_id: visit for visit in visits}
    if not last:
        return
    rows = [_visit_row(visit) for visit in sorted(last.values(), key=lambda v: (v.party_id, v.visit_id))]
    await uow.sql.execute(_SAVE_VISITS, uow.tenant, *columns(rows))


def _kept_with_case(candidacy: Candidacy) -> tuple[object, ...]:
    """What is in the candidate's own row."""
    return candidacy.case, candidacy.not_before, candidacy.chosen


def _chosen(row: asyncpg.Record | None) -> ChosenAction | None:
    if row is None or row["action"] is None:
        return None
    return ChosenAction(case_id=row["action_case_id"], number=row["action_number"], action=row["action"])


def _chosen_row(chosen: ChosenAction | None) -> tuple[object, ...]:
    return (None, None, None) if chosen is None else (chosen.action, chosen.number, chosen.case_id)


def _case(row: asyncpg.Record | None) -> CaseFacts | None:
    if row is None or row["case_id"] is None:
        return None
    totals = zip(row["overdue_minor"], row["overdue_currency"], strict=True)
    return CaseFacts(
        case_id=row["case_id"],
        version=row["case_version"],
        bucket=row["bucket"],
        dpd_effective=row["dpd_effective"],
        overdue_totals=tuple(Money(amount_minor=minor, currency=currency) for minor, currency in totals),
        jurisdiction=row["jurisdiction"],
        time_zones=tuple(row["time_zones"]),
        language=row["language"],
        cell=row["cell"],
        held=row["held"],
        facts_at=row["facts_at"],
        is_open=row["is_open"],
        suspended=row["suspended"],
        shared=tuple(row["shared"]),
        leads=row["leads"],
        core=row["core"],
    )


def _case_row(case: CaseFacts | None) -> tuple[object, ...]:
    if case is None:
        return (None,) * 17
    return (
        case.case_id,
        case.version,
        case.bucket,
        case.dpd_effective,
        _array(str(total.amount_minor) for total in case.overdue_totals),
        _array(total.currency for total in case.overdue_totals),
        case.jurisdiction,
        _array(case.time_zones),
        case.language,
        case.cell,
        case.held,
        case.facts_at,
        case.is_open,
        case.suspended,
        _array(case.shared),
        case.leads,
        case.core,
    )


def _visit_row(visit: PlannedVisit) -> tuple[object, ...]:
    return (
        visit.party_id,
        visit.visit_id,
        visit.case_id,
        visit.field_day_id,
        visit.field_day,
        visit.pair_id,
        _array(str(member) for member in visit.crew),
        visit.device_id,
        visit.stop_number,
        visit.arrives_at,
        visit.window.start,
        visit.window.end,
        visit.duration_minutes,
        visit.cell,
        visit.jurisdiction,
        _array(visit.time_zones),
        visit.case_version,
        visit.version,
        visit.state.value,
        visit.cause,
        _array(visit.rules),
        visit.permit_id,
        visit.changed_at,
    )


def _array(values: Iterable[str]) -> str:
    """A PostgreSQL array literal: arrays of different lengths cannot be columns of one `unnest`."""
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return "{" + ",".join(quoted) + "}"


def _block(row: asyncpg.Record) -> Block:
    return Block(
        cause=row["cause"],
        reference=row["reference"],
        since=row["since"],
        until=row["until"],
        ended_at=row["ended_at"],
    )


def planned_visit(row: asyncpg.Record) -> PlannedVisit:
    """A row of `visit`."""
    return PlannedVisit(
        visit_id=row["visit_id"],
        party_id=row["party_id"],
        case_id=row["case_id"],
        field_day_id=row["field_day_id"],
        field_day=row["field_day"],
        pair_id=row["pair_id"],
        crew=tuple(row["crew"]),
        device_id=row["device_id"],
        stop_number=row["stop_number"],
        arrives_at=row["arrives_at"],
        window=TimeWindow(start=row["window_start"], end=row["window_end"]),
        duration_minutes=row["duration_minutes"],
        cell=row["cell"],
        jurisdiction=row["jurisdiction"],
        time_zones=tuple(row["time_zones"]),
        case_version=row["case_version"],
        changed_at=row["changed_at"],
        version=row["version"],
        state=VisitState(row["state"]),
        cause=row["cause"],
        rules=tuple(row["rules"]),
        permit_id=row["permit_id"],
    )
