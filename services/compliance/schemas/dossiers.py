"""Facts, wishes, requests and permissions over HTTP."""

from __future__ import annotations

from datetime import time
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, model_validator

from services.compliance.domain.dossier import DEBT_NOTICE, TellableName
from services.compliance.schemas.identifiers import PartyId
from shared.events.base import Reference
from shared.events.contact import Channel
from shared.moments import LocalTime, Moment

MAX_FACTS = 1_000


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FactTold(_Body):
    """One fact about one party, told by who owns it."""

    party_id: PartyId
    fact: TellableName = Field(description="What is told.")
    value: StrictBool | StrictStr | list[Reference] = Field(
        description="True or false; for a circumstance its word; for `letter` the elements that the template contains."
    )
    as_of: Moment = Field(description="Business time since when it is so.")
    reference: Reference | None = Field(None, description="The owner's record of it.")
    debt_ids: list[UUID] | None = Field(
        None,
        min_length=1,
        max_length=50,
        description="Of `validation_notice_sent`: the debts (`debt_id` of the case's loans) of which the notice spoke. "
        "Left out: of those that the person was known to be bound by when it is told, and that had been made by then.",
    )

    @model_validator(mode="after")
    def _debts_belong_to_a_notice(self) -> Self:
        if self.debt_ids is not None and (self.fact != DEBT_NOTICE or self.value is not True):
            raise ValueError(f"debt_ids go with {DEBT_NOTICE}, and only where it was sent")
        return self


class FactsTold(_Body):
    """Facts told together: all are kept, or none."""

    items: list[FactTold] = Field(min_length=1, max_length=MAX_FACTS, description="Facts.")


class FactResult(BaseModel):
    """What became of one fact."""

    party_id: PartyId
    fact: str = Field(description="The fact.")
    status: Literal["recorded", "known"] = Field(description="Known: the same was told before.")


class FactResults(BaseModel):
    """Results in the order of the facts."""

    items: list[FactResult] = Field(description="One per fact.")


class KnownFact(BaseModel):
    """What stands of one fact now."""

    fact: str = Field(description="The fact.", examples=["validation_notice_sent"])
    value: bool | str | list[str] = Field(description="Its value.")
    debt_ids: list[UUID] | None = Field(None, description="Of a notice: the debts that it named; null: it named none.")
    as_of: Moment = Field(description="Business time since when it is so.")
    until: Moment | None = Field(description="It says nothing of contacts that begin later; null: no limit.")
    owner: str = Field(description="Whose word it is.")
    reference: str | None = Field(description="The owner's record of it.")


class KnownFacts(BaseModel):
    """What stands of a party now; at most one entry per fact."""

    items: list[KnownFact] = Field(description="In order of name.")


class WishTold(_Body):
    """When and how the person wants to be contacted, or not."""

    wish: Literal["never", "only"] = Field(description="Not at these hours, or at no others.")
    channels: list[Channel] = Field(min_length=1, max_length=6, description="Channels that it concerns.")
    opens: LocalTime | None = Field(None, description="From this local time on; null with `closes`: at all times.")
    closes: LocalTime | None = Field(None, description="Until before this local time; 00:00 is the end of the day.")

    @model_validator(mode="after")
    def _hours_are_hours(self) -> Self:
        if (self.opens is None) != (self.closes is None):
            raise ValueError("opens and closes go together")
        if self.opens is not None and self.closes not in {None, time(0)} and self.opens >= self.closes:
            raise ValueError("opens must lie before closes; split hours that pass midnight")
        return self


class TellPreferences(_Body):
    """All wishes of the person, in the place of those told before; none: the person was asked and minds nothing."""

    party_id: PartyId
    wishes: list[WishTold] = Field(max_length=24, description="The wishes.")
    told_at: Moment = Field(description="Business time at which the person said so.")
    reference: Reference | None = Field(None, description="The teller's record of it.")


class AvoidedTime(BaseModel):
    """A time that is avoided from now on."""

    channels: list[Channel] = Field(description="On these channels.")
    opens: time | None = Field(description="From this local time on; null: at all times.")
    closes: time | None = Field(description="Until before this local time.")


class PreferencesKept(BaseModel):
    """What is avoided from now on."""

    party_id: PartyId
    status: Literal["recorded", "known"] = Field(description="Known: the same was told before.")
    avoided: list[AvoidedTime] = Field(description="Times and channels that are avoided.")


class TellRequest(_Body):
    """The person's own request to be contacted; good for one contact within 7 days."""

    party_id: PartyId
    channels: list[Channel] = Field(min_length=1, max_length=6, description="Channels on which it is wished.")
    requested_at: Moment = Field(description="Business time at which the person asked.")
    reference: Reference = Field(description="The record of it: the portal's message, the inbound call.")


class RequestKept(BaseModel):
    """The request stands."""

    party_id: PartyId
    status: Literal["recorded", "known"] = Field(description="Known: the same was told before.")
    until: Moment = Field(description="Business time until which it covers one contact.")


class RecordConsent(_Body):
    """The person agreed that one rule be passed."""

    party_id: PartyId
    rule: str = Field(min_length=3, max_length=40, description="The rule.", examples=["US-REGF-TIME"])
    valid_from: Moment = Field(description="Business time from which it acts; never before it is recorded.")
    valid_to: Moment = Field(description="Business time until which it acts.")
    opens: LocalTime | None = Field(None, description="Hours agreed to, local; null with `closes`: any hour.")
    closes: LocalTime | None = Field(None, description="End of the hours agreed to.")
    evidence: Reference = Field(description="Where the person's own word is recorded.")

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        if self.valid_from >= self.valid_to:
            raise ValueError("valid_from must lie before valid_to")
        if (self.opens is None) != (self.closes is None) or (
            self.opens is not None and self.closes is not None and self.opens >= self.closes
        ):
            raise ValueError("opens and closes go together, opens first")
        return self


class OverrideRule(_Body):
    """A supervisor decides that a warning be passed."""

    party_id: PartyId
    rule: str = Field(min_length=3, max_length=40, description="The rule.", examples=["US-REGF-14A"])
    valid_from: Moment = Field(description="Business time from which it acts; never before it is recorded.")
    valid_to: Moment = Field(description="Business time until which it acts, at most 7 days.")
    evidence: Reference = Field(description="The document that the decision rests on.")
    reason: str = Field(
        min_length=10, max_length=1_000, description="Why; kept encrypted under the party's key, proved by a leaf."
    )

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        if self.valid_from >= self.valid_to:
            raise ValueError("valid_from must lie before valid_to")
        return self


class OverrideView(BaseModel):
    """A permission to pass one rule."""

    override_id: UUID = Field(description="The permission; rulings that rest on it name it as their evidence.")
    party_id: PartyId
    rule: str = Field(description="The rule.")
    by: Literal["consent", "supervisor"] = Field(description="The person's consent, or a supervisor.")
    valid_from: Moment = Field(description="Business time from which it acts.")
    valid_to: Moment = Field(description="Business time until which it acts; its withdrawal, if earlier.")
    opens: time | None = Field(description="Hours agreed to, local; null: any hour.")
    closes: time | None = Field(description="End of the hours agreed to.")
    evidence: str = Field(description="What proves it.")
    by_whom: str = Field(description="Who recorded it.")
    recorded_at: Moment = Field(description="Business time of recording.")
    withdrawn: bool = Field(description="Whether it was withdrawn.")
