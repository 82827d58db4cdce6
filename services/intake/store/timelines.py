"""The SQL of timelines: what happened to a case, over all services. Only appended, and deleted with the person.

Own events are read from the outbox while it keeps them: on the event path they cost nothing more. Before the outbox
forgets them they are gathered into the timeline (`services/intake/timeline_desk.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from shared.database import UnitOfWork

# Nothing is kept of people who were erased, however late it is told: their references are gone.
_ADD = """
INSERT INTO case_entry (tenant, party_id, event_id, happened_at, recorded_at, type, detail, about, reference)
SELECT $1, n.*
FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[], $8::text[],
            $9::text[])
  AS n(party_id, event_id, happened_at, recorded_at, type, detail, about, reference)
WHERE EXISTS (SELECT FROM party_alias a WHERE a.tenant = $1 AND a.party_id = n.party_id)
ON CONFLICT DO NOTHING
"""
_PAGE = """
SELECT event_id, happened_at, recorded_at, type, detail AS sentence, about, reference FROM case_entry
WHERE tenant = $1 AND party_id = $2 AND ($3::timestamptz IS NULL OR (happened_at, event_id) > ($3, $4::text))
ORDER BY happened_at, event_id LIMIT $5
"""
_LAST = """
SELECT event_id, happened_at, recorded_at, type, detail AS sentence, about, reference FROM case_entry
WHERE tenant = $1 AND party_id = $2 ORDER BY happened_at DESC, event_id DESC LIMIT $3
"""
_IS_KNOWN = "SELECT EXISTS (SELECT FROM party_alias WHERE tenant = $1 AND party_id = $2)"
# The second condition names the partial index: events without a party are of no case.
_OWN = r"""
SELECT seq, event_id::text, key, value, headers, created_at FROM outbox
WHERE topic = 'case' AND key = $1 AND key <> '\x2d'::bytea
"""
_OWN_AFTER = """
SELECT seq, event_id::text, key, value, headers, created_at FROM outbox
WHERE seq > $1 AND created_at < $2 ORDER BY seq LIMIT $3
"""


class Entry(NamedTuple):
    """One line of a timeline. `happened_at`: business time; `recorded_at`: real time at which its owner learned it."""

    party_id: UUID
    event_id: str
    happened_at: datetime
    recorded_at: datetime
    type: str
    sentence: str
    about: str
    reference: str


async def add(uow: UnitOfWork, entries: Iterable[Entry]) -> None:
    """Append entries; one that is there already is kept."""
    ordered = sorted(entries, key=lambda one: (one.party_id, one.event_id))
    if ordered:
        await uow.sql.execute(_ADD, uow.tenant, *(list(column) for column in zip(*ordered, strict=True)))


async def page(
    uow: UnitOfWork, party_id: UUID, *, after: tuple[datetime, str] | None, limit: int
) -> list[asyncpg.Record]:
    """Entries of one party in order of happening."""
    moment, event_id = after or (None, None)
    return list(await uow.sql.fetch(_PAGE, uow.tenant, party_id, moment, event_id, limit))


async def last(uow: UnitOfWork, party_id: UUID, *, limit: int) -> list[asyncpg.Record]:
    """The newest entries of one party, oldest first."""
    return list(await uow.sql.fetch(_LAST, uow.tenant, party_id, limit))[::-1]


async def is_known(uow: UnitOfWork, party_id: UUID) -> bool:
    """Whether a core still names the party: an erased person has no timeline, whatever the outbox still holds."""
    known: bool = await uow.sql.fetchval(_IS_KNOWN, uow.tenant, party_id)
    return known


async def own_events(uow: UnitOfWork, party_id: UUID) -> Sequence[asyncpg.Record]:
    """Our own events of the party on topic `case` that the outbox keeps, in no order."""
    rows: Sequence[asyncpg.Record] = await uow.sql.fetch(_OWN, str(party_id).encode())
    return rows


async def own_events_after(
    uow: UnitOfWork, seq: int, *, recorded_before: datetime, limit: int
) -> Sequence[asyncpg.Record]:
    """The outbox's rows behind a place, recorded before a real time, in order; of every topic."""
    rows: Sequence[asyncpg.Record] = await uow.sql.fetch(_OWN_AFTER, seq, recorded_before, limit)
    return rows
