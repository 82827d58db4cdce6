"""Cut-overs over HTTP."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, model_validator

from services.compliance.domain.cutovers import (
    CutoverSignature,
    CutoverState,
    CutoverTerms,
    OldChannel,
    RecordKind,
)
from services.compliance.domain.reports import Reached
from services.compliance.schemas.complaints import MakeComplaint
from services.compliance.schemas.contacts import ItemProblem
from services.compliance.schemas.holds import PlaceHold
from services.compliance.schemas.identifiers import PartyId
from shared.events.base import Reference
from shared.events.contact import Purpose
from shared.moments import Moment
from shared.web.shown_as import ShownAs

MAX_RECORDS = 1_000
_LONGEST_CONTACT = timedelta(hours=24)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BeginCutover(_Strict):
    """Begin to import, under the signatures of two registered people."""

    terms: CutoverTerms = Field(description="What both of them signed.")
    signatures: list[CutoverSignature] = Field(max_length=10, description="Their signatures over it.")


class AcceptCutover(_Strict):
    """Two registered people accept what the services hold; nothing more is imported then."""

    read_back_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the totals read back.")
    signatures: list[CutoverSignature] = Field(max_length=10, description="Their signatures over it.")


class CutoverParties(_Strict):
    """People of a cut-over."""

    party_ids: list[PartyId] = Field(min_length=1, max_length=MAX_RECORDS, description="The parties.")


class _Record(_Strict):
    record_ref: Reference = Field(description="The other system's own reference: sent again, it is the same record.")


class ImportedHold(_Record):
    """A hold that stands in the other system."""

    kind: Literal["hold"] = Field(description="A hold.")
    hold: PlaceHold = Field(description="The hold.")


class ImportedComplaint(_Record):
    """A complaint that is open in the other system."""

    kind: Literal["complaint"] = Field(description="A complaint.")
    complaint: MakeComplaint = Field(description="The complaint; its clock runs from when it was received.")


class OldContact(_Strict):
    """A contact that was made before the cut-over. It counts, and is judged by nobody."""

    party_id: PartyId
    channel: OldChannel = Field(description="Channel.")
    purpose: Purpose = Field("collection", description="Purpose; not named means collection.")
    started_at: Moment = Field(description="When it began.")
    ended_at: Moment = Field(description="When it ended; of a message the same as the start.")
    contact_point: str | None = Field(
        None, min_length=3, max_length=254, description="Number or e-mail used. Committed (HMAC) as soon as it is read."
    )
    outcome: Reference = Field(description="The other system's outcome code.")
    reached: Reached = Field("unknown", description="Who was reached. Unknown counts as everybody.")
    conversation: bool | None = Field(None, description="A live exchange with the right person; not said: counts.")

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> Self:
        if not self.started_at <= self.ended_at <= self.started_at + _LONGEST_CONTACT:
            raise ValueError("ended_at must not lie before started_at, nor more than 24 hours after it")
        return self


class ImportedContact(_Record):
    """A past contact."""

    kind: Literal["contact"] = Field(description="A past contact.")
    contact: OldContact = Field(description="The contact.")


class OldInquiry(_Strict):
    """Questions to one third person on one date. Kept as a commitment (HMAC) that belongs to nobody."""

    contact_point: str = Field(min_length=3, max_length=254, description="Number or address used; not kept in clear.")
    asked_on: date = Field(description="Local date.")
    asked: int = Field(ge=0, le=100, description="How often.")
    refused: bool = Field(description="Whether that person does not want to be asked again.")


class ImportedInquiry(_Record):
    """An entry for the ledger of third persons."""

    kind: Literal["third_person"] = Field(description="Questions to a third person.")
    inquiry: OldInquiry = Field(description="The questions.")


ImportedRecord = Annotated[
    ImportedHold | ImportedComplaint | ImportedContact | ImportedInquiry, Field(discriminator="kind")
]
READ_RECORD: TypeAdapter[ImportedHold | ImportedComplaint | ImportedContact | ImportedInquiry] = TypeAdapter(
    ImportedRecord
)


class ImportedRecords(_Strict):
    """Records of one cut-over. Each stands for itself: a bad one is refused, the others are imported."""

    items: list[Annotated[JsonValue, ShownAs(READ_RECORD)]] = Field(
        min_length=1,
        max_length=MAX_RECORDS,
        description="The records, told apart by `kind`.",
    )


class ImportedResult(BaseModel):
    """What became of one record."""

    position: int = Field(ge=0, description="Its place in the request, from 0.")
    status: Literal["good", "imported", "repeated", "refused", "erased"] = Field(
        description="`good`: would be imported; `imported` now; `repeated`: imported before; `refused`: see "
        "`problem`; `erased`: the person was erased, nothing is kept."
    )
    target_id: UUID | None = Field(None, description="The hold, complaint or contact that it became.")
    stands: bool | None = Field(None, description="Of a hold: whether it stands, now or later; null: no hold.")
    problem: ItemProblem | None = Field(None, description="Why it was refused.")


class ImportedResults(BaseModel):
    """Results in the order of the records."""

    items: list[ImportedResult] = Field(description="One per record.")


class CutoverView(BaseModel):
    """A cut-over as compliance holds it, counted anew from what it keeps."""

    cutover_id: str = Field(description="Name.")
    core: str = Field(description="The core whose people take part.")
    business_date: date = Field(description="Business date.")
    history_from: date = Field(description="Past contacts are complete from here on.")
    state: CutoverState = Field(description="`importing`, then `accepted` (nothing more is imported), then `closed`.")
    expected: dict[RecordKind, int] = Field(description="Records announced per kind.")
    held: dict[RecordKind, int] = Field(description="Records held per kind.")
    erased: dict[RecordKind, int] = Field(
        description="Records not held because their person was erased before they came: they count as announced."
    )
    parties: int = Field(description="People who take part.")
    attested: int = Field(description="Those of them whose history is attested; the others are refused permits.")


class LookBackView(BaseModel):
    """How far back contacts must be known."""

    needed_from: date | None = Field(description="First date that any rule looks at; null: no rule counts anything.")
    rule: str | None = Field(description="The rule that looks back furthest.")
    citation: str | None = Field(description="Its citation.")
    window: str | None = Field(description="Its window.")


class UnattestedParty(BaseModel):
    """Somebody of a cut-over of whom nobody attests past contacts."""

    party_id: PartyId


class PartiesTaken(BaseModel):
    """What became of the people named."""

    parties: int = Field(ge=0, description="Those of whom it is new; the others were so before, or take no part.")
