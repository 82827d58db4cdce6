"""Field days: areas, routes, parties left out, and the figures of the summary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.assignment.domain.field_day import FieldArea, FieldDay, LeftOut, PairRoute
from services.assignment.domain.routing import RouteFigures
from services.assignment.domain.travel import TravelModel
from services.assignment.domain.visits import PlannedVisit
from services.assignment.store.candidacies import planned_visit
from services.assignment.store.rows import columns
from shared.database import UnitOfWork

_INSERT_DAY = """
INSERT INTO field_day (tenant, field_day_id, day, status, policy_id, max_visits, requested_at, eligible, not_chosen,
                       refused_pairs, travel_model)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '{}', '{}', 'null')
ON CONFLICT (tenant, day) DO NOTHING RETURNING field_day_id
"""
_UPDATE_DAY = """
UPDATE field_day SET status = $3, planned_at = $4, eligible = $5, not_chosen = $6, refused_pairs = $7, travel_model = $8
WHERE tenant = $1 AND field_day_id = $2
"""
_DAY = "SELECT * FROM field_day WHERE tenant = $1 AND day = $2"
_DAY_BY_ID = "SELECT * FROM field_day WHERE tenant = $1 AND field_day_id = $2 FOR UPDATE"
_INSERT_AREA = """
INSERT INTO field_area (tenant, field_day_id, area_number, pair_ids, party_ids, status)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_AREA = "SELECT * FROM field_area WHERE tenant = $1 AND field_day_id = $2 AND area_number = $3"
_AREAS = "SELECT * FROM field_area WHERE tenant = $1 AND field_day_id = $2 ORDER BY area_number"
_AREA_DONE = "UPDATE field_area SET status = $4 WHERE tenant = $1 AND field_day_id = $2 AND area_number = $3"
_AREAS_WAITING = "SELECT count(*) FROM field_area WHERE tenant = $1 AND field_day_id = $2 AND status = 'waiting'"
# Planners of different days choose among the same people. The key space of one number belongs to parties.
_FENCE = "SELECT pg_advisory_xact_lock(2, hashtext($1))"
_CHOSEN_ELSEWHERE = """
SELECT c.party_id, c.shared FROM candidate c
JOIN (SELECT DISTINCT unnest(party_ids) AS party_id FROM field_area
      WHERE tenant = $1 AND status = 'waiting' AND field_day_id <> $2) AS a USING (party_id)
WHERE c.tenant = $1
"""
_INSERT_ROUTES = """
INSERT INTO route (tenant, field_day_id, pair_id, area_number, crew, device_id, stops, metres, travel_seconds,
                   service_seconds, duration_seconds, departs_at, returns_at, rest_start_at, cost_minor, cost_currency)
SELECT $1, $2, r.pair_id, r.area_number, ARRAY[r.first, r.second], r.device_id, r.stops, r.metres, r.travel_seconds,
       r.service_seconds, r.duration_seconds, r.departs_at, r.returns_at, r.rest_start_at, r.cost_minor, r.cost_currency
FROM unnest($3::uuid[], $4::integer[], $5::uuid[], $6::uuid[], $7::text[], $8::integer[], $9::bigint[], $10::integer[],
            $11::integer[], $12::integer[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[], $16::bigint[],
            $17::text[])
  AS r(pair_id, area_number, first, second, device_id, stops, metres, travel_seconds, service_seconds, duration_seconds,
       departs_at, returns_at, rest_start_at, cost_minor, cost_currency)
"""
_ROUTES = "SELECT * FROM route WHERE tenant = $1 AND field_day_id = $2 ORDER BY area_number, pair_id"
_VISITS = "SELECT * FROM visit WHERE tenant = $1 AND field_day_id = $2 ORDER BY pair_id, stop_number"
_INSERT_LEFT_OUT = """
INSERT INTO unassigned (tenant, field_day_id, party_id, reason, rules)
SELECT $1, $2, r.party_id, r.reason, string_to_array(r.rules, ',')
FROM unnest($3::uuid[], $4::text[], $5::text[]) AS r(party_id, reason, rules)
ON CONFLICT (tenant, party_id, field_day_id) DO UPDATE SET reason = excluded.reason, rules = excluded.rules
"""
_LEFT_OUT = "SELECT * FROM unassigned WHERE tenant = $1 AND field_day_id = $2 ORDER BY party_id"
_SUMMARY = {
    "cases_open": "SELECT bucket AS name, count(*) AS n FROM candidate WHERE tenant = $1 AND is_open GROUP BY bucket",
    "blocks": """
        SELECT cause AS name, count(DISTINCT party_id) AS n FROM block
        WHERE tenant = $1 AND ended_at IS NULL AND (until IS NULL OR until > $2) GROUP BY cause""",
    "visits": "SELECT state AS name, count(*) AS n FROM visit WHERE tenant = $1 GROUP BY state",
    "visit_causes": """
        SELECT state || ':' || cause AS name, count(*) AS n FROM visit
        WHERE tenant = $1 AND cause IS NOT NULL GROUP BY 1""",
    "unassigned": "SELECT reason AS name, count(*) AS n FROM unassigned WHERE tenant = $1 GROUP BY reason",
    "field_days": "SELECT status AS name, count(*) AS n FROM field_day WHERE tenant = $1 GROUP BY status",
    "staff": """
        SELECT 'collectors' AS name, count(*) AS n FROM collector WHERE tenant = $1 AND active
        UNION ALL SELECT 'pairs', count(*) FROM pair WHERE tenant = $1 AND active""",
}
_TOTALS = """
SELECT count(*) AS routes, coalesce(sum(stops), 0) AS stops, coalesce(sum(metres), 0) AS metres,
       coalesce(sum(travel_seconds), 0) AS travel_seconds, coalesce(sum(service_seconds), 0) AS service_seconds,
       coalesce(sum(duration_seconds), 0) AS duration_seconds, coalesce(sum(cost_minor), 0) AS cost_minor,
       min(cost_currency) AS cost_currency
FROM route WHERE tenant = $1 AND ($2::uuid IS NULL OR field_day_id = $2)
"""

_SUMS = (
    "routes", "stops", "metres", "travel_seconds", "service_seconds", "duration_seconds", "cost_minor"
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RouteTotals:
    """Sums over routes."""

    routes: int
    stops: int
    metres: int
    travel_seconds: int
    service_seconds: int
    duration_seconds: int
    cost_minor: int
    cost_currency: str | None


async def add_field_day(uow: UnitOfWork, field_day: FieldDay) -> bool:
    """Insert it; False when the day already has one."""
    inserted = await uow.sql.fetchval(
        _INSERT_DAY,
        uow.tenant,
        field_day.field_day_id,
        field_day.day,
        field_day.status,
        field_day.policy_id,
        field_day.max_visits,
        field_day.requested_at,
    )
    return inserted is not None


async def field_day_of(uow: UnitOfWork, day: date) -> FieldDay | None:
    """The field day of a date."""
    row = await uow.sql.fetchrow(_DAY, uow.tenant, day)
    return None if row is None else _field_day(row)


async def lock_field_day(uow: UnitOfWork, field_day_id: UUID) -> FieldDay:
    """The field day, its row locked until commit. Raises LookupError."""
    row = await uow.sql.fetchrow(_DAY_BY_ID, uow.tenant, field_day_id)
    if row is None:
        raise LookupError(f"no field day {field_day_id}")
    return _field_day(row)


async def fence_choosing(uow: UnitOfWork) -> None:
    """Until commit nobody else chooses whom to visit. Taken after the locks of parties, before those of rows."""
    await uow.sql.execute(_FENCE, uow.tenant)


async def chosen_elsewhere(uow: UnitOfWork, field_day_id: UUID) -> tuple[set[UUID], set[str]]:
    """Who is chosen for other field days that are not routed yet, and the homes and debts that they share."""
    rows = await uow.sql.fetch(_CHOSEN_ELSEWHERE, uow.tenant, field_day_id)
    return {row["party_id"] for row in rows}, {name for row in rows for name in row["shared"]}


async def save_field_day(uow: UnitOfWork, field_day: FieldDay) -> None:
    """Write how far planning is."""
    model = field_day.travel_model
    await uow.sql.execute(
        _UPDATE_DAY,
        uow.tenant,
        field_day.field_day_id,
        field_day.status,
        field_day.planned_at,
        field_day.eligible,
        json.dumps(field_day.not_chosen),
        json.dumps(field_day.refused_pairs),
        json.dumps(None if model is None else {"model_id": model.model_id, "parameters": model.parameters}),
    )


async def add_areas(uow: UnitOfWork, field_day_id: UUID, areas: Sequence[FieldArea]) -> None:
    """Insert the day's areas."""
    rows = [
        (uow.tenant, field_day_id, area.area_number, list(area.pair_ids), list(area.party_ids), area.status)
        for area in areas
    ]
    await uow.sql.executemany(_INSERT_AREA, rows)


async def load_area(uow: UnitOfWork, field_day_id: UUID, area_number: int) -> FieldArea:
    """One area. Raises LookupError."""
    row = await uow.sql.fetchrow(_AREA, uow.tenant, field_day_id, area_number)
    if row is None:
        raise LookupError(f"no area {area_number} of field day {field_day_id}")
    return _area(row)


async def areas_of(uow: UnitOfWork, field_day_id: UUID) -> list[FieldArea]:
    """All areas of a day."""
    return [_area(row) for row in await uow.sql.fetch(_AREAS, uow.tenant, field_day_id)]


async def finish_area(
    uow: UnitOfWork,
    field_day_id: UUID,
    area: FieldArea,
    *,
    routes: Sequence[PairRoute],
    left_out: Sequence[LeftOut],
) -> bool:
    """Write what came of an area; True when it was the day's last one."""
    await uow.sql.execute(_AREA_DONE, uow.tenant, field_day_id, area.area_number, area.status)
    if routes:
        await uow.sql.execute(_INSERT_ROUTES, uow.tenant, field_day_id, *columns([_route_row(r) for r in routes]))
    if left_out:
        ordered = sorted(left_out, key=lambda each: each.party_id)
        rows = [(each.party_id, each.reason, ",".join(each.rules)) for each in ordered]
        await uow.sql.execute(_INSERT_LEFT_OUT, uow.tenant, field_day_id, *columns(rows))
    return int(await uow.sql.fetchval(_AREAS_WAITING, uow.tenant, field_day_id)) == 0


async def routes_of(uow: UnitOfWork, field_day_id: UUID) -> list[PairRoute]:
    """The day's routes."""
    return [_route(row) for row in await uow.sql.fetch(_ROUTES, uow.tenant, field_day_id)]


async def visits_of(uow: UnitOfWork, field_day_id: UUID) -> list[PlannedVisit]:
    """The day's visits in order of pair and stop, ended ones included."""
    return [planned_visit(row) for row in await uow.sql.fetch(_VISITS, uow.tenant, field_day_id)]


async def left_out_of(uow: UnitOfWork, field_day_id: UUID) -> list[LeftOut]:
    """Parties that were handed to the router but not planned."""
    rows = await uow.sql.fetch(_LEFT_OUT, uow.tenant, field_day_id)
    return [LeftOut(party_id=row["party_id"], reason=row["reason"], rules=tuple(row["rules"])) for row in rows]


async def counts(uow: UnitOfWork, now: datetime) -> dict[str, dict[str, int]]:
    """The summary's counts, each by name."""
    found: dict[str, dict[str, int]] = {}
    for title, statement in _SUMMARY.items():
        arguments: list[Any] = [uow.tenant, now] if "$2" in statement else [uow.tenant]
        found[title] = {row["name"]: row["n"] for row in await uow.sql.fetch(statement, *arguments)}
    return found


async def totals(uow: UnitOfWork, field_day_id: UUID | None = None) -> RouteTotals:
    """Sums over the routes of one day, or of all."""
    row = await uow.sql.fetchrow(_TOTALS, uow.tenant, field_day_id)
    assert row is not None
    sums = {name: int(row[name]) for name in _SUMS}
    return RouteTotals(**sums, cost_currency=row["cost_currency"])


def _field_day(row: asyncpg.Record) -> FieldDay:
    model = json.loads(row["travel_model"])
    return FieldDay(
        field_day_id=row["field_day_id"],
        day=row["day"],
        status=row["status"],
        policy_id=row["policy_id"],
        max_visits=row["max_visits"],
        requested_at=row["requested_at"],
        planned_at=row["planned_at"],
        eligible=row["eligible"],
        not_chosen=json.loads(row["not_chosen"]),
        refused_pairs=json.loads(row["refused_pairs"]),
        travel_model=None if model is None else TravelModel(**model),
    )


def _area(row: asyncpg.Record) -> FieldArea:
    return FieldArea(
        area_number=row["area_number"],
        pair_ids=tuple(row["pair_ids"]),
        party_ids=tuple(row["party_ids"]),
        status=row["status"],
    )


def _route_row(route: PairRoute) -> tuple[object, ...]:
    figures = route.figures
    return (
        route.pair_id, route.area_number, *route.crew, route.device_id, route.stops, figures.metres,
        figures.travel_seconds, figures.service_seconds, figures.duration_seconds, route.departs_at, route.returns_at,
        route.rest_start_at, route.cost_minor, route.cost_currency,
    )  # fmt: skip


def _route(row: asyncpg.Record) -> PairRoute:
    return PairRoute(
        pair_id=row["pair_id"],
        area_number=row["area_number"],
        crew=tuple(row["crew"]),
        device_id=row["device_id"],
        stops=row["stops"],
        figures=RouteFigures(
            metres=row["metres"],
            travel_seconds=row["travel_seconds"],
            service_seconds=row["service_seconds"],
            duration_seconds=row["duration_seconds"],
        ),
        departs_at=row["departs_at"],
        returns_at=row["returns_at"],
        rest_start_at=row["rest_start_at"],
        cost_minor=row["cost_minor"],
        cost_currency=row["cost_currency"],
    )
