"""Looks that are taken again and again, by timers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from shared.messaging.intents import NewIntent

WATCH_EVERY: Final = timedelta(minutes=10)


def next_look(kind: str, real_now: datetime) -> NewIntent:
    """The next look of a watch; there is one for each slot of time, however many processes intend it."""
    slot = int(real_now.timestamp() // WATCH_EVERY.total_seconds()) + 1
    due = datetime.fromtimestamp(slot * WATCH_EVERY.total_seconds(), tz=real_now.tzinfo)
    return NewIntent(kind=kind, key=due.isoformat(), due_at=due)
