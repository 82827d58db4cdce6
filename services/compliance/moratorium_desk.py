"""The desk that carries a moratorium to everyone jointly liable for the debt.

Decisions read it by themselves (`store.moratoria`). What was permitted or done before is looked at here, after the
moratorium or the liability was committed: in a transaction of its own, which locks all whom the debts bind at once, in
the one sorted order. A handler that has locked one party never locks a second. Other services hear of it here, too, and
of its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from services.compliance import announcements, hindsight
from services.compliance.domain.holds import Hold
from services.compliance.domain.moratoria import MORATORIA, as_reaching, debts_under, jointly_liable, to_tell
from services.compliance.domain.recalls import recall_of
from services.compliance.domain.same_persons import others_of
from services.compliance.instruments import Instruments
from services.compliance.recalls import recall
from services.compliance.store import moratoria as store
from services.compliance.store.debts import load_debts, load_liable
from services.compliance.store.same_persons import load_same
from services.compliance.watch import Timer
from shared.database import UnitOfWork
from shared.ids import event_id
from shared.messaging import Intent
from shared.messaging.intents import NewIntent

REACH: Final = "compliance.moratorium_reach"
_DEBTS_AT_ONCE: Final = 50


async def follow_holds(uow: UnitOfWork, placed: Sequence[tuple[Hold, datetime]]) -> None:
    """Intend to carry these holds, each with the arrival of its fact (real time), as far as they are moratoria that
    others share."""
    moratoria = [(hold, arrived_real) for hold, arrived_real in placed if hold.kind in MORATORIA]
    if not moratoria:
        return
    same = await load_same(uow, {hold.party_id for hold, _ in moratoria})
    debts = await load_debts(uow, {hold.party_id for hold, _ in moratoria} | others_of(same))
    for hold, arrived_real in moratoria:
        # Also under ids of before: what was told meanwhile holds for both.
        ids = [hold.party_id, *(one.party_id for one in same.get(hold.party_id, ()))]
        under = [debts_under(replace(hold, party_id=one), debts.get(one, ())) for one in ids]
        follow_debts(uow, frozenset().union(*under), arrived_real=arrived_real)


async def follow_people(uow: UnitOfWork, party_ids: Iterable[UUID], *, arrived_real: datetime) -> None:
    """Intend to look at everyone who shares a debt with one of these people: who is one person has changed."""
    debts = await load_debts(uow, party_ids)
    follow_debts(uow, jointly_liable(debt for own in debts.values() for debt in own), arrived_real=arrived_real)


def follow_debts(uow: UnitOfWork, debt_ids: Iterable[UUID], *, arrived_real: datetime) -> None:
    """Intend to look at everyone whom these debts bind: a moratorium, or who is liable, has become known."""
    ids = sorted(debt_ids)
    for first in range(0, len(ids), _DEBTS_AT_ONCE):
        page = ids[first : first + _DEBTS_AT_ONCE]
        payload = {"debt_ids": [str(one) for one in page], "arrived_real": arrived_real.isoformat()}
        uow.intend(NewIntent(kind=REACH, key=str(event_id()), due_at=uow.real_now, payload=payload))


def reach_timer(instruments: Instruments) -> Timer:
    """Carries moratoria at once."""

    async def look(uow: UnitOfWork, intents: Sequence[Intent]) -> None:
        for intent in intents:
            debt_ids = [UUID(one) for one in intent.payload["debt_ids"]]
            await reach(uow, instruments, debt_ids, arrived_real=datetime.fromisoformat(intent.payload["arrived_real"]))

    return Timer(REACH, look)


async def reach(uow: UnitOfWork, instruments: Instruments, debt_ids: Sequence[UUID], *, arrived_real: datetime) -> None:
    """Recall the permits that moratoria on these debts forbid, and judge again the contacts made while they stood.

    Nobody is locked yet. Repeated, nothing changes.
    """
    bound = {one.party_id for liable in (await load_liable(uow, debt_ids)).values() for one in liable}
    bound |= others_of(await load_same(uow, bound))
    heard = await store.parties_told(uow, debt_ids)
    if len(bound) < 2 and not heard:
        return
    await uow.lock_parties(bound | heard)
    debts = await load_debts(uow, bound, same=await load_same(uow, bound))
    wanted = set(debt_ids) & jointly_liable(debt for own in debts.values() for debt in own).keys()
    reached = await store.load_reaching(
        uow, {party: [debt for debt in own if debt.debt_id in wanted] for party, own in debts.items()}
    )
    holds = [hold for party in sorted(reached) for hold in reached[party]]
    # One that is over is held against what was done while it stood, and forbids nothing any more.
    standing = [one for one in holds if one.until is None or one.until > uow.now]
    recalls = [recall_of(one, instruments.book, fact_arrived_real=arrived_real) for one in standing]
    await recall(uow, instruments, recalls)
    await hindsight.judge_under_holds(uow, instruments, holds)
    await _tell(uow, instruments, debt_ids, holds, arrived_real)


async def _tell(
    uow: UnitOfWork, instruments: Instruments, debt_ids: Sequence[UUID], holds: Sequence[Hold], arrived_real: datetime
) -> None:
    """Let other services hear what reaches people through these debts, and what no longer does; each change once."""
    told = await store.load_told(uow, debt_ids)
    placed, ended = to_tell(told, [as_reaching(one) for one in holds], now=uow.now)
    await store.save_told(uow, [*placed, *ended])
    for hold in placed:
        uow.emit(
            announcements.hold_placed(hold, instruments.book, uow.now, arrived_real=arrived_real, through_debt=True)
        )
    for hold in ended:
        uow.emit(announcements.hold_ended(hold, instruments.book, uow.now, through_debt=True))
