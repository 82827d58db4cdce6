"""The retained events of one stream, as they were first published: what a reader lacks after a lasting gap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.database.unit_of_work import UnitOfWork
from shared.events.codec import Header
from shared.messaging.outbox import StreamKey, unpack_headers

# Base64 and framing come on top; more than any ordinary party has.
PAGE_BYTES: Final = 4 * 1024 * 1024

# The second condition names the partial index: events without a party are in no stream.
_OF_PARTY = r"""
SELECT seq, key, value, headers, created_at FROM outbox
WHERE topic = $1 AND key = $2 AND key <> '\x2d'::bytea ORDER BY seq
"""
_ISSUED = "SELECT last FROM sequence_issued WHERE topic = $1 AND aggregate_type = $2 AND aggregate_id = $3::uuid"


class UnknownStreamError(LookupError):
    """Nothing was ever published on this stream."""


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

    Empty when no later one was issued. Raises UnknownStreamError, StreamNotKeptError when the next one was forgotten.
    """
    issued = await uow.sql.fetchval(_ISSUED, *stream)
    if issued is None:
        raise UnknownStreamError(str(stream))
    if issued <= after:
        return []
    events = [
        RetainedEvent(place, sequence, key, value, headers, created_at)
        for place, key, value, packed, created_at in await uow.sql.fetch(_OF_PARTY, stream.topic, _key(party_id))
        if (sequence := _sequence(headers := unpack_headers(packed), stream)) is not None
    ]
    return first_page(events, after=after, limit=limit)


def first_page(events: Iterable[RetainedEvent], *, after: int, limit: int) -> list[RetainedEvent]:
    """The events from `after` + 1 on, up to the first hole, `limit`, or PAGE_BYTES (but one at least). Pure.

    Retention deletes in no order, so holes may stand anywhere. Raises StreamNotKeptError when the next one is missing.
    """
    page: list[RetainedEvent] = []
    size_bytes = 0
    for event in events:
        if event.sequence <= after:
            continue
        size_bytes += len(event.value)
        if event.sequence != after + len(page) + 1 or len(page) == limit or (page and size_bytes > PAGE_BYTES):
            if not page:
                raise StreamNotKeptError(event.sequence)
            return page
        page.append(event)
    if not page:
        raise StreamNotKeptError(None)
    return page


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
