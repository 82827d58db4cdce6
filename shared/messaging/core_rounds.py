"""Rounds over the people of a core that is not believed any more: what is under way with them is taken back.

A round looks twice. Who acted on what they had read before they heard of it has done so by the second look.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

from shared.messaging.intents import Answer, Intent, NewIntent, TimerHandler

if TYPE_CHECKING:
    from shared.database import UnitOfWork

PAGE: Final = 500
"""People of one transaction."""
SECOND_LOOK: Final = timedelta(seconds=60)


class CoreRound(TimerHandler, ABC):
    """Intent handler: one page of a core's people after the other, for as long as the core is not believed."""

    kind: ClassVar[str]
    batch_size: ClassVar[int] = 1

    @classmethod
    def begin(cls, uow: UnitOfWork, core: str) -> None:
        """A look now, and the second one later."""
        for due_at in (uow.real_now, uow.real_now + SECOND_LOOK):
            uow.intend(cls._look(uow, core, found_at=due_at, after=None))

    @classmethod
    def _look(cls, uow: UnitOfWork, core: str, *, found_at: datetime, after: UUID | None) -> NewIntent:
        payload = {"core": core, "found_at": found_at.isoformat(), "after": after and str(after)}
        key = f"{uow.tenant}|{core}|{found_at.isoformat()}|{after or ''}"
        return NewIntent(kind=cls.kind, key=key, due_at=max(found_at, uow.real_now), payload=payload)

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Take back what is under way with a page; the next page is an intent of the same transaction."""
        for intent, _ in answered:
            core, after = intent.payload["core"], intent.payload["after"]
            if not await self.stands(uow, core):
                continue
            found_at = datetime.fromisoformat(intent.payload["found_at"])
            page = await self.people(uow, core, after=after and UUID(after), limit=PAGE)
            await uow.lock_parties(page)
            await self.take_back(uow, core, page, cause_id=str(intent.id), found_at=found_at)
            if len(page) == PAGE:
                uow.intend(self._look(uow, core, found_at=found_at, after=page[-1]))

    @abstractmethod
    async def stands(self, uow: UnitOfWork, core: str) -> bool:
        """Whether the core is still not believed."""

    @abstractmethod
    async def people(self, uow: UnitOfWork, core: str, *, after: UUID | None, limit: int) -> list[UUID]:
        """Whom something is under way with, in order of id, from behind `after`."""

    @abstractmethod
    async def take_back(
        self, uow: UnitOfWork, core: str, page: Sequence[UUID], *, cause_id: str, found_at: datetime
    ) -> None:
        """Take back what is under way with these people, who are locked. `found_at`: real time of the look."""
