"""Holds and stop requests over HTTP."""

from __future__ import annotations

from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.compliance.domain.holds import COMPLAINT_SOURCE, LONGEST_REVIEW, HoldKind, HoldScope, Need, PointKind
from services.compliance.schemas.identifiers import PartyId
from shared.events.base import Cell, Reference
from shared.events.contact import Channel
from shared.moments import Moment


class HeldPoint(BaseModel):
    """A contact point through which nobody contacts the person. It is committed (HMAC) as soon as it is read."""

    model_config = ConfigDict(extra="forbid")

    kind: PointKind = Field(description="What it is: `phone` stops calls and SMS, `postal` letters, `address` visits.")
    value: str = Field(min_length=3, max_length=400, description="Number, e-mail or address. Kept nowhere in clear.")
    place_cell: Cell | None = Field(None, description="Of an address: its cell, as requests for visits name it.")


class PlaceHold(BaseModel):
    """Keep contact away from a party."""

    model_config = ConfigDict(extra="forbid")

    party_id: PartyId
    kind: HoldKind = Field(description="Kind of hold.")
    scope: HoldScope = Field("collection", description="How much it covers.")
    debt_id: UUID | None = Field(None, description="Of scope `loan`: the debt, as the case's loans name it.")
    contact_point: HeldPoint | None = Field(None, description="Of scope `contact_point`: which.")
    valid_from: Moment = Field(description="Business time from which it holds.")
    valid_to: Moment | None = Field(
        None,
        description="Business time at which it ends by itself; none: open. Of deceased, cease-contact and complaint "
        "it is ignored: only two people end these.",
    )
    source_ref: Reference = Field(
        description="What it comes from, for instance the plan's id; one open hold per source, not `complaint:…`."
    )
    reason: str | None = Field(
        None,
        max_length=400,
        description="Reason in words; kept encrypted under the party's key. Refused for vulnerability.",
    )
    need: Need | None = Field(None, description="Of a vulnerability hold: what the person needs from us, never why.")
    review_by: Moment | None = Field(
        None, description="Of a vulnerability hold: business time of its review, within a year."
    )

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("valid_to must lie after valid_from")
        return self

    @model_validator(mode="after")
    def _source_is_its_own(self) -> Self:
        if self.source_ref.startswith(COMPLAINT_SOURCE):
            raise ValueError("source_ref: a complaint places its hold itself, and closing it ends that")
        return self

    @model_validator(mode="after")
    def _scope_is_named(self) -> Self:
        if (self.scope == "loan") != (self.debt_id is not None):
            raise ValueError("debt_id: of scope loan, and of no other")
        if (self.scope == "contact_point") != (self.contact_point is not None):
            raise ValueError("contact_point: of scope contact_point, and of no other")
        return self

    @model_validator(mode="after")
    def _vulnerability_is_a_need(self) -> Self:
        if self.kind != "vulnerability":
            if self.need is not None:
                raise ValueError("need: only of a vulnerability hold")
            return self
        if self.need is None or self.review_by is None:
            raise ValueError("a vulnerability hold says what the person needs, and when that is reviewed")
        if self.reason is not None:
            raise ValueError("reason: a vulnerability hold keeps no reason")
        if not self.valid_from < self.review_by <= self.valid_from + LONGEST_REVIEW:
            raise ValueError("review_by must lie within a year after valid_from")
        return self


class EndHold(BaseModel):
    """End a hold from now on, never earlier."""

    model_config = ConfigDict(extra="forbid")

    cause: Reference = Field(description="Why it ends.", examples=["plan.broken"])
    evidence: Reference | None = Field(
        None, description="The document that shows it; every kind but `plan_active` needs one."
    )


class HoldView(BaseModel):
    """A hold as it stands."""

    hold_id: UUID = Field(description="The hold.")
    party_id: PartyId
    kind: HoldKind = Field(description="Kind.")
    scope: HoldScope = Field(description="Scope.")
    debt_id: UUID | None = Field(None, description="Of scope `loan`: the debt.")
    contact_point: str | None = Field(
        None, description="Of scope `contact_point`: its kind and commitment (HMAC), never the point itself."
    )
    through_debt_id: UUID | None = Field(
        None, description="It is somebody else's moratorium, which reaches this party through this debt; it ends there."
    )
    valid_from: Moment = Field(description="Business time from.")
    valid_to: Moment | None = Field(description="Business time to, if it has an end.")
    source_ref: str = Field(
        description="Source. `withheld` where the reader may not know it; `shared-debt:…` where it reaches the person "
        "through a debt."
    )
    state: Literal["open", "ended"] = Field(description="Whether its end was recorded.")
    end_asked: bool = Field(False, description="One person has said that it ends; a second one must say so, too.")
    need: Need | None = Field(None, description="Of a vulnerability hold: what the person needs.")
    review_by: Moment | None = Field(None, description="Business time of its review.")


class StopRequest(BaseModel):
    """A customer asks that contact stops. Always accepted, whoever the party is."""

    model_config = ConfigDict(extra="forbid")

    party_id: PartyId
    channel_heard: Channel = Field(description="Channel on which the customer said so.")
    heard_at: Moment = Field(description="Business time at which it was heard.")
    detail_code: Reference = Field(description="What was asked, as a code.", examples=["no_visits"])


class StopAccepted(BaseModel):
    """The request stands as a hold."""

    hold_id: UUID = Field(description="The hold that keeps contact away.")
