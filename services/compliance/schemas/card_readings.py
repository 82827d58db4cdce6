"""Readings of contact data over HTTP."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field

from shared.moments import Moment


class CardReadingView(BaseModel):
    """One reading of one person's contact data, or an attempt."""

    reading_id: UUID = Field(description="The reading.")
    party_id: UUID = Field(description="The person whose data were read.")
    reader: str = Field(description="Who read: the token's subject.", examples=["collector-1"])
    client: str = Field(description="With which software.", examples=["visits"])
    purpose: str = Field(description="What for.", examples=["visit"])
    what: str = Field(
        description="`card`: in clear; `masked_card`; `refused`: no permit stood; `point`: home for routes; `search`."
    )
    fields: list[str] = Field(description="Fields shown in clear.")
    channel: str | None = Field(description="Channel by which the purpose reaches the person; null: it reaches nobody.")
    permit_id: UUID | None = Field(description="Permit that was named.")
    refused_for: str | None = Field(description="Why it was refused.")
    read_at: Moment = Field(description="Business time.")
    unpermitted: bool = Field(description="Refused, or found to be without a permit that allowed it.")
    without_contact: bool = Field(description="Opened to reach the person over 26 hours ago, and no contact followed.")


class CardReaderView(BaseModel):
    """What one reader did on one day."""

    reader: str = Field(description="Who read: the token's subject.", examples=["collector-1"])
    client: str = Field(description="With which software.", examples=["visits"])
    readings: int = Field(description="Readings in all, refused ones too.")
    in_clear: int = Field(description="Cards opened in clear.")
    people: int = Field(description="People whose cards were opened in clear.")
    refused: int = Field(description="Refused: no permit stood.")
    without_permit: int = Field(description="Opened, and found to be without a permit that allowed it.")
    without_contact: int = Field(description="Opened to reach the person over 26 hours ago, and no contact followed.")
    much: bool = Field(description="Whether the cards of 50 people or more were opened.")
