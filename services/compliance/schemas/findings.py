"""Findings and their workflow over HTTP."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.domain.findings import FindingState, Step
from services.compliance.domain.packs import Severity
from shared.events.base import Reference
from shared.moments import Moment


class _Finding(BaseModel):
    finding_id: UUID = Field(description="The finding.")
    version: int = Field(description="The version that stands, from 1.", examples=[1])
    rule: str = Field(description="The rule.", examples=["CN-GBT45251-HOURS"])
    citation: str = Field(description="The law, standard or policy behind it.")
    severity: Severity = Field(description="How grave it is.", examples=["high"])
    conduct: bool = Field(description="Broken on the facts then known.", examples=[True])
    harm: bool = Field(description="Broken on the facts now known.", examples=[True])
    detail: str = Field(description="What was wrong; nothing personal.")
    state: FindingState = Field(
        description="open, then explained, then upheld or dismissed, then remedied if upheld.", examples=["open"]
    )
    recorded_at: Moment = Field(description="Real time at which it was opened.")
    changed_at: Moment = Field(description="Real time of the version that stands.")


class FindingView(_Finding):
    """A rule that was broken towards a person, as it stands. Every change supersedes the version before."""

    party_id: UUID = Field(description="The party.")
    contact_id: UUID | None = Field(description="The contact, if it is about one.")
    permit_id: UUID | None = Field(description="The permit, if one was named.")


class ControlFindingView(_Finding):
    """A finding about how complete our knowledge is: a feed, a service. No person is behind it."""

    subject: str = Field(description="What it is about.", examples=["feed:dialler-1", "service:visits"])


class FindingStepView(BaseModel):
    """One version: what was done, by whom, when and why."""

    version: int = Field(description="The version.", examples=[2])
    step: Step = Field(
        description="`found` and `judged_again` are compliance's own, the others are of people.", examples=["explain"]
    )
    state: FindingState = Field(description="The state after it.", examples=["explained"])
    by_whom: str | None = Field(description="The person (subject of the access token); null: compliance itself.")
    reference: str | None = Field(description="Where the evidence is.", examples=["ticket:4711"])
    reason: str | None = Field(description="Why, in words; null also when the person was erased.")
    conduct: bool = Field(description="Verdict of conduct in this version.", examples=[True])
    harm: bool = Field(description="Verdict of harm in this version.", examples=[False])
    detail: str = Field(description="What was wrong, in this version.")
    recorded_at: Moment = Field(description="Business time.")
    recorded_real: Moment = Field(description="Real time.")


class FindingDetail(_Finding):
    """A finding with its whole history."""

    party_id: UUID | None = Field(description="The party; null when it is about a feed or a service.")
    contact_id: UUID | None = Field(description="The contact, if it is about one.")
    permit_id: UUID | None = Field(description="The permit, if one was named.")
    subject: str | None = Field(description="The feed or service that it is about, if it is not about a person.")
    history: list[FindingStepView] = Field(description="Every version, oldest first.")


class TakeFindingStep(BaseModel):
    """A person's step in the workflow of a finding."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(
        min_length=3, max_length=2_000, description="Why, in words; kept encrypted under the party's key."
    )
    reference: Reference | None = Field(None, description="Where the evidence is.", examples=["ticket:4711"])
