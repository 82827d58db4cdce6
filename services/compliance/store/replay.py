"""The SQL of reading decisions to judge them again: person by person, page by page, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.compliance.domain.rulings import Answer
from services.compliance.store.frames import frame_named, load_frames
from services.compliance.store.sealed import DECISION, open_records
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher

_COUNT = "SELECT count(*) FROM decision WHERE tenant = $1 AND decided_at >= $2 AND decided_at < $3"
_PAGE = """
SELECT party_id, decision_id, answer, refused_by, record, sealed_record, sealed_facts FROM decision
WHERE tenant = $1 AND decided_at >= $2 AND decided_at < $3 AND (party_id, decision_id) > ($4, $5)
ORDER BY party_id, decision_id LIMIT $6
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDecision:
    """A decision to judge again. `record` None: the person was erased. `sealed_facts` None: they were not kept yet.

    `frame`: the one that the record names; None too where it is not kept.
    """

    party_id: UUID
    decision_id: UUID
    answer: Answer
    refused_by: Sequence[str]
    record: bytes | None
    sealed_facts: bytes | None
    frame: bytes | None = None


async def count_decisions(uow: UnitOfWork, *, since: datetime, until: datetime) -> int:
    """How many decisions were made in [since, until) (business time)."""
    return int(await uow.sql.fetchval(_COUNT, uow.tenant, since, until))


async def load_page(
    uow: UnitOfWork, cipher: PartyCipher, *, since: datetime, until: datetime, after: tuple[UUID, UUID], limit: int
) -> list[PastDecision]:
    """The next decisions in the order of (party, decision) after that one."""
    rows = await uow.sql.fetch(_PAGE, uow.tenant, since, until, *after, limit)
    records = await open_records(uow, cipher, rows, DECISION)
    frames = await load_frames(uow, records)
    return [
        PastDecision(
            party_id=row["party_id"], decision_id=row["decision_id"], answer=Answer(row["answer"]),
            refused_by=row["refused_by"], record=record, sealed_facts=row["sealed_facts"],
            frame=None if record is None else frames.get(frame_named(record) or ""),
        )
        for row, record in zip(rows, records, strict=True)
    ]  # fmt: skip
