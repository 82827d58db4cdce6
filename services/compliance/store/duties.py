"""The SQL of duties: since when the register looks at one, when it was done, and what waits for one; appended only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

from services.compliance.domain.duties import Waiting, Watched
from shared.database import UnitOfWork

# More than so many are counted as so many: whoever has that many knows that they are late.
MOST_WAITING: Final = 10_000
_WATCHED = """
SELECT rule, subject, min(day) AS since, max(day) FILTER (WHERE step = 'done') AS last_done
FROM duty_step WHERE tenant = $1 GROUP BY rule, subject ORDER BY rule, subject
"""
_APPEND = """
INSERT INTO duty_step (tenant, rule, subject, step, day, by_whom, reference, recorded_at, recorded_real, leaf_id)
SELECT $1, s.rule, s.subject, $4, $5, $6, $7, $8, $9, $10
FROM unnest($2::text[], $3::text[]) AS s(rule, subject) ORDER BY s.rule, s.subject
ON CONFLICT DO NOTHING RETURNING rule
"""
_UNACKNOWLEDGED = """
SELECT c.received_at AS caused_at, f.jurisdiction AS place
FROM complaint c LEFT JOIN party_fact f ON f.tenant = c.tenant AND f.party_id = c.party_id
WHERE c.tenant = $1 AND c.state = 'received' ORDER BY c.received_at, c.complaint_id LIMIT $2
"""
_UNREVIEWED = """
SELECT h.review_by AS caused_at, f.jurisdiction AS place
FROM hold h LEFT JOIN party_fact f ON f.tenant = h.tenant AND f.party_id = h.party_id
WHERE h.tenant = $1 AND h.kind = 'vulnerability' AND h.review_by <= $3
  AND (h.ended_at IS NULL OR h.ended_at > $3) AND (h.valid_to IS NULL OR h.valid_to > $3)
ORDER BY h.review_by, h.hold_id LIMIT $2
"""

_UNVERIFIED = """
SELECT h.valid_from AS caused_at, f.jurisdiction AS place
FROM hold h LEFT JOIN party_fact f ON f.tenant = h.tenant AND f.party_id = h.party_id
WHERE h.tenant = $1 AND h.kind = 'dispute' AND h.valid_from <= $3
  AND (h.ended_at IS NULL OR h.ended_at > $3) AND (h.valid_to IS NULL OR h.valid_to > $3)
ORDER BY h.valid_from, h.hold_id LIMIT $2
"""


async def load_watched(uow: UnitOfWork) -> list[Watched]:
    """What the register knows of every recurring duty that it has looked at."""
    return [Watched(**row) for row in await uow.sql.fetch(_WATCHED, uow.tenant)]


async def load_waiting(uow: UnitOfWork) -> list[Waiting]:
    """Complaints that nobody has acknowledged, needs whose review date has come and disputes that stand, the oldest
    first.
    """
    complaints = await uow.sql.fetch(_UNACKNOWLEDGED, uow.tenant, MOST_WAITING)
    needs = await uow.sql.fetch(_UNREVIEWED, uow.tenant, MOST_WAITING, uow.now)
    disputes = await uow.sql.fetch(_UNVERIFIED, uow.tenant, MOST_WAITING, uow.now)
    return [
        *(Waiting(tracks="dispute_verified", **row) for row in disputes),
        *(Waiting(tracks="complaint_acknowledged", **row) for row in complaints),
        *(Waiting(tracks="vulnerability_reviewed", **row) for row in needs),
    ]


async def begin(uow: UnitOfWork, duties: Sequence[tuple[str, str]], *, day: date) -> None:
    """From that day the register looks at these (rule, subject); already looked at, nothing changes."""
    await _append(uow, duties, step="watched", day=day, by_whom=None, reference=None, leaf_id=None)


async def record(
    uow: UnitOfWork, rule: str, subject: str, *, done_on: date, by_whom: str, reference: str, leaf_id: UUID
) -> bool:
    """Append that it was done on that day; False when that was recorded before."""
    return await _append(
        uow, [(rule, subject)], step="done", day=done_on, by_whom=by_whom, reference=reference, leaf_id=leaf_id
    )


async def _append(
    uow: UnitOfWork, duties: Sequence[tuple[str, str]], *, step: str, day: date, by_whom: str | None,
    reference: str | None, leaf_id: UUID | None,
) -> bool:  # fmt: skip
    rows = await uow.sql.fetch(
        _APPEND, uow.tenant, [rule for rule, _ in duties], [subject for _, subject in duties], step, day, by_whom,
        reference, uow.now, uow.real_now, leaf_id,
    )  # fmt: skip
    return bool(rows)
