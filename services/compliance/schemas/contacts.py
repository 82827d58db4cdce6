"""Contacts that the bank's own systems report over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from services.compliance.domain.reports import Reached, ReportedChannel
from services.compliance.schemas.identifiers import FeedNumber, PartyId
from shared.events.base import Reference
from shared.events.contact import ConductFlag, Purpose
from shared.moments import Moment
from shared.web.shown_as import ShownAs

MAX_RECORDS = 1_000
LONGEST_POINT = 254
_LONGEST_CONTACT = timedelta(hours=24)


class ReportedContact(BaseModel):
    """One contact as the system that made it recorded it. Late and out-of-order records are welcome."""

    model_config = ConfigDict(extra="forbid")

    source: Reference = Field(description="The reporting system (feed).", examples=["dialler-1"])
    record_id: Reference = Field(
        description="The system's own id of the record. Source and id make the record one: sent again, it counts once.",
        examples=["call-20260302-000917"],
    )
    number: FeedNumber = Field(
        ge=1, description="The feed's gapless number of the record; a gap is a missing record.", examples=[917]
    )
    party_id: PartyId
    permit_id: UUID | None = Field(None, description="Permit that it was made on; none is a finding.")
    channel: ReportedChannel = Field(
        description="Channel. Visits are reported by their own service. A third person who was asked where somebody "
        "lives, by whatever means, is `third_party_location`; `contact_point` is then that person's."
    )
    purpose: Purpose = Field("collection", description="Purpose; not named means collection.")
    started_at: Moment = Field(
        description="Business time of the start: of ringing, of the hand-over to carrier or post."
    )
    ended_at: Moment = Field(description="Business time of the end; of a message the same as the start.")
    started_real: Moment | None = Field(
        None, description="Real time of the start; left out: the same moment on the clock of real time."
    )
    contact_point: str | None = Field(
        None,
        min_length=3,
        max_length=LONGEST_POINT,
        description="Number, e-mail or postal address that was used. Committed (HMAC) as soon as it is read, and kept "
        "nowhere in clear.",
    )
    outcome: Reference = Field(description="The system's outcome code.", examples=["promise_to_pay"])
    reached: Reached = Field("unknown", description="Who was reached. Unknown counts as everybody.")
    conversation: bool | None = Field(
        None, description="A live exchange with the right person; not said: counted as one if it can have been one."
    )
    third_person_refused: bool = Field(
        False, description="A third person who was asked does not want to be asked again: it binds for everybody."
    )
    identity_shown: bool | None = Field(None, description="The caller said who called and for whom.")
    recording_complete: bool | None = Field(None, description="The recording covers the whole contact.")
    debt_disclosed_to_third: bool = Field(False, description="Debt details reached somebody else.")
    conduct_flags: list[ConductFlag] = Field(
        default_factory=list, max_length=16, description="Misconduct that was heard or read in it, each once or more."
    )

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> Self:
        if not self.started_at <= self.ended_at <= self.started_at + _LONGEST_CONTACT:
            raise ValueError("ended_at must not lie before started_at, nor more than 24 hours after it")
        return self


class ReportedContacts(BaseModel):
    """Records of one or more systems. Each stands for itself: a bad one is refused, the others are recorded."""

    model_config = ConfigDict(extra="forbid")

    items: list[Annotated[JsonValue, ShownAs(ReportedContact)]] = Field(
        min_length=1, max_length=MAX_RECORDS, description="The records."
    )


class ItemError(BaseModel):
    """One field of a record that was refused."""

    location: Literal["body"] = Field("body", alias="in", description="Where the field is.", examples=["body"])
    pointer: str = Field(description="JSON Pointer (RFC 6901) of the field.", examples=["/items/3/party_id"])
    kind: str = Field(description="What is wrong, for programs.", examples=["missing"])
    detail: str = Field(description="What is wrong, for people; quotes nothing of the record.")

    model_config = ConfigDict(populate_by_name=True)


class ItemProblem(BaseModel):
    """Why a record was refused (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="Identifies the meaning of the problem.",
        examples=["https://doorstep.example/problems/contact-record-changed"],
    )
    title: str = Field(description="The meaning in a few words.", examples=["The record was sent before with other"])
    status: int = Field(description="The HTTP status that the record alone would have had.", examples=[409])
    detail: str | None = Field(None, description="What is particular to this occurrence.")
    errors: list[ItemError] = Field(default_factory=list, description="Every field that was refused.")


class ReportedResult(BaseModel):
    """What became of one record."""

    position: int = Field(ge=0, description="Its place in the request, from 0.", examples=[0])
    source: str | None = Field(None, description="The reporting system, if it could be read.", examples=["dialler-1"])
    record_id: str | None = Field(
        None, description="The system's id, if it could be read.", examples=["call-20260302-000917"]
    )
    status: Literal["recorded", "repeated", "refused", "erased"] = Field(
        description="`recorded` now; `repeated`: recorded before, with the result of then; `refused`: see `problem`; "
        "`erased`: the person was erased, nothing of the record is kept but its number."
    )
    contact_id: UUID | None = Field(None, description="The contact.")
    verdict: Literal["lawful", "violation"] | None = Field(
        None, description="Judged on the facts known when it was recorded."
    )
    finding_ids: list[UUID] = Field(default_factory=list, description="Its findings; `GET /v1/findings/{id}`.")
    problem: ItemProblem | None = Field(None, description="Why it was refused.")


class ReportedResults(BaseModel):
    """Results in the order of the records."""

    items: list[ReportedResult] = Field(description="One per record.")
    recorded: int = Field(description="How many were recorded now.", examples=[1])
    repeated: int = Field(description="How many had been recorded before.", examples=[0])
    refused: int = Field(description="How many were refused.", examples=[0])
    erased: int = Field(description="How many were about people who were erased.", examples=[0])
