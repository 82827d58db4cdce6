"""Retention: everybody is looked at, page by page. Of each person each sort of record that nobody must keep any longer
is restricted, then deleted (`record_endings`); the person of whom nothing is kept is restricted, then erased.

A round begins each day. Each page is an intent, judged and followed by the next one in one transaction: a worker that
dies loses nothing, and the next one goes on where it stopped. A page is judged under its parties' locks, so that a hold
or a complaint that comes meanwhile is either seen or comes after.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.compliance import erasure_desk, record_endings
from services.compliance.domain.keeping import KeepingState, state_of, today_everywhere
from services.compliance.domain.leaves import NewLeaf
from services.compliance.instruments import Instruments
from services.compliance.store import keeping as store
from services.compliance.store.leaves import append_leaves
from services.compliance.watch import Timer, next_look
from shared.database import UnitOfWork
from shared.ids import event_id
from shared.messaging import Answer, Intent
from shared.messaging.intents import NewIntent, TimerHandler
from shared.telemetry.metrics import count, set_gauge

log = logging.getLogger(__name__)
WATCH: Final = "compliance.retention_watch"
PAGE: Final = "compliance.retention_page"
ROUND_EVERY: Final = timedelta(days=1)
PARTIES_PER_PAGE: Final = 200
_FIRST: Final = UUID(int=0)


def retention_watch(instruments: Instruments) -> Timer:
    """Begins a round each day."""

    async def look(uow: UnitOfWork, _: Sequence[Intent]) -> None:
        begun = await store.begin_round(uow)
        uow.intend(_page(begun.isoformat(), after=_FIRST, due_at=uow.real_now))
        uow.intend(next_look(WATCH, uow.real_now, every=ROUND_EVERY))

    return Timer(WATCH, look)


async def tell_retention(uow: UnitOfWork) -> None:
    """Say when everybody was last looked at, and how many are restricted."""
    set_gauge("doorstep.retention.looked.until", (await store.looked_until(uow)).timestamp())
    set_gauge("doorstep.people.restricted", await store.count_restricted(uow))


@dataclass(frozen=True)
class RetentionPages(TimerHandler):
    """Judges one page of people, then intends the next page."""

    instruments: Instruments
    kind: str = PAGE
    batch_size: int = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Judge, restrict, erase, go on: all or nothing."""
        for intent, _ in answered:
            await self._take(uow, intent)

    async def _take(self, uow: UnitOfWork, intent: Intent) -> None:
        # One person who cannot be judged keeps nobody else waiting: a page that fails is halved each time it is taken
        # again, and whoever still fails alone is passed over until the next round.
        size = PARTIES_PER_PAGE >> intent.attempts
        parties = await store.load_page(uow, after=UUID(intent.payload["after"]), limit=max(1, size))
        if not parties:
            await store.end_round(uow, datetime.fromisoformat(intent.payload["round"]))
            return
        if size:
            await keep_or_erase(uow, self.instruments, parties)
        else:
            log.error("retention passes over a person whom it cannot judge")
            count("doorstep.retention.judged", outcome="failed")
        uow.intend(_page(intent.payload["round"], after=parties[-1], due_at=uow.real_now))


async def keep_or_erase(uow: UnitOfWork, instruments: Instruments, party_ids: Sequence[UUID]) -> None:
    """Restrict, free or erase each of the parties, as the rules and what stands say now. Locks them."""
    await uow.lock_parties(party_ids)
    today = today_everywhere(uow.now)
    holdings = await store.load_holdings(uow, party_ids)
    since = await store.load_restrictions(uow, party_ids)
    of_state: dict[KeepingState, list[UUID]] = {"kept": [], "restricted": [], "due": []}
    for party_id, holding in holdings.items():
        state = state_of(holding, instruments.book, today=today, restricted_since=since.get(party_id))
        of_state[state].append(party_id)
    new = await store.restrict(uow, of_state["restricted"], since=today)
    freed = await store.free(uow, of_state["kept"])
    leaves = [_leaf(uow, party_id, "restricted") for party_id in new]
    leaves += [_leaf(uow, party_id, "freed") for party_id in freed]
    await append_leaves(uow, instruments.cipher, leaves)
    count("doorstep.retention.judged", amount=len(holdings), outcome="judged")
    due = set(of_state["due"])
    await record_endings.end_sorts(
        uow, instruments, {one: holding for one, holding in holdings.items() if one not in due}, today
    )
    if of_state["due"]:
        await erasure_desk.erase_due(uow, instruments, of_state["due"])


def _leaf(uow: UnitOfWork, party_id: UUID, step: str) -> NewLeaf:
    return NewLeaf(
        kind="restriction",
        leaf_id=event_id(),
        party_id=party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={"step": step},
    )


def _page(begun: str, *, after: UUID, due_at: datetime) -> NewIntent:
    return NewIntent(
        kind=PAGE,
        key=f"{begun}/{after}",
        due_at=due_at,
        payload={"round": begun, "after": str(after)},
    )
