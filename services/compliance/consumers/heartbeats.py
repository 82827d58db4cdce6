"""Heartbeats of the feeders: how fresh compliance's facts are."""

from __future__ import annotations

from collections.abc import Sequence

from services.compliance.store.facts import FEEDERS, hear
from shared.database import UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.events.platform import ServiceHeartbeat


async def on_heartbeats(uow: UnitOfWork, events: Sequence[Event[EventData]]) -> None:
    """Keep the low watermarks. A partition is read in order, so every fact before a heartbeat has been applied."""
    beats = [event.data for event in events if isinstance(event.data, ServiceHeartbeat)]
    await hear(uow, [beat for beat in beats if beat.service in FEEDERS])
