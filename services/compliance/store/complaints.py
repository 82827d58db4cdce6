"""The SQL of complaints: versions are only ever appended; the one without a successor is what stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from services.compliance.domain.complaints import Clock, Complaint, ComplaintState
from shared.database import UnitOfWork

SOON: Final = timedelta(days=3)
_APPEND = """
INSERT INTO complaint_version
  (tenant, complaint_id, version, party_id, channel, about, received_at, clock_rule, clock_citation, answer_by, state,
   step, owner, by_whom, reference, sealed_words, recorded_at, recorded_real)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
"""
# The view `complaint` holds of each complaint the version that stands.
_FIND = "SELECT * FROM complaint WHERE tenant = $1 AND complaint_id = $2"
_HISTORY = """
SELECT *, '{}'::text[] AS answered_by FROM complaint_version WHERE tenant = $1 AND complaint_id = $2 ORDER BY version
"""
_LIST = """
SELECT * FROM complaint
WHERE tenant = $1 AND ($2::timestamptz IS NULL OR (answer_by, complaint_id) > ($2, $3::uuid))
  AND ($4::text IS NULL OR state = $4) AND ($5::uuid IS NULL OR party_id = $5) AND ($6::text IS NULL OR owner = $6)
  AND ($7::timestamptz IS NULL OR (answer_by <= $7 AND state NOT IN ('answered', 'closed')))
  AND NOT about && $8::text[]
  AND NOT EXISTS (SELECT FROM restriction r WHERE r.tenant = $1 AND r.party_id = complaint.party_id)
  AND NOT EXISTS (SELECT FROM record_ending r WHERE r.tenant = $1 AND r.party_id = complaint.party_id
                                               AND r.kind = 'complaint' AND r.since IS NOT NULL)
ORDER BY answer_by, complaint_id LIMIT $9
"""
_DUE = """
SELECT count(*) FILTER (WHERE answer_by <= $2) AS late,
       count(*) FILTER (WHERE answer_by > $2 AND answer_by <= $3) AS soon
FROM complaint WHERE tenant = $1 AND state NOT IN ('answered', 'closed')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptComplaint:
    """A version as it is kept, its words sealed."""

    complaint: Complaint
    recorded_at: datetime
    recorded_real: datetime
    sealed_words: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintFilter:
    """Which complaints a list shows. None: any. `not_about`: those about this person are left out."""

    state: ComplaintState | None = None
    party_id: UUID | None = None
    owner: str | None = None
    late: bool = False
    not_about: str = ""

    @property
    def list_name(self) -> str:
        """Names the list, so that a cursor of another filter is refused."""
        parts = (self.state or "", str(self.party_id or ""), self.owner or "", str(self.late), self.not_about)
        return f"complaints|{'|'.join(parts)}"


async def append(uow: UnitOfWork, complaint: Complaint, *, sealed_words: bytes | None) -> None:
    """Append a version. Raises asyncpg.UniqueViolationError when another took its number: lock the party first."""
    await uow.sql.execute(
        _APPEND, uow.tenant, complaint.complaint_id, complaint.version, complaint.party_id, complaint.channel,
        sorted(complaint.about), complaint.received_at, complaint.clock.rule, complaint.clock.citation,
        complaint.clock.answer_by, complaint.state, complaint.step, complaint.owner, complaint.by_whom,
        complaint.reference, sealed_words, uow.now, uow.real_now,
    )  # fmt: skip


async def find(uow: UnitOfWork, complaint_id: UUID) -> Complaint | None:
    """The version that stands. Words are not opened."""
    row = await uow.sql.fetchrow(_FIND, uow.tenant, complaint_id)
    return None if row is None else _complaint(row)


async def load_history(uow: UnitOfWork, complaint_id: UUID) -> list[KeptComplaint]:
    """Every version, oldest first; empty when there is no such complaint."""
    return [
        KeptComplaint(
            complaint=_complaint(row),
            recorded_at=row["recorded_at"],
            recorded_real=row["recorded_real"],
            sealed_words=row["sealed_words"],
        )
        for row in await uow.sql.fetch(_HISTORY, uow.tenant, complaint_id)
    ]


async def list_complaints(
    uow: UnitOfWork, which: ComplaintFilter, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Complaint]:
    """The complaints that pass the filter, the one due first first, after (answer by, id)."""
    due, last = after if after is not None else (None, None)
    rows = await uow.sql.fetch(
        _LIST, uow.tenant, due, last, which.state, which.party_id, which.owner, uow.now if which.late else None,
        [which.not_about], limit,
    )  # fmt: skip
    return [_complaint(row) for row in rows]


async def count_due(uow: UnitOfWork) -> tuple[int, int]:
    """How many unanswered complaints are late, and how many will be within three days."""
    row = await uow.sql.fetchrow(_DUE, uow.tenant, uow.now, uow.now + SOON)
    return row["late"], row["soon"]


def _complaint(row: asyncpg.Record) -> Complaint:
    return Complaint(
        complaint_id=row["complaint_id"],
        version=row["version"],
        party_id=row["party_id"],
        channel=row["channel"],
        about=frozenset(row["about"]),
        received_at=row["received_at"],
        clock=Clock(rule=row["clock_rule"], citation=row["clock_citation"], answer_by=row["answer_by"]),
        state=row["state"],
        step=row["step"],
        owner=row["owner"],
        by_whom=row["by_whom"],
        reference=row["reference"],
        answered_by=frozenset(row["answered_by"]),
    )
