"""The day close: quiet loans age too. Resumable, exactly once: each step commits with the intent of the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from msgspec.structs import replace

from services.intake import control_totals
from services.intake.domain.conclusion import Circumstances, conclude
from services.intake.domain.trigger import Trigger
from services.intake.folding import DAY_CLOSE, OWN_NAMES, Folding, day_close_intent
from services.intake.reconciling import AFTER_CLOSE, start
from services.intake.score_desk import first_step
from services.intake.store import books, days, portfolio
from services.intake.strategy_desk import choose_all
from shared.database import UnitOfWork
from shared.messaging import Answer, Intent, TimerHandler


@dataclass(frozen=True)
class DayClose(TimerHandler):
    """Intent handler: recomputes days past due of the open cases of a core, and publishes bucket changes only.

    After the last of them the cases are scored, what happens next is chosen anew for each, and the books are compared
    with the core's where it can be asked.
    """

    folding: Folding
    reconciles: bool = False
    kind: str = DAY_CLOSE
    batch_size: int = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Age one batch of cases per intent, and intend the next batch."""
        for intent, _ in answered:
            after = intent.payload["after"]
            if after is None:
                await portfolio.gather(uow)
            await self._step(
                uow,
                core=intent.payload["core"],
                closed_on=date.fromisoformat(intent.payload["closed_on"]),
                after=None if after is None else UUID(after),
                trigger=Trigger(DAY_CLOSE, str(intent.id), uow.now, uow.real_now, silent=True),
            )

    async def _step(self, uow: UnitOfWork, *, core: str, closed_on: date, after: UUID | None, trigger: Trigger) -> None:
        limit = self.folding.settings.ageing_batch
        parties = await days.parties_to_age(uow, core, closed_on, after=after, limit=limit)
        if len(parties) < limit:
            uow.intend(first_step(uow, core=core, closed_on=closed_on))
            uow.intend(choose_all(uow, run=closed_on.isoformat(), core=core))
            await control_totals.start(uow, core=core, closed_on=closed_on)
            if self.reconciles:
                await start(uow, core=core, business_date=closed_on, after=AFTER_CLOSE)
        if not parties:
            return
        await uow.lock_parties(parties)
        before = await books.load(uow, dict.fromkeys(parties, core))
        circumstances = Circumstances(self.folding.policy, closed_on, OWN_NAMES)
        aged = {}
        for party_id, book in before.items():
            if book.lead is not None:
                continue  # became somebody else since its page was read
            # A copy: conclusions are drawn from what changed, and here only the date did.
            aged[party_id], events = conclude(book, replace(book), trigger, circumstances)
            for event in events:
                uow.emit(event)
        await books.save(uow, before, aged)
        if len(parties) == limit:
            uow.intend(day_close_intent(uow, core=core, closed_on=closed_on, after=parties[-1]))
