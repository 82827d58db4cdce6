"""Heartbeats of the feeders: how fresh compliance's facts are."""

from __future__ import annotations

from collections.abc import Sequence

from services.compliance import fact_desk
from services.compliance.store.feeders import FEEDERS, hear, load_named
from shared.database import UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.events.platform import ServiceHeartbeat


async def on_heartbeats(uow: UnitOfWork, events: Sequence[Event[EventData]]) -> None:
    """Keep the low watermarks. A partition is read in order, so every fact before a heartbeat has been applied.

    Who is not named any more waits for nothing there: the tasks to repair their records are over.
    """
    beats = [event.data for event in events if isinstance(event.data, ServiceHeartbeat)]
    heard = [beat for beat in beats if beat.service in FEEDERS]
    named = await load_named(uow, {beat.service for beat in heard}) if heard else set()
    await hear(uow, heard)
    await fact_desk.hear_completed(uow, named)
