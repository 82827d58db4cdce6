"""The unit of work: one transaction, and the only place that commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.columns import joined
from shared.database.session import ReadOnlyTransactionError, Session
from shared.messaging.intents import NewIntent

if TYPE_CHECKING:
    from shared.events import NewEvent
    from shared.events.base import EventData
    from shared.messaging.fresh_records import Record

_LOW_64_BITS = (1 << 64) - 1
_LOCK = "SELECT count(pg_advisory_xact_lock(key)) FROM unnest(string_to_array($1, chr(31))::bigint[]) AS key"


def party_lock_key(party_id: UUID) -> int:
    """The advisory-lock key of a party: the low 64 bits of its id as a signed number (62 of them are random).

    The one-number key space of this database's advisory locks belongs to parties; all others use the two-number one.
    """
    low = party_id.int & _LOW_64_BITS
    return low - (1 << 64) if low >> 63 else low


@dataclass(frozen=True, slots=True)
class Cause:
    """What an event passes on to the events that it causes."""

    correlation_id: str
    traceparent: str


class UnitOfWork:
    """One open transaction: its clock readings, its locks, and what it will append at commit."""

    def __init__(
        self,
        *,
        connection: AsyncConnection,
        sql: asyncpg.Connection,
        service: str,
        tenant: str,
        now: datetime,
        real_now: datetime,
        read_only: bool = False,
    ) -> None:
        self.connection = connection
        self.sql = Session(sql, read_only=read_only)
        self.service = service
        self.tenant = tenant
        self.now = now
        self.real_now = real_now
        self.read_only = read_only
        self.events: list[NewEvent[EventData]] = []
        self.intents: list[NewIntent] = []
        self.appended: dict[int, Record] = {}
        """What was written to the outbox, by place."""
        self.locked: set[UUID] = set()
        """Parties whose lock this transaction holds until it ends."""
        self.causes: Mapping[str, Cause] = {}
        """Causes by event id; `emit` takes correlation and trace from `causation_id`."""
        self._cause: str | None = None

    async def lock_parties(self, party_ids: Iterable[UUID]) -> None:
        """Take the parties' transaction-level advisory locks: one statement, sorted, so that batches cannot deadlock.

        Call it before reading any state of the parties; a statement sees what was committed before it began.
        """
        wanted = set(party_ids)
        if wanted:
            await self.sql.fetchval(_LOCK, joined(sorted({party_lock_key(party_id) for party_id in wanted})))
            self.locked |= wanted

    def emit(self, event: NewEvent[Any]) -> None:
        """Append `event` to the outbox at commit; its sequence is assigned there. Raises ReadOnlyTransactionError."""
        self._require_writable()
        if self._cause is not None and event.causation_id is None:
            event = event.caused_by(self._cause)
        self.events.append(event)

    @contextmanager
    def because_of(self, event_id: str) -> Iterator[None]:
        """What is emitted inside and names no cause of its own is caused by this event, and so of its trace."""
        outer, self._cause = self._cause, event_id
        try:
            yield
        finally:
            self._cause = outer

    def intend(self, intent: NewIntent) -> None:
        """Record `intent` at commit, unless one of its kind and key exists. Raises ReadOnlyTransactionError."""
        self._require_writable()
        self.intents.append(intent)

    def _require_writable(self) -> None:
        if self.read_only:
            raise ReadOnlyTransactionError("this transaction is read-only")
