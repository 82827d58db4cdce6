"""What the API tells of a case's past over all services."""

from __future__ import annotations

from pydantic import BaseModel, Field

from shared.moments import Moment


class TimelineLine(BaseModel):
    """One thing that happened, in one sentence; free of personal data."""

    happened_at: Moment = Field(description="When it happened, business time.")
    recorded_at: Moment | None = Field(description="When its owner learned it, real time; null: not kept then.")
    type: str = Field(description="Event type.", examples=["visit.completed"])
    sentence: str = Field(description="What happened, in plain words.")
    about: str | None = Field(
        description="Which kind of thing `reference` names; null: not kept then.", examples=["visit"]
    )
    reference: str = Field(description="Id of that thing; empty where none is meant.")
    details: str | None = Field(
        description="Where its owner tells more: service and path. Null: nowhere by this id.",
        examples=["visits:/v1/visits/019d2f00-0000-8a01-8000-000000000003"],
    )
