"""Dead letters as an operator sees them: list, show, replay, discard.

Replay is local and never by publishing again (the inbox would drop it): under the party's lock, in the order they were
set aside, dead letters and what waited behind them go to the service's handlers, and their inbox outcomes flip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal
from uuid import UUID

import asyncpg

from shared.database.engine import Database
from shared.database.unit_of_work import UnitOfWork
from shared.messaging import inbox, parking, waiting
from shared.messaging.batch import handle
from shared.messaging.failures import is_transient
from shared.messaging.records import Entry, KeptRecord, Verdict, classify
from shared.messaging.subscription import InboxKey, Outcome, Subscription
from shared.security.sealing import RecordSealer

_COLUMNS = """
id, place, party_id, topic, partition, "offset", source, event_id, type, reason, detail, digest, sealed, state,
attempts, recorded_at, resolved_at
"""
_LIST = f"""
SELECT {_COLUMNS} FROM dead_letter WHERE state = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3
"""  # noqa: S608 - the columns are a constant
_ONE = f"SELECT {_COLUMNS} FROM dead_letter WHERE id = $1"  # noqa: S608 - the columns are a constant
_OF_PARTY = f"""
SELECT {_COLUMNS} FROM dead_letter WHERE state = 'open' AND party_id = $1 ORDER BY place
"""  # noqa: S608 - the columns are a constant
_RESOLVE = "UPDATE dead_letter SET state = $2, resolved_at = $3 WHERE id = ANY($1::uuid[]) AND state = 'open'"
_FAILED_AGAIN = "UPDATE dead_letter SET attempts = attempts + 1 WHERE id = ANY($1::uuid[])"
_GAPS_OF_PARTY = "SELECT EXISTS (SELECT FROM waiting_record WHERE behind = 'gap' AND party_id = $1)"

Place = tuple[str, int, int]
"""Topic, partition, offset."""
LetterState = Literal["open", "replayed", "discarded"]


class UnknownDeadLetterError(LookupError):
    """There is no dead letter of this id, or it is not open any more."""


class ReplayFailedError(RuntimeError):
    """The records still cannot be processed; nothing was changed. `reason` is a closed code or an exception's type."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record that could not be processed. `digest` is the SHA-256 of key and value."""

    id: UUID
    party_id: UUID | None
    topic: str
    partition: int
    offset: int
    source: str | None
    event_id: str | None
    type: str | None
    reason: str
    detail: str
    digest: str
    state: LetterState
    attempts: int
    recorded_at: datetime
    resolved_at: datetime | None


async def list_dead_letters(
    uow: UnitOfWork, *, state: LetterState = "open", after: UUID | None = None, limit: int = 100
) -> list[DeadLetter]:
    """Dead letters in the given state, by id, beginning after `after`."""
    return [_letter(row) for row in await uow.sql.fetch(_LIST, state, after, limit)]


async def show(uow: UnitOfWork, sealer: RecordSealer, letter_id: UUID) -> tuple[DeadLetter, KeptRecord]:
    """One dead letter and its raw record, which may hold personal data: the caller logs that it was read.

    Raises UnknownDeadLetterError.
    """
    row = await uow.sql.fetchrow(_ONE, letter_id)
    if row is None:
        raise UnknownDeadLetterError(str(letter_id))
    return _letter(row), _record(sealer, row)


class Replayer:
    """Replays and discards in one service."""

    def __init__(self, database: Database, subscriptions: Sequence[Subscription], *, sealer: RecordSealer) -> None:
        self._database = database
        self._subscriptions: Mapping[str, Subscription] = {item.topic: item for item in subscriptions}
        self._sealer = sealer

    async def replay(self, letter_id: UUID) -> int:
        """Replay the letter's whole party (or the letter alone, without one); returns how many records were handled.

        Raises UnknownDeadLetterError, ReplayFailedError.
        """
        async with self._database.read_only() as uow:
            row = await uow.sql.fetchrow(_ONE, letter_id)
        if row is None or row["state"] != "open":
            raise UnknownDeadLetterError(str(letter_id))
        if row["party_id"] is not None:
            return await self.replay_party(row["party_id"])
        return await self._attempt([row], None)

    async def replay_party(self, party_id: UUID) -> int:
        """Replay what is dead and what waits for the party, and release it. Raises ReplayFailedError."""
        async with self._database.read_only() as uow:
            rows = await uow.sql.fetch(_OF_PARTY, party_id)
        return await self._attempt(rows, party_id)

    async def discard(self, letter_id: UUID) -> int:
        """Give the letter up for good; the party's other records are replayed when none is dead any more.

        Returns how many records were handled. Raises UnknownDeadLetterError, ReplayFailedError.
        """
        async with self._database.unit_of_work() as uow:
            row = await uow.sql.fetchrow(_ONE, letter_id)
            if row is None or row["state"] != "open":
                raise UnknownDeadLetterError(str(letter_id))
            if row["party_id"] is not None:
                await uow.lock_parties([row["party_id"]])
            await uow.sql.execute(_RESOLVE, [letter_id], "discarded", uow.real_now)
            others = row["party_id"] and await uow.sql.fetch(_OF_PARTY, row["party_id"])
        if row["party_id"] is None or others:
            return 0
        return await self.replay_party(row["party_id"])

    async def _attempt(self, rows: Sequence[asyncpg.Record], party_id: UUID | None) -> int:
        try:
            prepared = await self._prepare(rows, party_id)
            async with self._database.unit_of_work() as uow:
                return await self._replay(uow, rows, party_id, prepared)
        except ReplayFailedError:
            await self._note_failure(rows)
            raise
        except Exception as error:  # the edge: whatever the handlers raise is the answer to the operator
            if is_transient(error):
                raise
            await self._note_failure(rows)
            raise ReplayFailedError(type(error).__name__) from error

    async def _prepare(self, rows: Sequence[asyncpg.Record], party_id: UUID | None) -> dict[Place, Entry]:
        """The entries of foreign topics, made ready outside the transaction, by their places."""
        if all(item.foreign is None for item in self._subscriptions.values()):
            return {}
        entries = [self._entry(row) for row in rows]
        if party_id is not None:
            async with self._database.read_only() as uow:
                entries += await waiting.behind_party(uow, self._sealer, self._subscriptions, party_id)
        entries.sort(key=lambda entry: entry.topic)
        prepared: dict[Place, Entry] = {}
        for topic, group in groupby(entries, key=lambda entry: entry.topic):
            foreign = self._subscriptions[topic].foreign
            if foreign is not None:
                of_topic = list(group)
                await foreign.prepare(of_topic)
                prepared |= {_place(entry): entry for entry in of_topic}
        return prepared

    async def _replay(
        self,
        uow: UnitOfWork,
        rows: Sequence[asyncpg.Record],
        party_id: UUID | None,
        prepared: Mapping[Place, Entry],
    ) -> int:
        if party_id is not None:
            await uow.lock_parties([party_id])
            rows = await uow.sql.fetch(_OF_PARTY, party_id)
        letters = [self._entry(row) for row in rows]
        waited = (
            await waiting.behind_party(uow, self._sealer, self._subscriptions, party_id) if party_id is not None else []
        )
        found = sorted([*letters, *waited], key=lambda entry: entry.place)
        entries = [self._made_ready(entry, prepared) for entry in found]
        for entry in entries:
            if entry.verdict is Verdict.DEAD:
                raise ReplayFailedError(entry.reason)
        await self._lock_resolved(uow, entries)
        outcomes: dict[InboxKey, Outcome] = {}
        handled = 0
        for topic, group in groupby(entries, key=lambda entry: entry.topic):
            run = [entry for entry in group if entry.verdict is Verdict.HANDLE and not entry.handled]
            handled += len(run)
            outcomes |= {entry.inbox_key: Outcome.APPLIED for entry in run if entry.inbox_key is not None}
            outcomes |= await handle(uow, self._subscriptions[topic], run)
        await inbox.set_outcomes(uow, outcomes)
        await uow.sql.execute(_RESOLVE, [row["id"] for row in rows], "replayed", uow.real_now)
        await waiting.forget(uow, waited)
        if party_id is not None:
            if await uow.sql.fetchval(_GAPS_OF_PARTY, party_id):
                await parking.leave_to_gap(uow, party_id)
            else:
                await parking.unpark(uow, party_id)
        return handled

    async def _lock_resolved(self, uow: UnitOfWork, entries: Sequence[Entry]) -> None:
        """Keys that were unknown when their record was set aside may name a party by now."""
        for topic in {entry.topic for entry in entries if entry.core_key}:
            parties_of = self._subscriptions[topic].parties_of
            if parties_of is not None:
                keys = {entry.core_key for entry in entries if entry.topic == topic and entry.core_key}
                await uow.lock_parties((await parties_of(uow, sorted(keys))).values())

    def _made_ready(self, entry: Entry, prepared: Mapping[Place, Entry]) -> Entry:
        if self._subscriptions[entry.topic].foreign is None:
            return entry
        ready = prepared.get(_place(entry))
        if ready is None:
            raise ReplayFailedError("another_arrived")  # since the preparation; the next attempt knows it
        return ready

    def _entry(self, row: asyncpg.Record) -> Entry:
        entry = classify(_record(self._sealer, row), self._subscriptions[row["topic"]])
        entry.place = row["place"]
        return entry

    async def _note_failure(self, rows: Sequence[asyncpg.Record]) -> None:
        async with self._database.unit_of_work() as uow:
            await uow.sql.execute(_FAILED_AGAIN, [row["id"] for row in rows])


def _place(entry: Entry) -> Place:
    return entry.topic, entry.record.partition, entry.offset


def _record(sealer: RecordSealer, row: asyncpg.Record) -> KeptRecord:
    return waiting.unseal(sealer, row["topic"], row["partition"], row["offset"], row["sealed"])


def _letter(row: asyncpg.Record) -> DeadLetter:
    return DeadLetter(
        id=row["id"],
        party_id=row["party_id"],
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        source=row["source"],
        event_id=row["event_id"],
        type=row["type"],
        reason=row["reason"],
        detail=row["detail"],
        digest=row["digest"].hex(),
        state=row["state"],
        attempts=row["attempts"],
        recorded_at=row["recorded_at"],
        resolved_at=row["resolved_at"],
    )
