"""Rights over HTTP: legal holds, erasures, restriction."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.domain.erasures import ErasureCause, ErasureState
from services.compliance.domain.legal_holds import LegalHoldStep
from services.compliance.schemas.identifiers import PartyId
from shared.access.schemas import AccessListView, InTwoLanguages, WrittenMoment
from shared.events.base import Reference
from shared.moments import Moment


class PlaceLegalHold(BaseModel):
    """Keep everything about a person for a legal matter."""

    model_config = ConfigDict(extra="forbid")

    party_id: PartyId
    matter: Reference = Field(description="The file it is for, without names; one hold per person and matter.")
    custodian: Reference = Field(description="The named person who answers for it.")
    reason: str = Field(min_length=5, max_length=1_000, description="Why; kept encrypted under the party's key.")


class LiftLegalHold(BaseModel):
    """A person's word that the legal hold may go."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(
        min_length=5, max_length=1_000, description="Why, and on what document; kept encrypted under the party's key."
    )


class LegalHoldView(BaseModel):
    """A legal hold as it stands. It keeps everything until its step is `lift`."""

    legal_hold_id: UUID = Field(description="The legal hold.")
    party_id: PartyId
    version: int = Field(description="Its version; grows with each step.")
    step: LegalHoldStep = Field(description="The last step: placed, one person asked for its lifting, lifted.")
    matter: str = Field(description="The file it is for.")
    custodian: str = Field(description="The named person who answers for it.")
    by_whom: str = Field(description="Who took the last step.")
    reason: str | None = Field(description="Why; null once the person was erased.")
    recorded_at: Moment = Field(description="Business time of the last step.")


class RequestErasure(BaseModel):
    """A person asks to be erased."""

    model_config = ConfigDict(extra="forbid")

    party_id: PartyId
    received_at: Moment = Field(description="Business time at which the request reached us; the clock starts here.")


class KeepReason(BaseModel):
    """Why the records are kept."""

    rule: str = Field(description="The rule.", examples=["CN-CFC2024-5Y"])
    citation: str = Field(description="Its citation.")
    detail: str = Field(description="What it says here.")
    earliest: date | None = Field(
        description="First date on which this reason is gone; null: it is not a matter of time."
    )
    after: str | None = Field(description="The event after which it is gone.", examples=["complaint.closed"])


class ErasureView(BaseModel):
    """An erasure as it stands."""

    erasure_id: UUID = Field(description="The erasure.")
    party_id: PartyId
    version: int = Field(description="Its version; grows with each step.")
    cause: ErasureCause = Field(
        description="Asked for by the person, or due because nobody may keep the records longer."
    )
    state: ErasureState = Field(
        description="Requested; refused; erased (the key is gone here); complete (no backup or topic holds anything)."
    )
    by_whom: str = Field(description="Who took the last step.")
    received_at: Moment = Field(description="Business time of receipt.")
    answer_by: Moment = Field(description="Business time by which the person must be answered.")
    rule: str = Field(description="The rule that sets the clock.")
    citation: str = Field(description="Its citation.")
    refused_by: list[str] = Field(description="Rules that refused it.")
    erased_at: Moment | None = Field(description="Real time at which the key was deleted.")
    complete_from: Moment | None = Field(description="Real time from which it is complete.")


class AccessPackView(BaseModel):
    """Everything that compliance keeps about a person, for that person.

    Without `leaf_id`, in canonical form (RFC 8785), it has the SHA-256 that the leaf commits to as `pack`.
    """

    title: InTwoLanguages = Field(description="What compliance is there for.")
    party_id: PartyId
    received_at: WrittenMoment = Field(description="Business time at which the request reached us.")
    made_at: WrittenMoment = Field(description="Business time as of which it is everything.")
    answer_by: WrittenMoment = Field(description="Business time by which it has to be given.")
    rule: str = Field(description="The rule that sets the clock.")
    citation: str = Field(description="Its citation.")
    lists: list[AccessListView] = Field(description="What is kept, list by list.")
    leaf_id: UUID = Field(description="The leaf that proves that the pack was given.")


class RestrictionView(BaseModel):
    """A person whose records only the rights desk reads, until they are erased."""

    party_id: PartyId
    since: date = Field(description="Day on which nothing had the records kept any more.")
    erased_from: date = Field(description="Day from which the person is erased, unless something keeps the records.")
