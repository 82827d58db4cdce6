"""Which outer feeds (cores) their reader does not believe at the moment, as its heartbeats tell: one row of a service.

The row is written only when it changes. An older heartbeat, which one partition still brings, changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.database import UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.events.platform import ServiceHeartbeat

_SUSPENDED = "SELECT suspended FROM heard_suspensions WHERE tenant = $1"
_HEAR = """
INSERT INTO heard_suspensions AS h (tenant, said_at, suspended) VALUES ($1, $2, $3)
ON CONFLICT (tenant) DO UPDATE SET said_at = excluded.said_at, suspended = excluded.suspended
WHERE h.said_at < excluded.said_at
RETURNING true
"""


async def disbelieved(uow: UnitOfWork) -> frozenset[str]:
    """The feeds that are not believed, as far as it was told."""
    return frozenset(await uow.sql.fetchval(_SUSPENDED, uow.tenant) or ())


async def hear_disbelief(uow: UnitOfWork, events: Sequence[Event[EventData]], *, speaker: str) -> frozenset[str]:
    """Keep what the newest heartbeat of the service `speaker` tells; returns the feeds that are named anew."""
    beats = [event.data for event in events if isinstance(event.data, ServiceHeartbeat)]
    newest = max((beat for beat in beats if beat.service == speaker), key=lambda beat: beat.sent_at, default=None)
    if newest is None:
        return frozenset()
    known, told = await disbelieved(uow), frozenset(newest.suspended_feeds)
    if told == known or not await uow.sql.fetchval(_HEAR, uow.tenant, newest.sent_at, sorted(told)):
        return frozenset()
    return told - known


def is_disbelieved(core: str | None, cores: frozenset[str]) -> bool:
    """Whether a case of this core is of one that is not believed; where nobody said of which, any is."""
    return bool(cores) if core is None else core in cores
