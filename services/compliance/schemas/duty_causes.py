"""Causes of duties over HTTP: requests of people and their relatives, breaches of data, and what is owed for them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.domain.duty_causes import CauseKind, Outcome, Relation, Right
from services.compliance.domain.rule_parts import DutyOwner
from services.compliance.domain.rule_records import PLACE
from services.compliance.schemas.identifiers import PartyId
from shared.events.base import Reference
from shared.moments import Moment

Place = Annotated[str, Field(pattern=PLACE.replace(r"\*|", ""), examples=["US-CA"])]


class TakeRequest(BaseModel):
    """A person, or a near relative of somebody who died, uses a right over what is kept."""

    model_config = ConfigDict(extra="forbid")

    party_id: PartyId
    right: Right = Field(description="Which right.")
    relation: Relation | None = Field(None, description="A near relative asks, who is this; null: the person does.")
    received_at: Moment = Field(description="Business time at which it reached us; the clocks start here.")
    reference: Reference = Field(description="The file it is in, without names; told again, it is the same request.")


class ReportBreach(BaseModel):
    """Personal data were lost, or seen by somebody who must not see them."""

    model_config = ConfigDict(extra="forbid")

    known_at: Moment = Field(description="Business time at which we became aware of it; the clocks start here.")
    places: list[Place] = Field(
        max_length=60, description="Where the people live whose data these are; empty: not known, then all laws ask."
    )
    reference: Reference = Field(description="The incident's file; told again, it is the same breach.")


class RelativesGrounds(BaseModel):
    """On what a relative is given something."""

    model_config = ConfigDict(extra="forbid")

    kinship_proof: Reference = Field(description="The document that proves the kinship, by its file.")
    own_interest: Reference = Field(description="Where the relative's own lawful interest is written down.")
    arranged_otherwise: bool = Field(description="Whether the deceased arranged otherwise; then it is refused.")


class AnswerDuty(BaseModel):
    """One thing owed was done, was refused with the reason told, or is not needed."""

    model_config = ConfigDict(extra="forbid")

    party_id: PartyId | None = Field(None, description="Whom the cause is about; null: nobody by name (a breach).")
    rule: str = Field(min_length=3, max_length=40, description="The rule that asks for it.", examples=["CN-PIPL-49"])
    outcome: Outcome = Field(description="What became of it.")
    answered_at: Moment = Field(description="Business time at which it was done; not before its cause.")
    reference: Reference = Field(description="What shows it: the letter, the authority's receipt, the assessment.")
    grounds: RelativesGrounds | None = Field(None, description="Needed where a relative is given something.")


class OwedView(BaseModel):
    """One thing owed because of the cause."""

    rule: str = Field(description="The rule that asks for it.", examples=["US-CA-CCPA-CONFIRM"])
    citation: str = Field(description="Where that is written.")
    duty: str = Field(description="What is to be done.")
    owner: DutyOwner = Field(description="Who in the institution does it.")
    due_at: Moment = Field(description="Business time from which it is late.")
    outcome: Outcome | None = Field(description="What became of it; null: still owed.")
    answered_at: Moment | None = Field(description="Business time at which that was.")
    late: bool = Field(description="Whether it is still owed and should have been done.")


class DutyCauseView(BaseModel):
    """A cause and what is owed because of it. It names nobody."""

    cause_id: UUID = Field(description="The cause.")
    cause: CauseKind = Field(description="What happened.")
    places: list[str] = Field(description="By whose law; empty: not known, then by the strictest of all.")
    caused_at: Moment = Field(description="Business time from which the clocks run.")
    reference: str = Field(description="Its file.")
    owed: list[OwedView] = Field(description="What is owed, in the order of the rules; empty: no rule asks for it.")
