"""Missing facts over HTTP."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field

from services.compliance.domain.fact_tasks import Owner
from services.compliance.schemas.identifiers import PartyId
from shared.moments import Moment


class FactTaskView(BaseModel):
    """A fact about a party that a rule asked for and nobody has told."""

    task_id: UUID = Field(description="The task.")
    party_id: PartyId
    fact: str = Field(description="What is not known.", examples=["party.time_zone"])
    rule: str = Field(description="The first rule that asked for it.", examples=["FACTS-ZONE"])
    owner: Owner = Field(description="The service, or the desk of the bank, that can find it out.")
    opened_at: Moment = Field(description="Business time of the first decision that lacked it.")
    due_at: Moment = Field(description="Business time by which it is to be found out (bank policy: 3 days).")
    overdue: bool = Field(description="Whether that time has passed.")


class BlockedPartyView(BaseModel):
    """A person whom missing facts have blocked for longer than 14 days."""

    party_id: PartyId
    since: Moment = Field(description="Business time since which something is missing without interruption.")
    facts: list[str] = Field(description="What is missing.")
    rules: list[str] = Field(description="Rules that asked for it.")
    owners: list[str] = Field(description="Who is to find it out.")
