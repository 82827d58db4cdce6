"""The SQL of reading decisions to judge them again: person by person, page by page, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.compliance.domain.rulings import Answer
from shared.database import UnitOfWork

_COUNT = "SELECT count(*) FROM decision WHERE tenant = $1 AND decided_at >= $2 AND decided_at < $3"
_PAGE = """
SELECT party_id, decision_id, answer, refused_by, record, sealed_facts FROM decision
WHERE tenant = $1 AND decided_at >= $2 AND decided_at < $3 AND (party_id, decision_id) > ($4, $5)
ORDER BY party_id, decision_id LIMIT $6
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDecision:
    """A decision to judge again. `sealed_facts` None: recorded before they were kept."""

    party_id: UUID
    decision_id: UUID
    answer: Answer
    refused_by: Sequence[str]
    record: bytes
    sealed_facts: bytes | None


async def count_decisions(uow: UnitOfWork, *, since: datetime, until: datetime) -> int:
    """How many decisions were made in [since, until) (business time)."""
    return int(await uow.sql.fetchval(_COUNT, uow.tenant, since, until))


async def load_page(
    uow: UnitOfWork, *, since: datetime, until: datetime, after: tuple[UUID, UUID], limit: int
) -> list[PastDecision]:
    """The next decisions in the order of (party, decision) after that one."""
    rows = await uow.sql.fetch(_PAGE, uow.tenant, since, until, *after, limit)
    return [PastDecision(**{**row, "answer": Answer(row["answer"])}) for row in rows]
