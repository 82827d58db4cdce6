"""What is planned with people of a core that is not believed any more is recalled; new permits are refused meanwhile.

Compliance refuses as soon as a heartbeat has told it, which may be half a minute later (`WATERMARK_LIMIT`): whoever was
granted a permit in between is found by a second look. When the suspension ends nothing is left that holds anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from services.intake.domain.announcement import stopped
from services.intake.domain.trigger import Trigger
from services.intake.store import feed_suspensions, permits
from services.intake.store.feed_suspensions import SuspensionCause
from shared.database import UnitOfWork
from shared.messaging import Answer, Intent, NewIntent, TimerHandler

RECALL_PLANNED: Final = "recall_planned_of_feed"
_PAGE: Final = 500
_SECOND_LOOK: Final = timedelta(seconds=60)


async def suspend(uow: UnitOfWork, core: str, cause: SuspensionCause, *, detail: str) -> None:
    """The core's feed is suspended; what is planned with its people is recalled, once for each suspension."""
    if await feed_suspensions.suspend(uow, core, cause, detail=detail):
        for due_at in (uow.real_now, uow.real_now + _SECOND_LOOK):
            uow.intend(_look(uow, core, found_at=due_at))


def _look(uow: UnitOfWork, core: str, *, found_at: datetime, after: UUID | None = None) -> NewIntent:
    payload: dict[str, Any] = {"core": core, "found_at": found_at.isoformat(), "after": after and str(after)}
    key = f"{uow.tenant}|{core}|{found_at.isoformat()}|{after or ''}"
    return NewIntent(kind=RECALL_PLANNED, key=key, due_at=max(found_at, uow.real_now), payload=payload)


@dataclass(frozen=True)
class RecallPlanned(TimerHandler):
    """Intent handler: everybody of the core with a permit that can still be used is stopped, page by page."""

    kind: ClassVar[str] = RECALL_PLANNED
    batch_size: ClassVar[int] = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Stop a page of people; the next page is an intent of the same transaction."""
        for intent, _ in answered:
            core, after = intent.payload["core"], intent.payload["after"]
            if core not in await feed_suspensions.standing(uow):
                continue
            found_at = datetime.fromisoformat(intent.payload["found_at"])
            page = await permits.planned_of(uow, core, after=after and UUID(after), limit=_PAGE)
            await uow.lock_parties(page)
            trigger = Trigger("feed_suspended", str(intent.id), uow.now, found_at)
            for party_id in page:
                uow.emit(stopped(party_id, "feed_suspended", "party", trigger, reference=f"feed:{core}"))
            if len(page) == _PAGE:
                uow.intend(_look(uow, core, found_at=found_at, after=page[-1]))
