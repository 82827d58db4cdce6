"""What people and other programs read of visits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from services.visits.domain.visit import Visit
from shared.database import UnitOfWork

_VISIT: Final = TypeAdapter(Visit)
_LIST: Final = """
SELECT to_jsonb(visit)::text AS row FROM visit
WHERE tenant = $1 AND ($2::date IS NULL OR field_day = $2) AND ($3::uuid IS NULL OR pair_id = $3)
  AND ($4::text IS NULL OR state = $4) AND ($5::date IS NULL OR (field_day, visit_id) > ($5, $6::uuid))
ORDER BY field_day, visit_id LIMIT $7
"""
_MESSAGES: Final = """
SELECT m.message_id, m.handed_at, m.handed_real, f.language, f.time_zones, to_jsonb(v)::text AS row
FROM message_out m
JOIN visit v ON v.tenant = m.tenant AND v.party_id = m.party_id AND v.visit_id = m.visit_id
LEFT JOIN party_fact f ON f.tenant = m.tenant AND f.party_id = m.party_id
WHERE m.tenant = $1 AND ($2::timestamptz IS NULL OR (m.handed_real, m.message_id) > ($2, $3::uuid))
ORDER BY m.handed_real, m.message_id LIMIT $4
"""
_DOOR: Final = """
SELECT to_jsonb(visit)::text AS row FROM visit
WHERE tenant = $1 AND door_code = $2 AND state IN ('assigned', 'en_route', 'checked_in')
ORDER BY visit_id LIMIT 1
"""
_COLLECTORS: Final = "SELECT collector_id, name, photo_ref FROM collector WHERE collector_id = ANY($1::uuid[])"
_ALARMS: Final = """
SELECT alarm_id, kind, visit_id, collector_id, silent, raised_at, raised_real, acknowledged_real, acknowledged_by
FROM alarm WHERE tenant = $1 AND ($2::boolean IS NULL OR (acknowledged_real IS NULL) = $2)
  AND ($3::timestamptz IS NULL OR (raised_real, alarm_id) > ($3, $4::uuid))
ORDER BY raised_real, alarm_id LIMIT $5
"""
_OLDEST_OPEN_ALARM: Final = "SELECT min(raised_real) FROM alarm WHERE tenant = $1 AND acknowledged_real IS NULL"
_ACKNOWLEDGE: Final = """
UPDATE alarm SET acknowledged_real = coalesce(acknowledged_real, $3), acknowledged_by = coalesce(acknowledged_by, $4)
WHERE tenant = $1 AND alarm_id = $2
RETURNING alarm_id, kind, visit_id, collector_id, silent, raised_at, raised_real, acknowledged_real, acknowledged_by
"""
# The percentiles are of real times only: fact on our topic to recall committed.
_SUMMARY: Final = """
SELECT jsonb_build_object(
  'visits_by_state', (SELECT coalesce(jsonb_object_agg(state, n), '{}') FROM
    (SELECT state, count(*) AS n FROM visit WHERE tenant = $1 GROUP BY state) AS s),
  'visits_by_outcome', (SELECT coalesce(jsonb_object_agg(outcome, n), '{}') FROM
    (SELECT record ->> 'outcome' AS outcome, count(*) AS n FROM visit
     WHERE tenant = $1 AND record IS NOT NULL GROUP BY 1) AS o),
  'ended_by_cause', (SELECT coalesce(jsonb_object_agg(end_cause, n), '{}') FROM
    (SELECT end_cause, count(*) AS n FROM visit WHERE tenant = $1 AND end_cause IS NOT NULL GROUP BY 1) AS e),
  'offers_handed_over', (SELECT count(*) FROM message_out WHERE tenant = $1),
  'check_ins', (SELECT count(*) FROM permit_use WHERE tenant = $1),
  'check_ins_without_recorded_leaf', (SELECT count(*) FROM visit
    WHERE tenant = $1 AND checked_in_at IS NOT NULL AND leaf_index IS NULL),
  'refused_check_ins', (SELECT count(*) FROM check_in_refusal WHERE tenant = $1),
  'refused_check_ins_by_reason', (SELECT coalesce(jsonb_object_agg(reason, n), '{}') FROM
    (SELECT reason, count(*) AS n FROM check_in_refusal, unnest(reasons) AS reason
     WHERE tenant = $1 GROUP BY reason) AS r),
  'recalls', (SELECT jsonb_build_object(
      'count', count(*),
      'p50_ms', percentile_cont(0.5) WITHIN GROUP (ORDER BY ms),
      'p95_ms', percentile_cont(0.95) WITHIN GROUP (ORDER BY ms),
      'p99_ms', percentile_cont(0.99) WITHIN GROUP (ORDER BY ms),
      'max_ms', max(ms)) FROM
    (SELECT extract(epoch FROM recalled_at - fact_arrived_at) * 1000 AS ms FROM recall
     WHERE tenant = $1 AND kind = 'recalled') AS t),
  'recalls_by_cause', (SELECT coalesce(jsonb_object_agg(cause, n), '{}') FROM
    (SELECT cause, count(*) AS n FROM recall WHERE tenant = $1 AND kind = 'recalled' GROUP BY cause) AS c),
  'notices_to_end', (SELECT count(*) FROM recall WHERE tenant = $1 AND kind = 'notice'),
  'check_ins_after_fact', (SELECT jsonb_build_object(
      'within_limit', count(*) FILTER (WHERE late <= $2),
      'beyond_limit', count(*) FILTER (WHERE late > $2)) FROM
    (SELECT checked_in_real - fact_arrived_at AS late FROM recall
     WHERE tenant = $1 AND kind = 'notice' AND checked_in_real > fact_arrived_at) AS l),
  'sos', (SELECT jsonb_build_object(
      'count', count(*), 'silent', count(*) FILTER (WHERE silent),
      'open', count(*) FILTER (WHERE acknowledged_real IS NULL),
      'answered_within_5_minutes',
      count(*) FILTER (WHERE acknowledged_real - raised_real <= interval '5 minutes')) FROM
    (SELECT * FROM alarm WHERE tenant = $1 AND kind = 'sos') AS a),
  'check_outs_overdue', (SELECT count(*) FROM alarm WHERE tenant = $1 AND kind = 'check_out_overdue'))::text
"""


@dataclass(frozen=True, slots=True)
class SentOffer:
    """A message as the gateway gets it, with the visit it offers."""

    message_id: UUID
    handed_at: datetime
    handed_real: datetime
    language: str | None
    time_zones: Sequence[str]
    visit: Visit


async def list_visits(
    uow: UnitOfWork,
    *,
    field_day: date | None,
    pair_id: UUID | None,
    state: str | None,
    after: tuple[date, UUID] | None,
    limit: int,
) -> list[Visit]:
    """Visits by day and id, after the cursor; one more than the page shows."""
    day, visit_id = after or (None, None)
    rows = await uow.sql.fetch(_LIST, uow.tenant, field_day, pair_id, state, day, visit_id, limit + 1)
    return [_VISIT.validate_json(row["row"]) for row in rows]


async def list_offers(uow: UnitOfWork, *, after: tuple[datetime, UUID] | None, limit: int) -> list[SentOffer]:
    """Messages in the order in which they were handed to the gateway; one more than the page shows."""
    moment, message_id = after or (None, None)
    rows = await uow.sql.fetch(_MESSAGES, uow.tenant, moment, message_id, limit + 1)
    return [
        SentOffer(
            row["message_id"],
            row["handed_at"],
            row["handed_real"],
            row["language"],
            row["time_zones"] or (),
            _VISIT.validate_json(row["row"]),
        )
        for row in rows
    ]


async def load_visit_at_door(uow: UnitOfWork, code: str) -> Visit | None:
    """The visit whose crew shows this code, while it may be at the door."""
    row = await uow.sql.fetchrow(_DOOR, uow.tenant, code)
    return None if row is None else _VISIT.validate_json(row["row"])


async def load_collectors(uow: UnitOfWork, collector_ids: Sequence[UUID]) -> Mapping[UUID, tuple[str, str | None]]:
    """Names and photo references of the collectors that are known."""
    rows = await uow.sql.fetch(_COLLECTORS, sorted(collector_ids))
    return {row["collector_id"]: (row["name"], row["photo_ref"]) for row in rows}


async def list_alarms(
    uow: UnitOfWork, *, open_only: bool | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[Mapping[str, Any]]:
    """Alarms in the order in which they were raised; one more than the page shows."""
    moment, alarm_id = after or (None, None)
    return [dict(row) for row in await uow.sql.fetch(_ALARMS, uow.tenant, open_only, moment, alarm_id, limit + 1)]


async def oldest_open_alarm(uow: UnitOfWork) -> datetime | None:
    """When (real time) the alarm was raised that nobody has looked after for longest; None when none is open."""
    raised: datetime | None = await uow.sql.fetchval(_OLDEST_OPEN_ALARM, uow.tenant)
    return raised


async def acknowledge_alarm(uow: UnitOfWork, alarm_id: UUID, *, by: str) -> Mapping[str, Any] | None:
    """Record who answered an alarm first; None when there is no such alarm."""
    row = await uow.sql.fetchrow(_ACKNOWLEDGE, uow.tenant, alarm_id, uow.real_now, by)
    return None if row is None else dict(row)


async def load_summary(uow: UnitOfWork, *, limit_seconds: float) -> dict[str, Any]:
    """The figures of `/v1/summary`. `limit_seconds` is F, against which check-ins after a fact are counted."""
    document: dict[str, Any] = json.loads(
        await uow.sql.fetchval(_SUMMARY, uow.tenant, timedelta(seconds=limit_seconds))
    )
    return document
