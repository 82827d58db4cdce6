"""What intake's API says of people: contact cards, points, searches. Every reading is kept and told to compliance."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from services.intake.card_desk import MOST_FOUND
from services.intake.domain.card_use import CardField
from shared.events.base import PartyId, Reference
from shared.geo import Point

MAX_POINTS = 500


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ContactLine(BaseModel):
    """One way to reach the person."""

    kind: Literal["home", "mobile", "email"] = Field(
        description="What `value` is: the address of a home, a mobile number, an e-mail address."
    )
    value: str = Field(description="In clear where the purpose needs it, else masked.")
    masked: bool = Field(description="Whether `value` is masked.")
    source: str = Field(description="Lawful source code.")
    point: Point | None = Field(None, description="Exact position of a home, where the purpose needs it.")


class ContactCard(BaseModel):
    """Name and contact points of a person, as far as the purpose needs them. Every reading is recorded."""

    party_id: PartyId
    masked: bool = Field(description="True: every value is masked.")
    clear: list[CardField] = Field(description="The fields that the purpose needs, in clear.")
    name: str = Field(description="Name, in clear or masked.")
    born_on: str | None = Field(None, description="Date of birth, in clear, or the year alone; null: not known.")
    contacts: list[ContactLine] = Field(description="Ways to reach the person, as the core told them.")


class PointItem(_Question):
    """Whose home."""

    party_id: PartyId


class PointQuestion(_Question):
    """Exact homes for routing. Every reading is recorded."""

    items: list[PointItem] = Field(min_length=1, max_length=MAX_POINTS, description="Whose homes to read.")
    purpose: Literal["route"] = Field(description="The only purpose for which points are given in bulk.")


class PointAnswer(BaseModel):
    """The exact home of one party, null while unknown or after erasure."""

    party_id: PartyId
    point: Point | None = Field(description="Exact position of the home; null while unknown or after erasure.")


class PointAnswers(BaseModel):
    """Points, in the order of the items."""

    items: list[PointAnswer] = Field(description="One answer per item.")


class PersonSearch(_Question):
    """Find a person exactly, by one of: number, name with birthday, a core's reference. Every search is recorded."""

    mobile: str | None = Field(
        None,
        min_length=5,
        max_length=40,
        pattern=r"^[0-9+() -]+$",
        description="The number, in any usual way of writing it.",
    )
    name: str | None = Field(None, min_length=1, max_length=200, description="Full name; needs `born_on`.")
    born_on: date | None = Field(None, description="Date of birth; needs `name`.")
    core: Reference | None = Field(None, description="Name of a core; needs `party_ref`.")
    party_ref: Reference | None = Field(None, description="The core's reference of the person; needs `core`.")
    purpose: Literal["inbound_call", "access_request", "correction", "complaint"] = Field(
        description="Somebody called, or asked for something, and must be recognised."
    )
    limit: int = Field(
        MOST_FOUND, ge=1, le=MOST_FOUND, description="Most people in the answer; there are no further pages."
    )

    @field_validator("name")
    @classmethod
    def _has_letters(cls, value: str | None) -> str | None:
        if value is not None and not any(character.isalnum() for character in value):
            raise ValueError("a name has letters")
        return value

    @field_validator("mobile")
    @classmethod
    def _has_digits(cls, value: str | None) -> str | None:
        if value is not None and sum(character.isdigit() for character in value) < 5:
            raise ValueError("a number has at least 5 digits")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        for one, other in (("name", "born_on"), ("core", "party_ref")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"{one} and {other} go together")
        if sum(given is not None for given in (self.mobile, self.name, self.core)) != 1:
            raise ValueError("search by exactly one of mobile, name with born_on, core with party_ref")
        return self


class FoundParty(BaseModel):
    """Somebody who fits, masked."""

    party_id: PartyId
    name: str | None = Field(description="Masked name; null: the core has not described the person.")
    born_on: str | None = Field(description="Year of birth; null: not known.")
    contacts: list[ContactLine] = Field(description="Ways to reach the person, masked.")


class FoundParties(BaseModel):
    """The parties found."""

    party_ids: list[UUID] = Field(description="Parties who fit; empty when nobody does.")
    items: list[FoundParty] = Field(description="The same parties, masked, to tell one from another.")
