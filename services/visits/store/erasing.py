"""The SQL of erasing people: their visits with permits, places and what was said, messages, recalls, facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from shared.database import UnitOfWork

_STATEMENTS: Final = (
    "DELETE FROM visit WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM held_permit WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM party_fact WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "UPDATE alarm SET party_id = NULL WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    # Uses, refusals, recalls, messages: append-only for us but for this.
    "SELECT erase_evidence($1, $2::uuid[])",
)


async def erase(uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
    """Delete everything about the people. An alarm of a crew stays, and no longer says at whose door it was."""
    for statement in _STATEMENTS:
        await uow.sql.execute(statement, uow.tenant, list(party_ids))
