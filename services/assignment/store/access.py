"""The SQL of subject access in assignment: everything kept about one person, list by list, oldest first."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from shared.access.store import rows_of
from shared.database import UnitOfWork

_LISTS: Final = {
    "candidacy": """
SELECT case_id, bucket, dpd_effective, overdue_minor, overdue_currency, jurisdiction, time_zones, language, cell,
       held, suspended, is_open, facts_at, not_before, action, shared, leads
FROM candidate
WHERE tenant = $1 AND party_id = $2
""",
    "blocks": """
SELECT cause, since, until, ended_at FROM block
WHERE tenant = $1 AND party_id = $2 ORDER BY since, cause, reference
""",
    # Who would come, with which device and on which way is about our staff.
    "visits": """
SELECT visit_id, case_id, field_day, window_start, window_end, duration_minutes, cell, state, cause, rules,
       cardinality(crew) AS crew_size, changed_at FROM visit
WHERE tenant = $1 AND party_id = $2 ORDER BY field_day, visit_id
""",
    "not_planned": """
SELECT d.day, u.reason, u.rules FROM unassigned u JOIN field_day d USING (tenant, field_day_id)
WHERE u.tenant = $1 AND u.party_id = $2 ORDER BY d.day
""",
    "areas": """
SELECT d.day, a.status FROM field_area a JOIN field_day d USING (tenant, field_day_id)
WHERE a.tenant = $1 AND a.party_ids @> ARRAY[$2::uuid] ORDER BY d.day
""",
}
NOT_TOLD: Final[dict[str, str]] = {}
"""Tables about people that no list tells, and why."""


async def load_lists(uow: UnitOfWork, party_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """The rows of every list, by name: they are one person's, so they are read whole."""
    return {name: await rows_of(uow, text, party_id) for name, text in _LISTS.items()}


def statements() -> str:
    """Every statement: which tables are told is read from them."""
    return " ".join(_LISTS.values())
