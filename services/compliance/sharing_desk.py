"""The desk of those who share a budget: what comes out late about one person is held against all who share a key.

A handler that has locked one person never locks a second. So whoever learns something late intends a look, which locks
everybody in the one sorted order: people first, then keys. The keys' locks let grants that did not see it end first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.compliance import hindsight, reconsideration
from services.compliance.domain.budget_keys import names_of
from services.compliance.domain.facts import Counted
from services.compliance.domain.same_persons import pair_key, standing
from services.compliance.instruments import Instruments
from services.compliance.store.budget_keys import load_sharers, lock_keys
from services.compliance.store.facts import load_names_shared
from services.compliance.store.permits import parties_inquiring
from services.compliance.store.same_persons import load_same
from services.compliance.watch import Timer
from shared.database import UnitOfWork
from shared.ids import event_id
from shared.messaging import Intent
from shared.messaging.intents import NewIntent

REACH: Final = "compliance.sharers_reach"
INQUIRIES: Final = "compliance.inquiries_reach"
_CONTACTS_AT_ONCE: Final = 20
_NAMES_AT_ONCE: Final = 20
_PARTIES_AT_ONCE: Final = 200
_FIRST: Final = UUID(int=0)


def follow(uow: UnitOfWork, contacts: Iterable[Counted], *, arrived_real: datetime) -> None:
    """Intend to hold these contacts, which were told late, against everybody who shares a key of theirs."""
    counted = [one for one in contacts if names_of(one.keys)]
    for first in range(0, len(counted), _CONTACTS_AT_ONCE):
        page = counted[first : first + _CONTACTS_AT_ONCE]
        names = {name for one in page for name in names_of(one.keys)}
        since = min(one.span.start for one in page)
        _intend(uow, REACH, names=sorted(names), since=since.isoformat(), arrived_real=arrived_real.isoformat())


def follow_keys(uow: UnitOfWork, names: Iterable[str], *, since: datetime, arrived_real: datetime) -> None:
    """Intend to look at everybody who shares one of these keys: who they are has changed at `since` (business time)."""
    _intend(uow, REACH, names=sorted(names), since=since.isoformat(), arrived_real=arrived_real.isoformat())


async def follow_laws(uow: UnitOfWork, changed: Iterable[tuple[UUID, datetime]], *, arrived_real: datetime) -> None:
    """Intend to look at everybody who shares a debt or a home with one of these people, whose law has changed.

    `changed`: who, and since when (business time) their place or circumstances are others than was known.
    """
    since = dict[UUID, datetime]()
    for party_id, moment in changed:
        since[party_id] = min(moment, since.get(party_id, moment))
    names = sorted(await load_names_shared(uow, since)) if since else []
    for first in range(0, len(names), _NAMES_AT_ONCE):
        page = names[first : first + _NAMES_AT_ONCE]
        follow_keys(uow, page, since=min(since.values()), arrived_real=arrived_real)


async def follow_other_ids(uow: UnitOfWork, changed: Sequence[tuple[UUID, datetime, datetime]]) -> None:
    """Intend to look at whoever is one person with one of these: permits and contacts stand under either id.

    `changed`: who, since when (business time) what keeps them from contact has been so, and when (real time) it came.
    """
    same = await load_same(uow, {party_id for party_id, _, _ in changed}) if changed else {}
    for party_id, since, arrived_real in changed:
        names = [f"person:{pair_key(party_id, other)}" for other in sorted(standing(same, party_id))]
        if names:
            follow_keys(uow, names, since=since, arrived_real=arrived_real)


def follow_third_persons(uow: UnitOfWork, *, arrived_real: datetime, after: UUID = _FIRST) -> None:
    """Intend to look at all outstanding inquiries: somebody was asked without a reservation, or refused.

    The third persons' keys are locked, so that no grant that missed it is still open when this is committed.
    """
    _intend(uow, INQUIRIES, after=str(after), arrived_real=arrived_real.isoformat())


def _intend(uow: UnitOfWork, kind: str, **payload: Any) -> None:
    uow.intend(NewIntent(kind=kind, key=str(event_id()), due_at=uow.real_now, payload=payload))


def reach_timer(instruments: Instruments) -> Timer:
    """Looks at those who share a key, at once."""

    async def look(uow: UnitOfWork, intents: Sequence[Intent]) -> None:
        for intent in intents:  # one at a time: `Timer.batch_size`
            await reach(uow, instruments, intent.payload)

    return Timer(REACH, look)


def inquiries_timer(instruments: Instruments) -> Timer:
    """Looks at outstanding inquiries, at once and page by page."""

    async def look(uow: UnitOfWork, intents: Sequence[Intent]) -> None:
        for intent in intents:
            after = UUID(intent.payload["after"])
            asking = await parties_inquiring(uow, after=after, limit=_PARTIES_AT_ONCE)
            await uow.lock_parties(asking)
            arrived_real = datetime.fromisoformat(intent.payload["arrived_real"])
            await reconsideration.reconsider(uow, instruments, asking, arrived_real=arrived_real)
            if len(asking) == _PARTIES_AT_ONCE:
                follow_third_persons(uow, arrived_real=arrived_real, after=asking[-1])

    return Timer(INQUIRIES, look)


async def reach(uow: UnitOfWork, instruments: Instruments, payload: Any) -> None:
    """Judge contacts and outstanding permits again of everybody who shares one of the keys.

    Nobody is locked yet. Repeated, nothing changes. Who came to share a key meanwhile is looked at next.
    """
    names, since = payload["names"], datetime.fromisoformat(payload["since"])
    arrived_real = datetime.fromisoformat(payload["arrived_real"])
    sharers = await load_sharers(uow, names)
    await uow.lock_parties(sharers)
    await lock_keys(uow, names)
    if not sharers.issuperset(await load_sharers(uow, names)):
        _intend(uow, REACH, **payload)
        return
    if len(sharers) < 2:
        return
    await hindsight.judge_since(uow, instruments, [(one, hindsight.Since(since)) for one in sorted(sharers)])
    await reconsideration.reconsider(uow, instruments, sharers, arrived_real=arrived_real)
