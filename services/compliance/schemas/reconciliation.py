"""Reconciliation over HTTP."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from shared.moments import Moment

Publisher = Literal["intake", "assignment", "visits", "plans", "compliance"]


class ReconciledHourView(BaseModel):
    """An hour of what one service publishes on one topic, as it compared last."""

    service: Publisher = Field(description="The publisher.", examples=["visits"])
    topic: str = Field(description="The topic.", examples=["contact"])
    hour: Moment = Field(description="Its beginning (real time, in the events' own ids).")
    published: int = Field(description="Events of the types that compliance takes over, says the publisher.")
    applied: int = Field(description="Events that compliance has taken over; those held back do not count.")
    differs: bool = Field(description="Whether the two sides have other events, whatever the counts say.")
    missing: list[str] = Field(description="Ids that were not taken over, with what holds them; at most 200.")
    extra: list[str] = Field(description="Ids that the publisher does not know; at most 200.")
    compared_at: Moment = Field(description="Real time of the last comparison.")
