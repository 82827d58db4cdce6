"""Waits that end by the calendar, and holds that begin or end: chosen on when due, not at the next night's close.

Time to answer, a promise, a complaint and the pause after a visit are counted in the tenant's dates, so they end at
its midnight: one sweep then, whatever the number of cases. A hold turns at a moment of its own: one intent each. Days
past due are counted by the day close, which chooses by itself when it has counted them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.intake.identifying import lock_leads
from services.intake.store import strategy as store
from services.intake.store.strategy import NewHold
from services.intake.strategy_desk import Deciding
from shared.database import UnitOfWork
from shared.messaging import Answer, Intent, NewIntent, TimerHandler

CHOOSE_DUE: Final = "choose_due_actions"
HOLD_TURN: Final = "choose_at_hold_turn"
_AT_ONCE: Final = 500


@dataclass(frozen=True)
class ChooseDue(TimerHandler):
    """Intent handler: chooses for the cases whose wait has ended, some at a time; the first step intends tomorrow's."""

    deciding: Deciding
    kind: str = CHOOSE_DUE
    batch_size: int = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """One step per intent."""
        for intent, _ in answered:
            await self._step(uow, intent)

    async def _step(self, uow: UnitOfWork, intent: Intent) -> None:
        after = None if intent.payload["after"] is None else UUID(intent.payload["after"])
        day = date.fromisoformat(intent.payload["day"])
        if after is None:
            uow.intend(next_sweep(uow, self.deciding.time_zone))
        parties = await store.waits_over(uow, day, after=after, limit=_AT_ONCE)
        await uow.lock_parties(parties)
        await self.deciding.decide(uow, dict.fromkeys(parties, str(intent.id)))
        if len(parties) == _AT_ONCE:
            uow.intend(_sweep(uow, day, after=parties[-1], due_at=uow.now))


@dataclass(frozen=True)
class ChooseAtTurns(TimerHandler):
    """Intent handler: chooses for people of whom a hold begins or ends now."""

    deciding: Deciding
    kind: str = HOLD_TURN
    batch_size: int = 100

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """The parties are locked; whoever stands for them by now is locked as well."""
        causes = {intent.party_id: str(intent.id) for intent, _ in answered if intent.party_id is not None}
        leads = await lock_leads(uow, causes)
        await self.deciding.decide(uow, {leads.get(party_id, party_id): cause for party_id, cause in causes.items()})


def next_sweep(uow: UnitOfWork, time_zone: str) -> NewIntent:
    """The intent of the next midnight of the tenant."""
    zone = ZoneInfo(time_zone)
    tomorrow = uow.now.astimezone(zone).date() + timedelta(days=1)
    return _sweep(uow, tomorrow, after=None, due_at=_midnight(tomorrow, zone))


def intend_turns(uow: UnitOfWork, holds: Iterable[NewHold], time_zone: str) -> None:
    """Intend a choice at each end of these holds that lies ahead. A hold counts from the midnight of its first day."""
    zone = ZoneInfo(time_zone)
    for hold in holds:
        begins = _midnight(hold.valid_from.astimezone(zone).date(), zone)
        for moment in (begins, hold.valid_to):
            if moment is not None and moment > uow.now:
                key = f"{uow.tenant}|{hold.hold_id}|{moment.isoformat()}"
                uow.intend(NewIntent(kind=HOLD_TURN, key=key, due_at=moment, clock="business", party_id=hold.party_id))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _sweep(uow: UnitOfWork, day: date, *, after: UUID | None, due_at: datetime) -> NewIntent:
    return NewIntent(
        kind=CHOOSE_DUE,
        key=f"{uow.tenant}|{day}|{after or ''}",
        due_at=due_at,
        clock="business",
        payload={"day": day.isoformat(), "after": None if after is None else str(after)},
    )
