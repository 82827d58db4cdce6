"""A fact of the core that came by another way than the topic, as the event that the topic would have brought."""

from __future__ import annotations

from datetime import datetime

from services.intake.folding import core_of
from services.intake.store.parties import key_of
from shared.events import Event
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE


def core_event(
    name: str, data: EventData, *, tenant: str, source: str, identity: str, time: datetime, learned_at: datetime,
    correlation_id: str, traceparent: str = "",
) -> Event[EventData]:  # fmt: skip
    """`data` as an event of type `name`, under the key of the person it is about. Raises LookupError."""
    event_type = CATALOGUE[name]
    key = key_of(tenant, core_of(data), str(getattr(data, "party_ref", "-")))
    return Event(
        id=identity,
        source=source,
        type=name,
        version=event_type.version,
        tenant=tenant,
        key=key,
        party_id=None,
        aggregate_type=event_type.aggregate,
        aggregate_id=key,
        sequence=int(getattr(data, "core_sequence", 0)),
        time=time,
        recorded_time=learned_at,
        correlation_id=correlation_id,
        causation_id="",
        traceparent=traceparent,
        data=data,
    )
