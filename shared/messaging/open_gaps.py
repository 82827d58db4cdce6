"""What is held behind gaps, as asked by the gaps' keeper, by the fetching of missing events, and by operators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from shared.database.unit_of_work import UnitOfWork
from shared.messaging.records import Stream
from shared.messaging.sequences import SNAPSHOT_INTENT, accept_snapshot, intent_key, last_received
from shared.messaging.waiting import Gap

# One row per stream: its first held record, and how far the stream has come.
_OPEN = """
SELECT held.*, coalesce(received.last, 0) AS received
FROM (
    SELECT DISTINCT ON (topic, source, aggregate_type, aggregate_id)
           topic, source, aggregate_type, aggregate_id, sequence, partition, "offset", party_id, recorded_at
    FROM waiting_record WHERE behind = 'gap'
    ORDER BY topic, source, aggregate_type, aggregate_id, sequence
) AS held
LEFT JOIN sequence_received AS received USING (aggregate_id, aggregate_type, topic, source)
"""

# An asked gap is one whose intent exists: its key holds how far the stream had come, so progress asks anew. Whether the
# party is parked says nothing: it may be parked for another gap, or for a dead letter.
_OVERDUE = f"""
SELECT gap.* FROM ({_OPEN}) AS gap
WHERE gap.recorded_at < $1 AND NOT EXISTS (
    SELECT FROM intent
    WHERE kind = $2 AND key = concat_ws('|', gap.topic, gap.source, gap.aggregate_type, gap.aggregate_id, gap.received)
)
ORDER BY gap.recorded_at, gap.topic, gap.source, gap.aggregate_type, gap.aggregate_id LIMIT 1000
"""  # noqa: S608 - the inner query is a constant

_LIST = f"""
SELECT gap.*, coalesce(intent.attempts, 0) AS attempts
FROM ({_OPEN}) AS gap LEFT JOIN intent ON intent.kind = $1
  AND intent.key = concat_ws('|', gap.topic, gap.source, gap.aggregate_type, gap.aggregate_id, gap.received)
ORDER BY gap.recorded_at, gap.topic, gap.source, gap.aggregate_type, gap.aggregate_id LIMIT $2
"""  # noqa: S608 - the inner query is a constant

_FIRST_HELD = """
SELECT sequence, party_id FROM waiting_record
WHERE behind = 'gap' AND topic = $1 AND source = $2 AND aggregate_type = $3 AND aggregate_id = $4
ORDER BY sequence LIMIT 1
"""

_NEVER_MIND = "UPDATE intent SET done_at = $3 WHERE kind = $1 AND key = $2 AND done_at IS NULL"


@dataclass(frozen=True, slots=True)
class OpenGap:
    """The gap that a stream stands at: `received` has come, what lies between is missing, `first_held` waits.

    `since` is real time; `attempts` counts the vain questions to the owner.
    """

    topic: str
    stream: Stream
    party_id: UUID
    received: int
    first_held: int
    since: datetime
    attempts: int


class NoSuchGapError(LookupError):
    """Nothing waits behind a gap of this stream, or the gap ends elsewhere. `last_missing`: where it does end."""

    def __init__(self, last_missing: int | None) -> None:
        super().__init__("no such gap" if last_missing is None else f"the last missing number is {last_missing}")
        self.last_missing = last_missing


async def overdue(uow: UnitOfWork, *, before: datetime) -> list[Gap]:
    """The gaps older than `before` that nobody has asked the owner to fill yet, one per stream, oldest first."""
    return [
        Gap(row["topic"], row["partition"], row["offset"], row["party_id"], _stream(row))
        for row in await uow.sql.fetch(_OVERDUE, before, SNAPSHOT_INTENT)
    ]


async def list_open(uow: UnitOfWork, *, limit: int) -> list[OpenGap]:
    """Up to `limit` open gaps, oldest first."""
    return [
        OpenGap(
            topic=row["topic"],
            stream=_stream(row),
            party_id=row["party_id"],
            received=row["received"],
            first_held=row["sequence"],
            since=row["recorded_at"],
            attempts=row["attempts"],
        )
        for row in await uow.sql.fetch(_LIST, SNAPSHOT_INTENT, limit)
    ]


async def received_before_gap(uow: UnitOfWork, topic: str, stream: Stream) -> int | None:
    """How far a stream has come that stands at a gap; None when nothing of it waits behind one."""
    if await uow.sql.fetchrow(_FIRST_HELD, topic, *stream) is None:
        return None
    return (await last_received(uow, topic, [stream])).get(stream, 0)


async def give_up(uow: UnitOfWork, topic: str, stream: Stream, *, last_missing: int) -> None:
    """An operator declares the missing events lost here: what is held goes on after `last_missing`.

    For events that their owner does not keep any more. The number must be the one before the first held record, so
    that nothing that came is skipped, and a repeated command cannot give up a later gap. Raises NoSuchGapError.
    """
    row = await uow.sql.fetchrow(_FIRST_HELD, topic, *stream)
    if row is None:
        raise NoSuchGapError(None)
    reached = (await last_received(uow, topic, [stream])).get(stream, 0)
    # The intent before the party, as the worker locks them.
    await uow.sql.execute(_NEVER_MIND, SNAPSHOT_INTENT, intent_key(topic, stream, reached), uow.real_now)
    await uow.lock_parties([row["party_id"]])
    row = await uow.sql.fetchrow(_FIRST_HELD, topic, *stream)
    if row is None or row["sequence"] != last_missing + 1:
        raise NoSuchGapError(None if row is None else row["sequence"] - 1)
    await accept_snapshot(uow, topic, stream, sequence=last_missing)


def _stream(row: asyncpg.Record) -> Stream:
    return Stream((row["source"], row["aggregate_type"], row["aggregate_id"]))
