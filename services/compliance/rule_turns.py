"""Turns of the rules: when the rules change, every outstanding permit is judged again, page by page, and so is every
contact that the change reaches (`rule_hindsight`).

A turn begins when a process starts with another rule set, and when a date passes on which a pack or rule begins or
ends. Each page is an intent: judged, marked and followed by the next one in one transaction, so that a worker that dies
loses nothing and the next one goes on where it stopped. While two versions run side by side both judge; a permit stays
only when both would grant it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from uuid import UUID

from services.compliance import fact_desk, reconsideration, rule_hindsight
from services.compliance.domain.local_time import EARLIEST_DATE
from services.compliance.domain.packs import RuleBook
from services.compliance.instruments import Instruments
from services.compliance.rule_pages import PagesOfRules
from services.compliance.store import rule_turns as store
from services.compliance.watch import Timer, next_look
from shared.database import Database, UnitOfWork
from shared.ids import derived_id
from shared.messaging import Answer, Intent
from shared.messaging.intents import NewIntent

WATCH: Final = "compliance.rules_watch"
PAGE: Final = "compliance.rules_page"
PARTIES_PER_PAGE: Final = 200


async def begin_turn(database: Database, instruments: Instruments) -> None:
    """What a process does when it starts: if its rules are not those in force, their turn begins."""
    async with database.unit_of_work() as uow:
        await take_turn(uow, instruments, occasion="start")


async def take_turn(uow: UnitOfWork, instruments: Instruments, *, occasion: str) -> store.RuleTurn:
    """Begin a turn if the rules or the date call for one, and go on judging what this turn has not judged yet.

    Also finds the permits that a process with older rules granted in the meantime. `occasion` names the look: each
    begins its own chain of pages.
    """
    await uow.lock_parties([derived_id("rule-turns", uow.tenant)])
    book = instruments.book
    today = (uow.now + EARLIEST_DATE).date()
    boundary = last_boundary(book, today)
    turn = await store.load_newest(uow)
    if turn is None or (turn.rule_set, turn.boundary) != (book.rule_set, boundary):
        before, turn = turn, await store.begin(uow, book.rule_set, boundary)
        if before is not None and before.rule_set != book.rule_set:
            await rule_hindsight.follow(uow, instruments, before=before.rule_set, turn=turn.number, today=today)
        await fact_desk.hear_packs(uow, book)
    if await store.load_unjudged(uow, turn.rule_set, turn.began_real, limit=1):
        uow.intend(_page(turn.number, turn.rule_set, turn.began_real, occasion, after=None, due_at=uow.real_now))
    coming = next_boundary(book, today)
    if coming is not None:
        moment = datetime.combine(coming, time(), tzinfo=UTC) - EARLIEST_DATE
        uow.intend(NewIntent(kind=WATCH, key=f"boundary/{coming}", due_at=moment, clock="business"))
    return turn


def last_boundary(book: RuleBook, today: date) -> date | None:
    """The last date, up to today, on which a pack or rule began or ended."""
    return max((day for day in book.boundaries if day <= today), default=None)


def next_boundary(book: RuleBook, today: date) -> date | None:
    """The next date on which a pack or rule begins or ends."""
    return min((day for day in book.boundaries if day > today), default=None)


def rules_watch(instruments: Instruments) -> Timer:
    """Every ten minutes, and when a boundary passes, looks whether a turn is due or permits are left over."""

    async def look(uow: UnitOfWork, intents: Sequence[Intent]) -> None:
        for intent in intents:
            await take_turn(uow, instruments, occasion=intent.key)
        uow.intend(next_look(WATCH, uow.real_now))

    return Timer(WATCH, look)


@dataclass(frozen=True)
class RulesPages(PagesOfRules):
    """Judges one page of outstanding permits again, then intends the next page."""

    kind: str = PAGE

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Judge, mark, go on: all or nothing."""
        for intent, _ in answered:
            await self._judge(uow, intent)

    async def _judge(self, uow: UnitOfWork, intent: Intent) -> None:
        page = intent.payload
        rule_set, began_real = str(page["rule_set"]), datetime.fromisoformat(page["began_real"])
        after = None if page["after"] is None else UUID(page["after"])
        parties = await store.load_unjudged(uow, rule_set, began_real, after=after, limit=PARTIES_PER_PAGE)
        if not parties:
            return
        await uow.lock_parties(parties)
        await reconsideration.reconsider(uow, self.instruments, parties, arrived_real=began_real)
        await store.mark_judged(uow, parties, rule_set)
        uow.intend(_page(page["turn"], rule_set, began_real, page["occasion"], after=parties[-1], due_at=uow.real_now))


def _page(
    turn: int, rule_set: str, began_real: datetime, occasion: str, *, after: UUID | None, due_at: datetime
) -> NewIntent:
    return NewIntent(
        kind=PAGE,
        key=f"{turn}/{occasion}/{after or 'first'}",
        due_at=due_at,
        payload={
            "turn": turn,
            "rule_set": rule_set,
            "began_real": began_real.isoformat(),
            "occasion": occasion,
            "after": None if after is None else str(after),
        },
    )
