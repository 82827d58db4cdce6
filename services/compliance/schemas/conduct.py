"""Conduct that was heard of a contact, over HTTP."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.domain.hindsight import HeardIn
from services.compliance.domain.packs import Severity
from services.compliance.schemas.identifiers import PartyId
from shared.events.base import Reference
from shared.events.contact import ConductFlag


class ReportConduct(BaseModel):
    """What somebody heard or read of a contact after it was recorded."""

    model_config = ConfigDict(extra="forbid")

    party_id: PartyId
    flags: list[ConductFlag] = Field(min_length=1, max_length=16, description="The misconduct.")
    heard_in: HeardIn = Field(description="In what it was heard or read.")
    reference: Reference = Field(description="Where that is kept.", examples=["recording:000917"])
    reason: str | None = Field(
        None, max_length=2_000, description="What was heard, in words; kept encrypted under the party's key."
    )


class RuleBroken(BaseModel):
    """A finding on a rule of conduct."""

    finding_id: UUID = Field(description="The finding; `GET /v1/findings/{id}`.")
    rule: str = Field(description="The rule.", examples=["CN-CBA2026-FORBIDDEN"])
    citation: str = Field(description="The law, standard or policy behind it.")
    severity: Severity = Field(description="How grave it is.")


class ConductReported(BaseModel):
    """The rules of conduct that the contact broke so: those of its place and day."""

    contact_id: UUID = Field(description="The contact.")
    broken: list[RuleBroken] = Field(description="One per rule; empty where no rule of the place forbids it.")
