"""Says how many plans wait too long for the person who decides about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from services.plans.following_desk import FollowingDesk
from services.plans.store import follow_ups as store
from shared.database import UnitOfWork
from shared.messaging import Answer, Intent, NewIntent, TimerHandler
from shared.telemetry.metrics import set_gauge

REVIEW_WATCH: Final = "plan.review_watch"
# Bank policy: a person has a week.
DECIDED_WITHIN: Final = timedelta(days=7)
_EVERY: Final = timedelta(minutes=10)
_PAGE: Final = 500


def next_watch(uow: UnitOfWork) -> NewIntent:
    """The look at the end of the present ten minutes, however many processes intend it."""
    slot = int(uow.real_now.timestamp() // _EVERY.total_seconds()) + 1
    due = datetime.fromtimestamp(slot * _EVERY.total_seconds(), UTC)
    return NewIntent(kind=REVIEW_WATCH, key=due.isoformat(), due_at=due)


@dataclass(frozen=True)
class ReviewWatch(TimerHandler):
    """Intent handler: counts what waits too long by what is known now, and intends the next look."""

    desk: FollowingDesk
    kind: ClassVar[str] = REVIEW_WATCH
    batch_size: ClassVar[int] = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """One look for all that are due."""
        set_gauge("doorstep.plans.reviews.late", await self.late(uow))
        uow.intend(next_watch(uow))

    async def late(self, uow: UnitOfWork) -> int:
        """Plans in review for longer than a person has; those that a hold pauses are left out."""
        found, after = 0, None
        while rows := await store.in_review(uow, after=after, limit=_PAGE):
            late = [row for row in rows if uow.now - row.since > DECIDED_WITHIN]
            ready = await self.desk.in_review(uow, {row.party_id for row in late}, paused=False) if late else set()
            found += sum(row.plan_id in ready for row in late)
            after = rows[-1].party_id, rows[-1].plan_id
        return found
