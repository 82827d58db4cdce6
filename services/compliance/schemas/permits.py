"""Windows, permits and revocation lists over HTTP."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from services.compliance.schemas.identifiers import PartyId
from shared.events.base import Cell, Reference, TimeWindow
from shared.events.contact import Channel, Purpose
from shared.moments import Moment

MAX_ITEMS = 500
MAX_DAYS = 62
_LONGEST_WINDOW = timedelta(hours=24)
Zone = str
DEBT_IDS = Field(
    None,
    min_length=1,
    max_length=50,
    description="The debts (`debt_id` of the case's loans) that the contact is about, so that a hold on another loan "
    "does not keep it away. Left out, or one that is not known to be the person's: all of them.",
)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WindowsItem(_Body):
    """One party, channel and purpose, and the local dates of interest."""

    party_id: PartyId
    channel: Channel = Field(description="Channel of the contact.")
    purpose: Purpose = Field("collection", description="Purpose; not named means collection.")
    jurisdiction: str = Field(min_length=2, max_length=8, description="Place whose law applies, as the asker knows it.")
    time_zones: list[Zone] = Field(
        default_factory=list, max_length=8, description="Candidate IANA zones known to the asker."
    )
    debt_ids: list[UUID] | None = DEBT_IDS
    contact_point: str | None = Field(
        None,
        min_length=3,
        max_length=254,
        description="Number, e-mail or postal address that would be used, as a request names it. Kept nowhere. Left "
        "out: not known, so a hold on one of the person's covers it.",
    )
    days: list[date] = Field(min_length=1, max_length=MAX_DAYS, description="Local dates to look at.")
    duration_minutes: int = Field(ge=0, le=240, description="Expected duration of the contact, minutes.")


class WindowsQuestion(_Body):
    """When may these parties be contacted?"""

    items: list[WindowsItem] = Field(min_length=1, max_length=MAX_ITEMS, description="Questions, answered in order.")


class Reason(BaseModel):
    """A rule that stands in the way."""

    rule: str = Field(description="Id of the rule.", examples=["CN-GBT45251-HOURS"])
    citation: str = Field(description="The law, standard or policy behind it.")
    detail: str = Field(description="What is in the way, in words; nothing personal.")
    values: dict[str, JsonValue] = Field(default_factory=dict, description="The values that the rule looked at.")
    override: Literal["consent", "supervisor"] | None = Field(
        None, description="Who may lift this refusal: the person's recorded consent, or a supervisor; null: nobody."
    )
    earliest_lawful: Moment | None = Field(None, description="Business time at which this rule stops refusing.")
    lawful_after: str | None = Field(None, description="Event after which it stops refusing; `never`: not at all.")


class WindowsAnswer(BaseModel):
    """Lawful windows of one item; advice, not a right: only a permit allows a contact."""

    party_id: PartyId
    windows: list[TimeWindow] = Field(
        description="Spans inside which a contact of the duration is lawful as far as known."
    )
    refused: list[Reason] = Field(description="Rules that refused at least one of the days.")


class WindowsAnswers(BaseModel):
    """Answers in the order of the questions."""

    items: list[WindowsAnswer] = Field(description="One per question.")


class ContactAsked(_Body):
    """One contact that somebody wants to make."""

    request_id: UUID = Field(
        description="The asker's id of the request; asked again, an allowed one gets the same permit."
    )
    party_id: PartyId
    case_id: UUID = Field(description="The party's case.")
    subject_id: UUID = Field(description="Visit or plan that the contact is for.")
    channel: Channel = Field(description="Channel of the contact.")
    purpose: Purpose = Field("collection", description="Purpose; not named means collection.")
    jurisdiction: str = Field(min_length=2, max_length=8, description="Place whose law applies, as the asker knows it.")
    time_zones: list[Zone] = Field(
        default_factory=list, max_length=8, description="Candidate IANA zones known to the asker."
    )
    window: TimeWindow = Field(description="Window of the contact, arrival to departure, business time.")
    duration_minutes: int = Field(ge=0, le=240, description="Expected duration of the contact, minutes.")
    crew: list[UUID] = Field(default_factory=list, max_length=4, description="Collectors who would go.")
    device_id: Reference | None = Field(None, description="Device that the permit is bound to; visits need it.")
    place_cell: Cell | None = Field(None, description="Cell of the place; visits need it.")
    debt_ids: list[UUID] | None = DEBT_IDS
    contact_point: str | None = Field(
        None,
        min_length=3,
        max_length=254,
        description="Number, e-mail or postal address that will be used; of a third-party inquiry the third person's. "
        "Committed (HMAC) as soon as it is read, and kept nowhere in clear. Left out: not known, so all contacts with "
        "the person count on it.",
    )
    address: str | None = Field(
        None,
        min_length=3,
        max_length=400,
        description="Address of a visit, as it is written. Committed with the cell like a contact point.",
    )
    address_key: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{32}$",
        description="Opaque key of the address of a visit (the case's `household`), for who does not know the address: "
        "visits to one key are counted together. It does not narrow a hold on an address.",
    )
    versions: dict[Literal["case", "visit", "plan"], int] = Field(
        default_factory=dict, description="Versions that the asker has seen; compliance refuses to decide on less."
    )
    # Last, whatever is added: digests of requests that were answered follow the order of the fields.
    replaces: UUID | None = Field(None, description="Unused permit of the party whose reservation this one takes over.")

    @model_validator(mode="after")
    def _window_is_a_window(self) -> Self:
        if not self.window.start < self.window.end <= self.window.start + _LONGEST_WINDOW:
            raise ValueError("window: start must lie before end, at most 24 hours")
        return self


class PermitRequest(ContactAsked):
    """One contact for which a permit is wanted."""


class PermitRequests(_Body):
    """Requests for permits, decided in order in one transaction."""

    items: list[PermitRequest] = Field(min_length=1, max_length=MAX_ITEMS, description="Requests.")


class DecisionAnswer(BaseModel):
    """The decision on one contact. A refusal is a result, not an error."""

    request_id: UUID = Field(description="The request.")
    decision_id: UUID | None = Field(
        description="The decision; `GET /v1/decisions/{id}` shows every rule and value. Null for a person who was "
        "erased: nothing about them is decided or kept any more."
    )
    decision: Literal["allow", "deny", "needs-fact"] = Field(description="The answer.")
    reasons: list[Reason] = Field(description="Rules that refuse; empty for allow.")
    earliest_lawful: Moment | None = Field(None, description="Business time from which all rules would allow.")
    lawful_after: str | None = Field(None, description="Event that must come first; `never`: not at all.")


class PermitAnswer(DecisionAnswer):
    """The decision on one request for a permit, and the permit."""

    permit_id: UUID | None = Field(None, description="The permit, if allowed.")
    permit: str | None = Field(None, description="Compact JWS (Ed25519) of the permit, if allowed.")


class DecisionQuestions(_Body):
    """Contacts about which somebody asks: may I?"""

    items: list[ContactAsked] = Field(min_length=1, max_length=MAX_ITEMS, description="Questions.")


class DecisionAnswers(BaseModel):
    """Answers in the order of the questions. An allow is no permit."""

    items: list[DecisionAnswer] = Field(description="One per question.")


class PermitAnswers(BaseModel):
    """Answers in the order of the requests."""

    items: list[PermitAnswer] = Field(description="One per request.")


class UsePermit(_Body):
    """Report that the permit's contact began."""

    used_at: Moment = Field(description="Business time of the start.")
    contact_id: UUID | None = Field(None, description="The contact that it was used for.")


class ReleasePermit(_Body):
    """Give an unused permit back."""

    cause: Reference = Field(description="Why it is not needed.", examples=["permit_expired"])


class PermitView(BaseModel):
    """A permit as compliance knows it."""

    permit_id: UUID = Field(description="The permit.")
    party_id: PartyId
    decision_id: UUID = Field(description="The decision behind it.")
    subject_id: UUID = Field(description="Visit or plan.")
    channel: Channel = Field(description="Channel.")
    purpose: Purpose = Field(description="Purpose.")
    window: TimeWindow = Field(description="Validity, business time.")
    crew: list[UUID] = Field(description="Collectors.")
    device_id: str | None = Field(description="Device it is bound to.")
    state: Literal["granted", "used", "recorded", "released"] = Field(
        description="`recorded`: the contact's own record took over."
    )
    revoked: bool = Field(description="A later fact forbids it; if used already, it is a notice to end.")
    revoke_cause: str | None = Field(None, description="That fact.")
    contact_id: UUID | None = Field(None, description="The contact that it was used for.")
    permit: str | None = Field(None, description="Compact JWS, for those who may use it.")


class RevocationsAnswer(BaseModel):
    """The signed list of one device, in clear beside its signed form."""

    number: int = Field(description="Grows with each revocation for the device.")
    as_of: Moment | None = Field(description="Compliance's low watermark, real time; null while a feeder is silent.")
    device_id: str = Field(description="The device.")
    permit_ids: list[UUID] = Field(description="Every revoked permit of the device whose window is not over.")
    signed: str = Field(description="Compact JWS of number, as_of, device_id and permit_ids; trust only this.")


class KeysAnswer(BaseModel):
    """Public keys (RFC 7517) that verify permits and revocation lists."""

    keys: list[dict[str, JsonValue]] = Field(description="JWKs.")
