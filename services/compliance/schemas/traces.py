"""Traces of contacts over HTTP."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.schemas.contacts import ItemProblem
from services.compliance.schemas.identifiers import FeedNumber, PartyId
from shared.events.base import Reference
from shared.moments import Moment

TracedChannel = Literal["visit", "call", "sms", "email", "letter"]


class ToldTrace(BaseModel):
    """One record of a source that collectors do not control. Late and out-of-order records are welcome."""

    model_config = ConfigDict(extra="forbid")

    source: Reference = Field(description="The source, as it was declared.", examples=["carrier-1"])
    record_id: Reference = Field(
        description="The source's own id of the record. Source and id make it one: sent again, it counts once.",
        examples=["cdr-20260302-000917"],
    )
    number: FeedNumber = Field(ge=1, description="The source's gapless number of the record.", examples=[917])
    party_id: PartyId
    channel: TracedChannel = Field(description="What it shows.", examples=["call"])
    seen_at: Moment = Field(
        description="Business time at which it began: of ringing, of the hand-over, at the door, the day of the letter."
    )


class ToldTraces(BaseModel):
    """Records of one or more sources. Each stands for itself: one that is refused harms no other."""

    model_config = ConfigDict(extra="forbid")

    items: list[ToldTrace] = Field(min_length=1, max_length=1_000, description="The records.")


class TraceResult(BaseModel):
    """What became of one record."""

    position: int = Field(ge=0, description="Its place in the request, from 0.", examples=[0])
    source: str = Field(description="The source.", examples=["carrier-1"])
    record_id: str = Field(description="The source's id.", examples=["cdr-20260302-000917"])
    status: Literal["recorded", "repeated", "refused", "erased"] = Field(
        description="`recorded` now; `repeated`: recorded before; `refused`: see `problem`; `erased`: the person was "
        "erased, nothing of the record is kept but its number."
    )
    trace_id: UUID | None = Field(None, description="The trace.")
    problem: ItemProblem | None = Field(None, description="Why it was refused.")


class TraceResults(BaseModel):
    """Results in the order of the records."""

    items: list[TraceResult] = Field(description="One per record.")
