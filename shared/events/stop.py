"""Topic `stop` (express): facts that reduce contact, read first by compliance and visits; plus parked parties."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from shared.events.base import EventData, PartyId, Reference

StopCause = Literal[
    "payment",
    "cured",
    "deceased",
    "stop_request",
    "plan_signed",
    "dispute",
    "hardship",
    "represented",
    "sos",
    "complaint",
    # What lowers or ends a debt, and what the core knows of a person.
    "credit",
    "due_changed",
    "waiver",
    "charge_reversed",
    "restructure",
    "reage",
    "correction",
    "paid",
    "settled",
    "refinanced",
    "cancelled",
    "written_off",
    "sold",
    "servicing",
    "insolvency",
    "hold",
    # Who the person is has changed: two references are one person, or no longer.
    "identity",
    # The core whose word all facts about the person are is not believed for the moment.
    "feed_suspended",
]


class PartyStopped(EventData):
    """Contact with the party must stop or be recalled, for `cause`."""

    party_id: PartyId
    cause: StopCause = Field(description="The fact that reduces contact.")
    scope: Literal["party", "visit_channel", "collection"] = Field(description="How much stops.")
    since: AwareDatetime = Field(description="Business time from which it holds.")
    arrived_at: AwareDatetime = Field(description="Real time at which the fact reached our topic (recall clock).")
    reference: Reference = Field(description="Source of the fact: transaction, request or plan id.")


class PartyParked(EventData):
    """A record about the party could not be processed in `service`: facts are incomplete, permits are revoked."""

    party_id: PartyId
    service: str = Field(description="Service that parked the party.", examples=["intake"])
    cause: str = Field(max_length=200, description="Reason code.", examples=["schema_violation"])
    topic: str = Field(description="Topic of the record.")
    partition: int = Field(ge=0, description="Partition of the record.")
    offset: int = Field(ge=0, description="Offset of the record.")


class PartyUnparked(EventData):
    """The parked records were replayed or resolved."""

    party_id: PartyId
    service: str = Field(description="Service that had parked the party.", examples=["intake"])
