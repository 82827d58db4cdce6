"""Events without a party: heartbeats with low watermarks (key `-`, partition named)."""

from __future__ import annotations

from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.events.base import EventData


class ServiceHeartbeat(EventData):
    """A service lives, and has processed and published everything up to `low_watermark`."""

    service: str = Field(description="The service.", examples=["intake"])
    topic: str = Field(description="Topic (without prefix) this heartbeat is about.")
    partition: int = Field(ge=0, description="Partition it is written to.")
    sent_at: AwareDatetime = Field(description="Real time.")
    low_watermark: AwareDatetime = Field(description="Real time up to which all inputs are processed and published.")
    parked_parties: list[UUID] = Field(default_factory=list, max_length=1_000, description="Parties parked here.")
    blocked_parties: list[UUID] = Field(
        default_factory=list, max_length=1_000, description="Keys the relay cannot publish."
    )
    suspended_feeds: dict[str, str] = Field(
        default_factory=dict,
        max_length=100,
        description="Outer feeds (cores) that the service does not believe at the moment, each with the cause.",
    )
