"""The SQL of subject access in plans: everything kept about one person, list by list, oldest first."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from shared.access.store import rows_of
from shared.database import UnitOfWork

_LISTS: Final = {
    "cases": """
SELECT case_id, is_open, balance_minor, balance_currency, jurisdiction, time_zones, suspended, core
FROM case_known
WHERE tenant = $1 AND party_id = $2 ORDER BY case_id
""",
    "plans": """
SELECT * FROM plan WHERE tenant = $1 AND party_id = $2 ORDER BY proposed_at, plan_id
""",
    "payments": """
SELECT p.plan_id, p.transaction_ref, p.loan_id, p.amount_minor, l.currency, p.reversed, p.recorded_at
FROM payment p JOIN plan l USING (tenant, party_id, plan_id)
WHERE p.tenant = $1 AND p.party_id = $2 ORDER BY p.plan_id, p.position
""",
    "refusals": """
SELECT rule, recorded_at FROM refusal WHERE tenant = $1 AND party_id = $2 ORDER BY recorded_at, plan_id
""",
    "follow_ups": """
SELECT plan_id, kind, day, instalment, until, reason FROM follow_up
WHERE tenant = $1 AND party_id = $2 ORDER BY plan_id, number
""",
    "holds": """
SELECT kind, valid_from, valid_to FROM hold_known WHERE tenant = $1 AND party_id = $2 ORDER BY valid_from, hold_id
""",
    # Whoever turned out to be somebody else is not shown.
    "identities": """
SELECT CASE WHEN is_merged THEN CASE WHEN merged_id = $2 THEN survivor_id ELSE merged_id END END AS other, is_merged
FROM same_person WHERE tenant = $1 AND $2 IN (merged_id, survivor_id) ORDER BY merged_id
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
