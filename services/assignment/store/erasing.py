"""The SQL of erasing people: candidacies with their cells, what kept visits away, planned visits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from shared.database import UnitOfWork

_DELETE: Final = (
    "DELETE FROM candidate WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM block WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM visit WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM unassigned WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
)


async def erase(uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
    """Delete everything about the people. Routes and their cost stay: they name no door."""
    for statement in _DELETE:
        await uow.sql.execute(statement, uow.tenant, list(party_ids))
