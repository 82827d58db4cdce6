"""The SQL of following plans up: steps that were taken, holds that pause, and which plans there are to look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.plans.domain.following import Step
from services.plans.domain.plan import RUNNING
from shared.database import UnitOfWork

_RUNNING = sorted(RUNNING)
_PAGE = """
SELECT DISTINCT party_id FROM plan
WHERE tenant = $1 AND state = ANY($2::text[]) AND ($3::uuid IS NULL OR party_id > $3) ORDER BY party_id LIMIT $4
"""
_STEPS = """
SELECT plan_id, kind, day, instalment, until FROM follow_up
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY plan_id, number
"""
_TAKE = """
INSERT INTO follow_up (tenant, party_id, plan_id, number, kind, day, instalment, until, permit_id, decided_by, reason,
                       recorded_at)
SELECT $1, $2, $3, coalesce(max(number), 0) + 1, $4, $5, $6, $7, $8, $9, $10, $11
FROM follow_up WHERE tenant = $1 AND party_id = $2 AND plan_id = $3
"""
_HOLDS = """
SELECT party_id, kind, valid_from, valid_to FROM hold_known
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY party_id, valid_from, hold_id
"""
_SET_HOLD = """
INSERT INTO hold_known (tenant, party_id, hold_id, kind, valid_from, valid_to) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, party_id, hold_id) DO UPDATE
SET kind = excluded.kind, valid_from = excluded.valid_from, valid_to = excluded.valid_to
"""
_LEARN_HOLD = """
INSERT INTO hold_known (tenant, party_id, hold_id, kind, valid_from, valid_to) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""
_LEARNED = "SELECT EXISTS (SELECT FROM holds_learned WHERE tenant = $1)"
_MARK_LEARNED = "INSERT INTO holds_learned (tenant, learned_at) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_FORGET = "DELETE FROM hold_known WHERE tenant = $1 AND party_id = ANY($2::uuid[])"
# Each plan's last word about a review; one that is answered, or whose instalments were paid since, waits for nobody.
_IN_REVIEW = """
SELECT p.party_id, p.plan_id, last.recorded_at FROM plan p
CROSS JOIN LATERAL (
    SELECT kind, recorded_at FROM follow_up f
    WHERE f.tenant = p.tenant AND f.party_id = p.party_id AND f.plan_id = p.plan_id
      AND f.kind IN ('review', 'more_time', 'restored')
    ORDER BY number DESC LIMIT 1
) AS last
WHERE p.tenant = $1 AND p.state = ANY($2::text[]) AND last.kind = 'review'
  AND ($3::uuid IS NULL OR (p.party_id, p.plan_id) > ($3, $4::uuid))
ORDER BY p.party_id, p.plan_id LIMIT $5
"""


@dataclass(frozen=True, kw_only=True)
class HeardHold:
    """A hold of compliance as it is known now."""

    party_id: UUID
    kind: str
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True, kw_only=True)
class WaitingReview:
    """A plan that waits for a person since then."""

    party_id: UUID
    plan_id: UUID
    since: datetime


async def parties_with_plans(uow: UnitOfWork, *, after: UUID | None, limit: int) -> list[UUID]:
    """People with a running plan, by id."""
    rows = await uow.sql.fetch(_PAGE, uow.tenant, _RUNNING, after, limit)
    return [row["party_id"] for row in rows]


async def steps_of(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, list[Step]]:
    """The steps taken with these people's plans, by plan, in order."""
    found: dict[UUID, list[Step]] = defaultdict(list)
    for row in await uow.sql.fetch(_STEPS, uow.tenant, sorted(set(party_ids))):
        step = Step(kind=row["kind"], day=row["day"], instalment=row["instalment"], until=row["until"])
        found[row["plan_id"]].append(step)
    return found


async def take(
    uow: UnitOfWork, party_id: UUID, plan_id: UUID, step: Step, *, permit_id: UUID | None = None,
    decided_by: str | None = None, reason: str | None = None,
) -> None:  # fmt: skip
    """Keep a step. The party is locked."""
    await uow.sql.execute(
        _TAKE, uow.tenant, party_id, plan_id, step.kind, step.day, step.instalment, step.until, permit_id, decided_by,
        reason, uow.now,
    )  # fmt: skip


async def holds_of(uow: UnitOfWork, party_ids: Iterable[UUID]) -> list[HeardHold]:
    """The holds of these people, ended ones included."""
    return [HeardHold(**row) for row in await uow.sql.fetch(_HOLDS, uow.tenant, sorted(set(party_ids)))]


async def set_hold(uow: UnitOfWork, hold_id: UUID, hold: HeardHold) -> None:
    """Keep what compliance says of a hold; of one person it is told in order."""
    await uow.sql.execute(
        _SET_HOLD, uow.tenant, hold.party_id, hold_id, hold.kind, hold.valid_from, hold.valid_to
    )  # fmt: skip


async def learn_hold(uow: UnitOfWork, hold_id: UUID, hold: HeardHold) -> None:
    """Keep what compliance answered of a hold, unless an event has told of it."""
    await uow.sql.execute(
        _LEARN_HOLD, uow.tenant, hold.party_id, hold_id, hold.kind, hold.valid_from, hold.valid_to
    )  # fmt: skip


async def are_learned(uow: UnitOfWork) -> bool:
    """Whether the holds that stood before plans listened are known."""
    return bool(await uow.sql.fetchval(_LEARNED, uow.tenant))


async def mark_learned(uow: UnitOfWork) -> None:
    """They are known."""
    await uow.sql.execute(_MARK_LEARNED, uow.tenant, uow.real_now)


async def forget(uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
    """Delete the holds of erased people: some tell of their health."""
    await uow.sql.execute(_FORGET, uow.tenant, list(party_ids))


async def in_review(uow: UnitOfWork, *, after: tuple[UUID, UUID] | None, limit: int) -> list[WaitingReview]:
    """Plans of which a review was opened that nobody has answered, by party and plan."""
    rows = await uow.sql.fetch(_IN_REVIEW, uow.tenant, _RUNNING, *(after or (None, None)), limit)
    return [WaitingReview(party_id=row["party_id"], plan_id=row["plan_id"], since=row["recorded_at"]) for row in rows]
