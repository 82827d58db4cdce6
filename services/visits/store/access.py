"""The SQL of subject access in visits: everything kept about one person, list by list, oldest first."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from shared.access.store import rows_of
from shared.database import UnitOfWork

_LISTS: Final = {
    "known": """
SELECT time_zones, language, cured_at, stop_cause, stop_arrived_at FROM party_fact WHERE tenant = $1 AND party_id = $2
""",
    # Who came, with which device, is about our staff; permit tokens and codes would let others open a door.
    "visits": """
SELECT visit_id, case_id, state, field_day, window_start, window_end, duration_minutes, cell, jurisdiction,
       cardinality(crew) AS crew_size, answer_by, offered_at, answered_at, checked_in_at, checked_out_at,
       cardinality(crew_present) AS crew_present, distance_m, notice_cause, end_cause, record::text AS record,
       leaf_index FROM visit
WHERE tenant = $1 AND party_id = $2 ORDER BY field_day, visit_id
""",
    "messages": """
SELECT message_id, visit_id, handed_at FROM message_out
WHERE tenant = $1 AND party_id = $2 ORDER BY handed_real, message_id
""",
    "recalls": """
SELECT visit_id, kind, cause, recalled_at, state_before FROM recall
WHERE tenant = $1 AND party_id = $2 ORDER BY recalled_at, visit_id
""",
    "refused_check_ins": """
SELECT visit_id, refused_at, reasons, cell FROM check_in_refusal
WHERE tenant = $1 AND party_id = $2 ORDER BY refused_at, refusal_id
""",
    "permits_used": """
SELECT visit_id, used_at FROM permit_use WHERE tenant = $1 AND party_id = $2 ORDER BY used_at, permit_id
""",
    "permits_revoked": """
SELECT cause, revoked_at FROM permit_revoked WHERE tenant = $1 AND party_id = $2 ORDER BY revoked_at, permit_id
""",
    "permits_held": """
SELECT visit_id, valid_to, cause FROM held_permit WHERE tenant = $1 AND party_id = $2 ORDER BY valid_to, permit_id
""",
    # That somebody of ours called for help says something of the person's door, not who it was.
    "alarms": """
SELECT visit_id, kind, raised_at, acknowledged_real IS NOT NULL AS answered FROM alarm
WHERE tenant = $1 AND party_id = $2 ORDER BY raised_at, alarm_id
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
