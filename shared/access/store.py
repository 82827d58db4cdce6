"""The SQL of subject access that every service has: who read what is kept of whom, and the platform's own lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.database import UnitOfWork
from shared.ids import event_id

PURPOSE: Final = "access_request"
_KEEP: Final = """
INSERT INTO access_reading (tenant, party_id, reading_id, caller, given_by, purpose, received_at, read_at, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
# The platform's plumbing is keyed by ids that are unique across tenants.
_PLATFORM: Final = {
    "unprocessed": """
SELECT recorded_at, coalesce(type, topic) AS type, reason, state FROM dead_letter WHERE party_id = $1
UNION ALL SELECT recorded_at, type, 'waits behind ' || behind, 'open' FROM waiting_record WHERE party_id = $1
UNION ALL SELECT parked_at, 'party.parked', cause, 'open' FROM parked_party WHERE party_id = $1
ORDER BY recorded_at, type, reason
""",
    "intended": "SELECT kind, due_at FROM intent WHERE party_id = $1 AND done_at IS NULL ORDER BY due_at, kind",
}
_GIVEN: Final = """
SELECT read_at, received_at, substring(caller FROM '[^@]*$') AS client FROM access_reading
WHERE tenant = $1 AND party_id = $2 ORDER BY read_at, reading_id
"""
NOT_TOLD: Final = {
    "party_key": "the key itself: to tell it would open what is sealed",
    "erased_party": "whoever is in it is refused with just this",
}
"""Tables of the platform about people that no list tells, and why."""


async def keep_reading(
    uow: UnitOfWork, party_id: UUID, *, caller: str, given_by: str | None, received_at: datetime
) -> None:
    """Keep who read, for whom they gave it, and for which request, in the transaction that reads."""
    await uow.sql.execute(
        _KEEP, uow.tenant, party_id, event_id(), caller, given_by, PURPOSE, received_at, uow.now, uow.real_now
    )


async def load_shared(uow: UnitOfWork, party_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """The rows of the lists that every service has, by name, oldest first."""
    found = {name: _rows(await uow.sql.fetch(text, party_id)) for name, text in _PLATFORM.items()}
    return found | {"given": await rows_of(uow, _GIVEN, party_id)}


async def rows_of(uow: UnitOfWork, statement: str, party_id: UUID) -> list[dict[str, Any]]:
    """The rows of a statement with the tenant as `$1` and the person as `$2`."""
    return _rows(await uow.sql.fetch(statement, uow.tenant, party_id))


def _rows(rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]


def statements() -> str:
    """Every statement of the shared lists: which tables are told is read from them."""
    return " ".join((*_PLATFORM.values(), _GIVEN))
