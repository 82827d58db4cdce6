"""Complaints over HTTP."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.domain.complaints import ComplaintChannel, ComplaintState
from services.compliance.schemas.identifiers import PartyId
from shared.events.base import Reference
from shared.moments import Moment


class MakeComplaint(BaseModel):
    """Somebody complains, to whomever of us. Always accepted, whoever the party is."""

    model_config = ConfigDict(extra="forbid")

    party_id: PartyId
    channel: ComplaintChannel = Field(description="How it reached us.")
    received_at: Moment = Field(description="Business time at which it reached us; the clock starts here.")
    about: list[Reference] = Field(
        default_factory=list, max_length=8, description="People of ours complained about; they never handle it."
    )
    reference: Reference = Field(description="The teller's id of the complaint; told twice, it is one.")
    words: str | None = Field(
        None, max_length=4_000, description="What was said; kept encrypted under the party's key."
    )


class ComplaintReceived(BaseModel):
    """The complaint stands, and contact has stopped."""

    complaint_id: UUID = Field(description="The complaint.")
    hold_id: UUID = Field(description="The hold that keeps contact away until it is closed.")
    answer_by: Moment = Field(description="Business time by which it must be answered.")
    rule: str = Field(description="The rule that sets the clock.", examples=["CN-COMPLAINT-CLOCK"])
    citation: str = Field(description="Its citation.")


class TakeComplaintStep(BaseModel):
    """A person's step on a complaint."""

    model_config = ConfigDict(extra="forbid")

    words: str | None = Field(
        None, max_length=4_000, description="What is said or answered; kept encrypted under the party's key."
    )
    reference: Reference | None = Field(None, description="A document that goes with it: letter, ombudsman's case.")


class ComplaintView(BaseModel):
    """A complaint as it stands."""

    complaint_id: UUID = Field(description="The complaint.")
    version: int = Field(description="Its version; grows with each step.")
    party_id: PartyId
    channel: ComplaintChannel = Field(description="How it reached us.")
    about: list[str] = Field(description="People of ours complained about.")
    received_at: Moment = Field(description="Business time of receipt.")
    answer_by: Moment = Field(description="Business time by which it must be answered.")
    late: bool = Field(description="Whether that time has passed without an answer.")
    rule: str = Field(description="The rule that sets the clock.")
    citation: str = Field(description="Its citation.")
    state: ComplaintState = Field(description="Where it stands.")
    owner: str | None = Field(description="The person who looks after it; none yet: null.")


class ComplaintStepView(BaseModel):
    """One step in a complaint's life."""

    version: int = Field(description="The version that it made.")
    step: Literal["receive", "take", "acknowledge", "answer", "escalate", "close", "reopen"] = Field(
        description="What was done."
    )
    state: ComplaintState = Field(description="Where it led.")
    by_whom: str = Field(description="Who did it.")
    words: str | None = Field(description="What was said; null when nothing was, it is erased, or this answers a step.")
    reference: str | None = Field(description="The document that goes with it.")
    recorded_at: Moment = Field(description="Business time.")
    recorded_real: Moment = Field(description="Real time.")


class ComplaintDetail(ComplaintView):
    """A complaint with everything that was done about it."""

    history: list[ComplaintStepView] = Field(description="Every step, oldest first.")
