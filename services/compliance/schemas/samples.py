"""The daily sample over HTTP."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.domain.samples import SampleKind, SampleVerdict
from services.compliance.schemas.identifiers import PartyId
from services.compliance.store.samples import SampleState
from shared.moments import Moment


class SampleView(BaseModel):
    """An allowed decision or an override that was drawn for a second person."""

    sample_id: UUID = Field(description="The sample.")
    day: date = Field(description="The day, by UTC, on which it was decided.", examples=["2026-03-12"])
    kind: SampleKind = Field(description="What was drawn.")
    subject_id: UUID = Field(description="The decision (`GET /v1/decisions/{id}`) or the override.")
    party_id: PartyId
    state: SampleState = Field(description="`open` until a second person has judged it.")
    verdict: SampleVerdict | None = Field(None, description="What that person said.")
    judged_by: str | None = Field(None, description="That person.", examples=["auditor-3"])
    judged_at: Moment | None = Field(None, description="Business time of the judgement.")
    finding_id: UUID | None = Field(None, description="The finding that a disagreement opened.")


class JudgeSample(BaseModel):
    """What a second person says."""

    model_config = ConfigDict(extra="forbid")

    verdict: SampleVerdict = Field(description="`disagree`: it should not have been allowed; a finding is opened.")
    reason: str = Field(
        min_length=10,
        max_length=2_000,
        description="Why, in words; kept sealed.",
        examples=["The place was a workplace."],
    )
