"""Cores that are not believed: what waits for an answer is taken back, nobody is chosen until the incident is over.

Intake recalls whoever has a permit (`party.stopped`). Proposals and offers without one are ours alone. When intake's
heartbeats name the core no more, its people are candidates again; what was taken back stays so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from services.assignment.domain import candidacy as parties
from services.assignment.domain.policy import SelectionPolicy
from services.assignment.ledger import Ledger
from services.assignment.store import feeds
from shared.database import UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.messaging.core_rounds import CoreRound
from shared.messaging.disbelieved import disbelieved, hear_disbelief

_SPEAKER: Final = "intake"


async def on_heartbeats(uow: UnitOfWork, events: Sequence[Event[EventData]]) -> None:
    """Keep which cores intake does not believe; of those that are named anew, what waits is taken back."""
    for core in sorted(await hear_disbelief(uow, events, speaker=_SPEAKER)):
        WithdrawOfFeed.begin(uow, core)


@dataclass(frozen=True)
class WithdrawOfFeed(CoreRound):
    """Intent handler: proposals and offers of the core's people are withdrawn, page by page, while it is suspended.

    By the second look a planner that had read the cores before the heartbeat came has proposed.
    """

    policy: SelectionPolicy
    kind: ClassVar[str] = "visit.withdraw_of_feed"

    async def stands(self, uow: UnitOfWork, core: str) -> bool:
        """As intake's heartbeats tell."""
        return core in await disbelieved(uow)

    async def people(self, uow: UnitOfWork, core: str, *, after: UUID | None, limit: int) -> list[UUID]:
        """With a visit that waits for an answer or a permit."""
        return await feeds.planned_of(uow, core, after=after, limit=limit)

    async def take_back(
        self, uow: UnitOfWork, core: str, page: Sequence[UUID], *, cause_id: str, found_at: datetime
    ) -> None:
        """Withdraw what waits."""
        ledger = await Ledger.open(uow, page)
        for party_id in page:
            step = parties.recalled(ledger[party_id], cause=parties.FEED_SUSPENDED, policy=self.policy, now=uow.now)
            ledger.fold(step, cause_id=cause_id)
        await ledger.save()
