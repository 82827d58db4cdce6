"""A foreign topic that begins anew: its owner has another broker, or has made the topic again.

Positions say nothing any more. Every record that the topic still holds is read once more; those that were handled are
known by their identity in the inbox. Letters that were settled make room for new records at their offsets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.database import UnitOfWork

_UNSETTLED = """
SELECT (SELECT count(*) FROM dead_letter WHERE topic = $1 AND state = 'open')
     + (SELECT count(*) FROM waiting_record WHERE topic = $1)
"""
_KNOWN = "SELECT min(cluster_id), count(*) FROM consumer_position WHERE topic = $1"
_SET_ASIDE = "UPDATE dead_letter SET topic = topic || '@' || $2::text WHERE topic = $1"
_BEGIN_ANEW = """
UPDATE consumer_position p SET cluster_id = $2, next_offset = coalesce(b.beginning, 0), caught_up_to = NULL
FROM consumer_position q
LEFT JOIN unnest($3::smallint[], $4::bigint[]) AS b(partition, beginning) ON b.partition = q.partition
WHERE p.topic = $1 AND q.topic = p.topic AND q.partition = p.partition
"""


class UnsettledLettersError(RuntimeError):
    """Dead letters of the topic, or records that wait behind them, name offsets that would mean other records."""


@dataclass(frozen=True, slots=True)
class BegunAnew:
    """What was: the cluster (None: nothing was read yet) and how many partitions had positions."""

    cluster_id: str | None
    partitions: int


async def begin_anew(
    uow: UnitOfWork, topic: str, *, beginnings: Mapping[int, int], cluster_id: str
) -> BegunAnew:  # fmt: skip
    """Read `topic` (our name) of `cluster_id` from its `beginnings` (offset by partition). Nobody may be reading it.

    A reader that is at work loses its positions and stops. Raises UnsettledLettersError.
    """
    unsettled = await uow.sql.fetchval(_UNSETTLED, topic)
    if unsettled:
        raise UnsettledLettersError(f"{unsettled} records of {topic} are dead letters or wait: settle them first")
    before = await uow.sql.fetchrow(_KNOWN, topic)
    await uow.sql.execute(_SET_ASIDE, topic, uow.real_now.isoformat(timespec="seconds"))
    ordered = sorted(beginnings)
    await uow.sql.execute(_BEGIN_ANEW, topic, cluster_id, ordered, [beginnings[partition] for partition in ordered])
    return BegunAnew(before[0], before[1])
