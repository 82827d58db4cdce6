"""The retained events of one stream, as they were first published: what a reader lacks after a lasting gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.database.unit_of_work import UnitOfWork
from shared.events.codec import Header
from shared.messaging.outbox import StreamKey, unpack_headers

# The second condition names the partial index: events without a party are in no stream.
_OF_PARTY = r"""
SELECT seq, key, value, headers, created_at FROM outbox
WHERE topic = $1 AND key = $2 AND key <> '\x2d'::bytea ORDER BY seq
"""
_ISSUED = "SELECT last FROM sequence_issued WHERE topic = $1 AND aggregate_type = $2 AND aggregate_id = $3::uuid"


class StreamNotKeptError(LookupError):
    """The events that follow are not kept any more. `oldest`: the lowest sequence that is; None: none is."""

    def __init__(self, oldest: int | None) -> None:
        super().__init__(f"the oldest event kept has the sequence {oldest}")
        self.oldest = oldest


@dataclass(frozen=True, slots=True)
class RetainedEvent:
    """One published event. `place` is its rank in the owner's outbox."""

    place: int
    sequence: int
    key: bytes
    value: bytes
    headers: Sequence[Header]
    recorded_at: datetime


async def retained(
    uow: UnitOfWork, stream: StreamKey, *, party_id: UUID, after: int, limit: int
) -> list[RetainedEvent]:
    """Up to `limit` events of `stream` whose sequence exceeds `after`, in order; without any gap.

    Empty when no later one was issued. Raises StreamNotKeptError when the next one has been forgotten.
    """
    issued = await uow.sql.fetchval(_ISSUED, *stream)
    if issued is None or issued <= after:
        return []
    events = [
        RetainedEvent(place, sequence, key, value, headers, created_at)
        for place, key, value, packed, created_at in await uow.sql.fetch(_OF_PARTY, stream.topic, _key(party_id))
        if (sequence := _sequence(headers := unpack_headers(packed), stream)) is not None
    ]
    following = [event for event in events if event.sequence > after]
    if not following or following[0].sequence != after + 1:
        raise StreamNotKeptError(following[0].sequence if following else None)
    return following[:limit]


def _key(party_id: UUID) -> bytes:
    return str(party_id).encode()


def _sequence(headers: Sequence[Header], stream: StreamKey) -> int | None:
    """The sequence of an event of the stream; None for one of another stream."""
    attributes = dict(headers)
    if (attributes.get("ce_aggregatetype"), attributes.get("ce_aggregateid")) != (
        stream.aggregate_type.encode(),
        stream.aggregate_id.encode(),
    ):
        return None
    return int(attributes["ce_sequence"])
