"""What is planned with people of a core that is not believed any more is recalled; new permits are refused meanwhile.

Compliance refuses as soon as a heartbeat has told it, which may be half a minute later (`WATERMARK_LIMIT`): whoever was
granted a permit in between is found by a second look. When the suspension ends nothing is left that holds anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from services.intake.domain.announcement import stopped
from services.intake.domain.trigger import Trigger
from services.intake.store import feed_suspensions, permits
from services.intake.store.feed_suspensions import SuspensionCause
from shared.database import UnitOfWork
from shared.messaging.core_rounds import CoreRound


async def suspend(uow: UnitOfWork, core: str, cause: SuspensionCause, *, detail: str) -> None:
    """The core's feed is suspended; what is planned with its people is recalled, once for each suspension."""
    if await feed_suspensions.suspend(uow, core, cause, detail=detail):
        RecallPlanned.begin(uow, core)


@dataclass(frozen=True)
class RecallPlanned(CoreRound):
    """Intent handler: everybody of the core with a permit that can still be used is stopped, page by page."""

    kind: ClassVar[str] = "recall_planned_of_feed"

    async def stands(self, uow: UnitOfWork, core: str) -> bool:
        """As we ourselves keep it."""
        return core in await feed_suspensions.standing(uow)

    async def people(self, uow: UnitOfWork, core: str, *, after: UUID | None, limit: int) -> list[UUID]:
        """With a permit whose window is not over."""
        return await permits.planned_of(uow, core, after=after, limit=limit)

    async def take_back(
        self, uow: UnitOfWork, core: str, page: Sequence[UUID], *, cause_id: str, found_at: datetime
    ) -> None:
        """Stop them."""
        trigger = Trigger("feed_suspended", cause_id, uow.now, found_at)
        for party_id in page:
            uow.emit(stopped(party_id, "feed_suspended", "party", trigger, reference=f"feed:{core}"))
