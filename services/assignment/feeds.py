"""Cores that are not believed: what waits for an answer is taken back, nobody is chosen until the incident is over.

Intake recalls whoever has a permit (`party.stopped`). Proposals and offers without one are ours alone. When intake's
heartbeats name the core no more, its people are candidates again; what was taken back stays so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from services.assignment.domain import candidacy as parties
from services.assignment.domain.policy import SelectionPolicy
from services.assignment.ledger import Ledger
from services.assignment.store import feeds
from shared.database import UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.messaging import Answer, Intent, NewIntent, TimerHandler
from shared.messaging.disbelieved import disbelieved, hear_disbelief

WITHDRAW_OF_FEED: Final = "visit.withdraw_of_feed"
_SPEAKER: Final = "intake"
_PAGE: Final = 500
# A planner that has read the cores before the heartbeat came has proposed by then.
_SECOND_LOOK: Final = timedelta(seconds=60)


async def on_heartbeats(uow: UnitOfWork, events: Sequence[Event[EventData]]) -> None:
    """Keep which cores intake does not believe; of those that are named anew, what waits is taken back."""
    for core in sorted(await hear_disbelief(uow, events, speaker=_SPEAKER)):
        for due_at in (uow.real_now, uow.real_now + _SECOND_LOOK):
            uow.intend(_look(uow, core, found_at=due_at))


def _look(uow: UnitOfWork, core: str, *, found_at: datetime, after: UUID | None = None) -> NewIntent:
    payload: dict[str, Any] = {"core": core, "found_at": found_at.isoformat(), "after": after and str(after)}
    key = f"{uow.tenant}|{core}|{found_at.isoformat()}|{after or ''}"
    return NewIntent(kind=WITHDRAW_OF_FEED, key=key, due_at=max(found_at, uow.real_now), payload=payload)


@dataclass(frozen=True)
class WithdrawOfFeed(TimerHandler):
    """Intent handler: proposals and offers of the core's people are withdrawn, page by page, while it is suspended."""

    policy: SelectionPolicy
    kind: ClassVar[str] = WITHDRAW_OF_FEED
    batch_size: ClassVar[int] = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Withdraw a page; the next page is an intent of the same transaction."""
        for intent, _ in answered:
            core, after = intent.payload["core"], intent.payload["after"]
            if core not in await disbelieved(uow):
                continue
            page = await feeds.planned_of(uow, core, after=after and UUID(after), limit=_PAGE)
            await uow.lock_parties(page)
            ledger = await Ledger.open(uow, page)
            for party_id in page:
                step = parties.recalled(ledger[party_id], cause=parties.FEED_SUSPENDED, policy=self.policy, now=uow.now)
                ledger.fold(step, cause_id=str(intent.id))
            await ledger.save()
            if len(page) == _PAGE:
                found_at = datetime.fromisoformat(intent.payload["found_at"])
                uow.intend(_look(uow, core, found_at=found_at, after=page[-1]))
