"""Looks that are taken again and again: one timer for each slot of time, however many processes intend it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.database import UnitOfWork
from shared.messaging import Answer, Intent
from shared.messaging.intents import NewIntent, TimerHandler

WATCH_EVERY: Final = timedelta(minutes=10)
Look = Callable[[UnitOfWork, Sequence[Intent]], Awaitable[None]]


def next_look(kind: str, real_now: datetime, *, every: timedelta = WATCH_EVERY) -> NewIntent:
    """The look at the end of the present slot."""
    slot = int(real_now.timestamp() // every.total_seconds()) + 1
    due = datetime.fromtimestamp(slot * every.total_seconds(), tz=real_now.tzinfo)
    return NewIntent(kind=kind, key=due.isoformat(), due_at=due)


@dataclass(frozen=True)
class Timer(TimerHandler):
    """Carries out `look` when it is due. Nobody is asked: all of it happens in the transaction."""

    kind: str
    look: Look
    batch_size: int = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Look."""
        await self.look(uow, [intent for intent, _ in answered])


def watch(kind: str, look: Callable[[UnitOfWork], Awaitable[None]]) -> Timer:
    """A timer that looks every ten minutes: each look intends the next one."""

    async def look_and_go_on(uow: UnitOfWork, _: Sequence[Intent]) -> None:
        await look(uow)
        uow.intend(next_look(kind, uow.real_now))

    return Timer(kind, look_and_go_on)
