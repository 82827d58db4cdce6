"""Says how many plans wait too long for the person who decides about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.plans.following_desk import FollowingDesk
from services.plans.store import follow_ups as store
from shared.database import UnitOfWork
from shared.messaging.intents import RetiredTimer
from shared.telemetry.metrics import set_gauge

# Bank policy: a person has a week.
DECIDED_WITHIN: Final = timedelta(days=7)
# It reads every plan that is in review.
COUNTED_EVERY: Final = timedelta(minutes=10)
# The timer that counted, in whichever process it came due.
RETIRED: Final = RetiredTimer("plan.review_watch")
_PAGE: Final = 500


@dataclass(frozen=True)
class ReviewWatch:
    """Counts what waits too long by what is known now."""

    desk: FollowingDesk

    async def tell(self, uow: UnitOfWork) -> None:
        """Set the gauge."""
        set_gauge("doorstep.plans.reviews.late", await self.late(uow))

    async def late(self, uow: UnitOfWork) -> int:
        """Plans in review for longer than a person has; those that a hold pauses are left out."""
        found, after = 0, None
        while rows := await store.in_review(uow, after=after, limit=_PAGE):
            late = [row for row in rows if uow.now - row.since > DECIDED_WITHIN]
            ready = await self.desk.in_review(uow, {row.party_id for row in late}, paused=False) if late else set()
            found += sum(row.plan_id in ready for row in late)
            after = rows[-1].party_id, rows[-1].plan_id
        return found
