"""What this service has read: positions, claims and outcomes. PostgreSQL is the truth; Kafka's offsets serve tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.database.columns import joined
from shared.database.unit_of_work import UnitOfWork
from shared.events.topics import TOPICS
from shared.messaging.failures import ConsumerHaltedError, PositionLostError
from shared.messaging.records import Entry
from shared.messaging.subscription import InboxKey, Outcome

# Usually all are new, and then the number says everything: a thousand rows need not travel back.
_CLAIM = """
WITH claimed AS (
    INSERT INTO inbox (source, event_id, topic, partition, "offset", outcome, recorded_at)
    SELECT e.source, e.event_id, $3, e.partition, e."offset", 'applied', $6
    FROM unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31)), string_to_array($4, chr(31))::smallint[],
                string_to_array($5, chr(31))::bigint[])
      AS e(source, event_id, partition, "offset")
    ON CONFLICT (source, event_id) DO NOTHING
    RETURNING source, event_id
)
SELECT count(*), CASE WHEN count(*) < $7 THEN array_agg(source) END,
       CASE WHEN count(*) < $7 THEN array_agg(event_id) END
FROM claimed
"""

_SET_OUTCOMES = """
UPDATE inbox SET outcome = o.outcome
FROM unnest($1::text[], $2::text[], $3::text[]) AS o(source, event_id, outcome)
WHERE inbox.source = o.source AND inbox.event_id = o.event_id
"""

_BEGIN = """
INSERT INTO consumer_position (topic, partition, next_offset, cluster_id)
SELECT b.topic, b.partition, b.beginning, $4 FROM unnest($1::text[], $2::smallint[], $3::bigint[])
  AS b(topic, partition, beginning)
ON CONFLICT DO NOTHING
"""

_POSITIONS = """
SELECT topic, partition, next_offset FROM consumer_position
WHERE (topic, partition) IN (SELECT * FROM unnest($1::text[], $2::smallint[]))
"""

_MOVE_MANY = """
UPDATE consumer_position p SET next_offset = m.next_offset, caught_up_to = coalesce(m.caught_up_to, p.caught_up_to)
FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::bigint[], $5::timestamptz[])
  AS m(topic, partition, expected, next_offset, caught_up_to)
WHERE p.topic = m.topic AND p.partition = m.partition AND p.next_offset = m.expected
RETURNING p.topic, p.partition
"""

_TRIM = """
DELETE FROM inbox WHERE (source, event_id) IN (SELECT source, event_id FROM inbox WHERE recorded_at < $1 LIMIT $2)
"""


@dataclass(frozen=True, slots=True)
class Move:
    """A step of one partition's position, valid only from `expected`."""

    topic: str
    partition: int
    expected: int
    next_offset: int
    caught_up_to: datetime | None = None


async def confirm_cluster(uow: UnitOfWork, cluster_id: str) -> None:
    """Accept `cluster_id` as the broker that our positions belong to (an operator's decision after a change)."""
    await uow.sql.execute(
        "INSERT INTO consumer_cluster (cluster_id) VALUES ($1) ON CONFLICT (only_row) DO UPDATE SET cluster_id = $1",
        cluster_id,
    )
    await uow.sql.execute(
        "UPDATE consumer_position SET cluster_id = $1 WHERE topic = ANY($2::text[])", cluster_id, list(TOPICS)
    )


async def check_cluster(uow: UnitOfWork, cluster_id: str) -> None:
    """Remember the first cluster; raises ConsumerHaltedError when it is another one now."""
    known = await uow.sql.fetchval("SELECT cluster_id FROM consumer_cluster")
    if known is None:
        await uow.sql.execute(
            "INSERT INTO consumer_cluster (cluster_id) VALUES ($1) ON CONFLICT DO NOTHING", cluster_id
        )
    elif known != cluster_id:
        raise ConsumerHaltedError("cluster_changed", f"positions belong to {known}, the broker is {cluster_id}")


async def check_foreign_cluster(uow: UnitOfWork, topic: str, cluster_id: str) -> None:
    """Raise ConsumerHaltedError when the positions of a foreign topic belong to another cluster than this one."""
    known = await uow.sql.fetchval("SELECT min(cluster_id) FROM consumer_position WHERE topic = $1", topic)
    if known is not None and known != cluster_id:
        raise ConsumerHaltedError("cluster_changed", f"positions belong to {known}, the broker is {cluster_id}")


async def load_positions(
    uow: UnitOfWork, beginnings: Mapping[tuple[str, int], int], *, cluster_id: str
) -> dict[tuple[str, int], int]:
    """The next offset to process of each (topic, partition); one never read before begins at its first record."""
    ordered = sorted(beginnings)
    columns = [topic for topic, _ in ordered], [partition for _, partition in ordered]
    await uow.sql.execute(_BEGIN, *columns, [beginnings[place] for place in ordered], cluster_id)
    rows = await uow.sql.fetch(_POSITIONS, *columns)
    return {(row[0], row[1]): row[2] for row in rows}


async def move(uow: UnitOfWork, steps: Sequence[Move]) -> None:
    """Move all positions, as the first statement of a transaction: lock and fence. Raises PositionLostError."""
    moved = await move_many(uow, steps)
    for step in steps:
        if (step.topic, step.partition) not in moved:
            raise PositionLostError(f"{step.topic}/{step.partition} no longer stands at {step.expected}")


async def move_many(uow: UnitOfWork, steps: Sequence[Move]) -> set[tuple[str, int]]:
    """Move positions that stand where they are expected; returns those that did."""
    ordered = sorted(steps, key=lambda step: (step.topic, step.partition))
    rows = await uow.sql.fetch(
        _MOVE_MANY,
        [step.topic for step in ordered],
        [step.partition for step in ordered],
        [step.expected for step in ordered],
        [step.next_offset for step in ordered],
        [step.caught_up_to for step in ordered],
    )
    return {(row["topic"], row["partition"]) for row in rows}


async def claim(uow: UnitOfWork, entries: Sequence[Entry]) -> set[InboxKey]:
    """Claim the entries (all of one topic, distinct); returns the identities that nobody had claimed before."""
    keyed = [(entry.inbox_key, entry.record) for entry in entries if entry.inbox_key is not None]
    if not keyed:
        return set()
    count, sources, event_ids = await uow.sql.fetchrow(
        _CLAIM,
        joined(key.source for key, _ in keyed),
        joined(key.event_id for key, _ in keyed),
        entries[0].topic,
        joined(record.partition for _, record in keyed),
        joined(record.offset for _, record in keyed),
        uow.real_now,
        len(keyed),
    )
    if count == len(keyed):
        return {key for key, _ in keyed}
    return set(map(InboxKey, sources or (), event_ids or ()))


async def set_outcomes(uow: UnitOfWork, outcomes: Mapping[InboxKey, Outcome]) -> None:
    """Write the outcomes that are not, or no longer, the present ones."""
    if outcomes:
        ordered = sorted(outcomes)
        await uow.sql.execute(
            _SET_OUTCOMES,
            [key.source for key in ordered],
            [key.event_id for key in ordered],
            [str(outcomes[key]) for key in ordered],
        )


async def trim(uow: UnitOfWork, *, before: datetime, limit: int) -> int:
    """Forget up to `limit` events recorded before `before`: longer ago than any topic can be read again."""
    status: str = await uow.sql.execute(_TRIM, before, limit)
    return int(status.rsplit(" ", 1)[1])
