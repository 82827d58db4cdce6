"""The event envelope: CloudEvents 1.0 attributes plus Doorstep's extensions."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, Self, TypeVar
from uuid import UUID

from msgspec import Struct, structs

from shared.events.base import EventData

DataT = TypeVar("DataT", bound=EventData)


class NewEvent(Struct, Generic[DataT], frozen=True):
    """An event that domain code wants published. The unit of work adds id, source, sequence, tenant, trace.

    `party_id` is None for events without a party; these name their `partition` and get the key `-`.
    `time` is business time: when it happened.
    """

    type: str
    party_id: UUID | None
    aggregate_id: UUID
    data: DataT
    time: datetime
    topic: str | None = None
    """Only where the type may appear on several topics (heartbeats); else the catalogue's."""
    partition: int | None = None
    correlation_id: str | None = None
    causation_id: str | None = None

    def caused_by(self, event_id: str) -> Self:
        """The same event, naming the event (or intent) that caused it."""
        return structs.replace(self, causation_id=event_id)


class Event(Struct, Generic[DataT], frozen=True):
    """A decoded event. Identity is `source` + `id`.

    `sequence` is gapless per (source, topic, aggregate type, aggregate id). On `loan*` topics `party_id` is None (the
    core does not know our ids), `key` is `tenant|core|party_ref` and `sequence` is the core's own, with gaps.
    """

    id: str
    source: str
    type: str
    version: int
    tenant: str
    key: str
    party_id: UUID | None
    aggregate_type: str
    aggregate_id: str
    sequence: int
    time: datetime
    recorded_time: datetime
    correlation_id: str
    causation_id: str
    traceparent: str
    data: DataT


class Received(Struct, Generic[DataT], frozen=True):
    """One event and where it came from (`topic` without the run's prefix)."""

    event: Event[DataT]
    topic: str
    partition: int
    offset: int
