"""Gapless sequences of internal topics: ignore what is lower, hold back what is ahead, release what was completed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.database.columns import joined
from shared.database.unit_of_work import UnitOfWork
from shared.messaging import parking
from shared.messaging.intents import NewIntent
from shared.messaging.records import Entry, Stream, Verdict
from shared.messaging.waiting import Gap

SNAPSHOT_INTENT = "snapshot.fetch"
GAP_LIMIT_RECORDS = 100
GAP_LIMIT_SECONDS = 30.0

# LIMIT keeps the planner from joining the other way round, which reads the whole table, large as the portfolio.
_LAST = """
SELECT s.source, s.aggregate_type, s.aggregate_id, r.last
FROM unnest(string_to_array($2, chr(31)), string_to_array($3, chr(31)), string_to_array($4, chr(31)))
  AS s(source, aggregate_type, aggregate_id),
LATERAL (
    SELECT last FROM sequence_received
    WHERE aggregate_id = s.aggregate_id AND aggregate_type = s.aggregate_type AND topic = $1 AND source = s.source
    LIMIT 1
) AS r
"""

_ADVANCE = """
INSERT INTO sequence_received AS r (source, topic, aggregate_type, aggregate_id, last)
SELECT s.source, $1, s.aggregate_type, s.aggregate_id, s.last
FROM unnest(string_to_array($2, chr(31)), string_to_array($3, chr(31)), string_to_array($4, chr(31)),
            string_to_array($5, chr(31))::bigint[])
  AS s(source, aggregate_type, aggregate_id, last)
ON CONFLICT (aggregate_id, aggregate_type, topic, source) DO UPDATE SET last = greatest(r.last, excluded.last)
"""

_STILL_HELD = """
SELECT count(*) FROM waiting_record
WHERE behind = 'gap' AND topic = $1 AND source = $2 AND aggregate_type = $3 AND aggregate_id = $4
"""


_SETTLE = """
WITH settled AS (
    DELETE FROM waiting_record
    WHERE behind = 'gap' AND topic = $1 AND source = $2 AND aggregate_type = $3 AND aggregate_id = $4 AND sequence <= $5
    RETURNING source, event_id, handled
)
UPDATE inbox SET outcome = 'ignored' FROM settled
WHERE inbox.source = settled.source AND inbox.event_id = settled.event_id AND NOT settled.handled
"""

_LET_GO = """
UPDATE waiting_record w SET behind = 'party', place = o.place
FROM (
    SELECT topic, partition, "offset", nextval('kept_place') AS place
    FROM (
        SELECT topic, partition, "offset" FROM waiting_record
        WHERE behind = 'gap' AND topic = $1 AND source = $2 AND aggregate_type = $3 AND aggregate_id = $4
          AND sequence <= $5
        ORDER BY sequence
    ) AS ordered
) AS o
WHERE w.topic = o.topic AND w.partition = o.partition AND w."offset" = o."offset"
"""


@dataclass(slots=True)
class Ordered:
    """One batch after ordering: what may go on, what is stale, what stays ahead, which kept records were released."""

    ready: list[Entry] = field(default_factory=list)
    stale: list[Entry] = field(default_factory=list)
    ahead: list[Entry] = field(default_factory=list)
    released: list[Entry] = field(default_factory=list)
    last: dict[Stream, int] = field(default_factory=dict)


Pending = dict[Stream, dict[int, Entry]]


def order(
    entries: Sequence[Entry], *, last: Mapping[Stream, int], held: Iterable[Entry], monotone_types: frozenset[str]
) -> Ordered:
    """Order a batch (offset order) by its streams' sequences, together with what is held back already. Pure.

    A monotone entry that is ahead goes on at once, and its record stays behind as a filler of the sequence.
    """
    result = Ordered()
    position = dict(last)
    pending: Pending = {}
    for kept in held:
        if kept.stream is not None:
            pending.setdefault(kept.stream, {})[kept.sequence] = kept
    for entry in entries:
        stream = entry.stream
        if stream is None:
            result.ready.append(entry)
            continue
        reached = position.get(stream, 0)
        waiting_here = pending.setdefault(stream, {})
        if entry.sequence <= reached or entry.sequence in waiting_here:
            result.stale.append(entry)
        elif entry.sequence == reached + 1:
            result.ready.append(entry)
            position[stream] = entry.sequence
            _release(stream, position, waiting_here, result)
        else:
            waiting_here[entry.sequence] = entry
            if _runs_at_once(entry, monotone_types):
                entry.handled = True
                result.ready.append(entry)
    result.ahead = [entry for stream in pending.values() for entry in stream.values() if not entry.kept]
    result.ahead.sort(key=lambda entry: entry.offset)
    result.last = {stream: reached for stream, reached in position.items() if reached != last.get(stream, 0)}
    return result


def _release(stream: Stream, position: dict[Stream, int], waiting_here: dict[int, Entry], result: Ordered) -> None:
    while (following := waiting_here.pop(position[stream] + 1, None)) is not None:
        position[stream] = following.sequence
        if following.kept:
            result.released.append(following)
        if not following.handled:
            result.ready.append(following)


def _runs_at_once(entry: Entry, monotone_types: frozenset[str]) -> bool:
    return entry.verdict is not Verdict.HANDLE or entry.type in monotone_types


async def last_received(uow: UnitOfWork, topic: str, streams: Iterable[Stream]) -> dict[Stream, int]:
    """The last number received of each stream; a stream never seen is left out."""
    ordered = sorted(set(streams))
    rows = await uow.sql.fetch(_LAST, topic, *_columns(ordered))
    return {Stream((row[0], row[1], row[2])): row[3] for row in rows}


async def advance(uow: UnitOfWork, topic: str, last: Mapping[Stream, int]) -> None:
    """Remember how far each stream has come; never goes back."""
    if last:
        ordered = sorted(last)
        await uow.sql.execute(_ADVANCE, topic, *_columns(ordered), joined(last[stream] for stream in ordered))


async def park_overfull(uow: UnitOfWork, topic: str, ahead: Sequence[Entry]) -> None:
    """Park the parties of those streams behind whose gap too much waits now."""
    for stream, entry in {entry.stream: entry for entry in ahead if entry.stream is not None}.items():
        held = int(await uow.sql.fetchval(_STILL_HELD, topic, *stream))
        if held >= GAP_LIMIT_RECORDS and entry.party_id is not None:
            await park_for_gap(uow, Gap(topic, entry.record.partition, entry.offset, entry.party_id, stream))


async def park_for_gap(uow: UnitOfWork, gap: Gap) -> None:
    """Park the party (locked by the caller) and ask the owner for its state, once per gap."""
    await parking.park(
        uow,
        gap.party_id,
        cause=parking.SEQUENCE_GAP,
        known=True,
        topic=gap.topic,
        partition=gap.partition,
        offset=gap.offset,
    )
    reached = (await last_received(uow, gap.topic, [gap.stream])).get(gap.stream, 0)
    source, aggregate_type, aggregate_id = gap.stream
    uow.intend(
        NewIntent(
            kind=SNAPSHOT_INTENT,
            key=intent_key(gap.topic, gap.stream, reached),
            due_at=uow.real_now,
            party_id=gap.party_id,
            payload={
                "topic": gap.topic,
                "source": source,
                "aggregate_type": aggregate_type,
                "aggregate_id": aggregate_id,
                "received": reached,
            },
        )
    )


def intent_key(topic: str, stream: Stream, reached: int) -> str:
    """What makes the question about a gap unique: the stream, and how far it had come."""
    return "|".join((topic, *stream, str(reached)))


async def accept_snapshot(uow: UnitOfWork, topic: str, stream: Stream, *, sequence: int) -> None:
    """What happened up to `sequence` is taken as known: what is held up to there is settled, the rest may go on.

    Under the party's lock. Held records that follow directly now wait behind the party only, and are replayed.
    """
    rows = await uow.sql.fetch(
        "SELECT sequence FROM waiting_record WHERE behind = 'gap' AND topic = $1 AND source = $2 "
        "AND aggregate_type = $3 AND aggregate_id = $4 AND sequence > $5 ORDER BY sequence",
        topic,
        *stream,
        sequence,
    )
    reached = sequence
    for row in rows:
        if row["sequence"] == reached + 1:
            reached += 1
    await uow.sql.execute(_SETTLE, topic, *stream, sequence)
    await uow.sql.execute(_LET_GO, topic, *stream, reached)
    await advance(uow, topic, {stream: reached})


def _columns(streams: Sequence[Stream]) -> tuple[str, str, str]:
    return (
        joined(stream[0] for stream in streams),
        joined(stream[1] for stream in streams),
        joined(stream[2] for stream in streams),
    )
