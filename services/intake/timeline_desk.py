"""The desk of timelines: entries from other services as they are heard, our own from the outbox.

Our own events are more than all others together. Writing each of them twice on the event path would cost what the
path is measured by, so they are read where they are, and gathered into the timeline days before the outbox forgets
them. Both are told by the same function and named by the event's id, so an entry that is in both is shown once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from services.intake.domain.timeline import tell
from services.intake.store import timelines
from services.intake.store.timelines import Entry
from shared.database import UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.messaging import Answer, Intent, NewIntent, TimerHandler
from shared.messaging.outbox import unpack_headers

GATHER_TIMELINE = "gather_timeline"
_PAGE_ROWS = 5_000
_PERIOD = timedelta(hours=1)
# Places are taken before transactions commit: every transaction of an hour ago has ended.
_SETTLED_AFTER = timedelta(hours=1)


async def hear(uow: UnitOfWork, events: Sequence[Event[EventData]]) -> None:
    """Add what other services (and our own stops) told."""
    await timelines.add(
        uow,
        [
            Entry(event.party_id, event.id, event.time, event.recorded_time, event.type, *told)
            for event in events
            if event.party_id is not None
            and (told := _told(event.type, event.data.model_dump(mode="json"))) is not None
        ],
    )


async def page(
    uow: UnitOfWork, party_id: UUID, *, after: tuple[datetime, str] | None, limit: int
) -> list[Mapping[str, Any]]:
    """Up to `limit` entries of the party in order of happening, the gathered ones and those still in the outbox."""
    if not await timelines.is_known(uow, party_id):
        return []
    found: dict[str, Mapping[str, Any]] = {
        row["event_id"]: dict(row) for row in await timelines.page(uow, party_id, after=after, limit=limit)
    }
    for row in await timelines.own_events(uow, party_id):
        entry = _entry(row)
        if entry is not None and (after is None or (entry.happened_at, entry.event_id) > after):
            found.setdefault(entry.event_id, entry._asdict())
    return sorted(found.values(), key=lambda one: (one["happened_at"], one["event_id"]))[:limit]


def gather_timeline(uow: UnitOfWork, *, after: int = 0, due_in: timedelta = timedelta()) -> NewIntent:
    """The intent that gathers our events behind a place of the outbox. From the beginning it is one for ever."""
    return NewIntent(
        kind=GATHER_TIMELINE,
        key=f"{after}|{uow.real_now.isoformat()}" if due_in else str(after),
        due_at=uow.real_now + due_in,
        payload={"after": after},
    )


@dataclass(frozen=True)
class GatherTimeline(TimerHandler):
    """Intent handler: one page of the outbox; the next at once while there is more, else in an hour."""

    page_rows: int = _PAGE_ROWS
    kind: str = GATHER_TIMELINE
    batch_size: int = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Gather one page per intent, and intend the next."""
        for intent, _ in answered:
            after = int(intent.payload["after"])
            rows = await timelines.own_events_after(
                uow, after, recorded_before=uow.real_now - _SETTLED_AFTER, limit=self.page_rows
            )
            await timelines.add(uow, [entry for row in rows if (entry := _entry(row)) is not None])
            last = rows[-1]["seq"] if rows else after
            more = len(rows) == self.page_rows
            uow.intend(gather_timeline(uow, after=last, due_in=timedelta() if more else _PERIOD))


def _entry(row: asyncpg.Record) -> Entry | None:
    """An event of the outbox as an entry; None: of another topic, without a party, or left out."""
    headers = dict(unpack_headers(row["headers"]))
    name = headers["ce_type"].decode()
    # Our own stops are heard on their topic like everybody's.
    if not name.startswith("case."):
        return None
    told = _told(name, json.loads(bytes(row["value"])))
    if told is None:
        return None
    happened_at = datetime.fromisoformat(headers["ce_time"].decode())
    return Entry(UUID(bytes(row["key"]).decode()), row["event_id"], happened_at, row["created_at"], name, *told)


def _told(name: str, data: Mapping[str, Any]) -> tuple[str, str, str] | None:
    told = tell(name, data)
    return None if told is None else (told.sentence, told.about, told.reference)
