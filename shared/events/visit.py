"""Topic `visit`: the saga of one visit. Until `visit.assigned` assignment owns the plan, afterwards visits does."""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.events.base import CaseId, Cell, EventData, PartyId, PermitId, Reference, TimeWindow, VisitId
from shared.money import Money

Outcome = Literal[
    "met_customer", "other_person", "no_answer", "address_not_found", "moved", "asked_to_leave", "dispute_raised",
    "represented", "hardship_told", "vulnerability_signal", "deceased_reported", "identity_theft_claim", "promise_made",
    "plan_signed", "plan_declined", "paid_digitally", "complaint_made",
]  # fmt: skip
Reason = Literal[
    "income_lost", "income_late", "health_or_care", "bereavement", "family_change", "business_down", "disaster",
    "too_many_debts", "forgot", "autopay_or_bank_fault", "dispute", "identity_theft", "unwilling", "not_said",
]  # fmt: skip


class VisitFact(EventData):
    """What every visit event carries."""

    visit_id: VisitId
    case_id: CaseId
    party_id: PartyId
    version: int = Field(ge=1, description="Version of the visit at its writer.")


class VisitProposed(VisitFact):
    """Assignment found a lawful window and a pair with a route for it."""

    field_day: date = Field(description="Local date of the visit.")
    window: TimeWindow = Field(description="Window to be offered to the customer.")
    duration_minutes: int = Field(ge=5, le=240, description="Expected stay at the door, minutes.")
    pair_id: UUID = Field(description="The pair of collectors.")
    crew: list[UUID] = Field(min_length=1, max_length=4, description="Collector ids.")
    device_id: Reference = Field(description="The pair's device.")
    cell: Cell
    jurisdiction: str = Field(description="Place whose law applies.")
    case_version: int = Field(ge=1, description="Version of the case that was planned on.")
    address_key: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{32}$",
        description="Opaque key of the address to be visited: the case's `household`. None: not known.",
    )


class VisitOffered(VisitFact):
    """The offer went to the customer under its own permit."""

    permit_id: PermitId
    channel: Literal["sms"] = Field(description="Channel of the offer.")
    window: TimeWindow = Field(description="Offered window.")
    answer_by: AwareDatetime = Field(description="Business time until which an answer counts.")


class VisitAgreed(VisitFact):
    """The customer said yes."""

    window: TimeWindow = Field(description="Agreed window.")
    answered_at: AwareDatetime = Field(description="Business time of the answer.")


class VisitDeclined(VisitFact):
    """The customer said no, asked to stop, or did not answer in time (`expired`)."""

    cause: Literal["declined", "stop_request", "expired", "offer_refused"] = Field(description="Why there is no visit.")


class VisitMoved(VisitFact):
    """The customer asked for another window."""

    wished: TimeWindow = Field(description="Window that the customer asks for.")


class VisitAssigned(VisitFact):
    """The visit permit is granted; the visit now belongs to visits."""

    permit_id: PermitId
    permit: str = Field(max_length=8_000, description="Compact JWS of the permit (EdDSA).")
    window: TimeWindow = Field(description="Permitted window.")
    field_day: date = Field(description="Local date.")
    pair_id: UUID = Field(description="The pair of collectors.")
    crew: list[UUID] = Field(min_length=1, max_length=4, description="Collector ids.")
    device_id: Reference = Field(description="Device the permit is bound to.")
    stop_number: int = Field(ge=1, description="Position on the day's route.")
    duration_minutes: int = Field(ge=5, le=240, description="Expected stay, minutes.")


class VisitWithdrawn(VisitFact):
    """Assignment gave the visit up before it was assigned."""

    cause: Reference = Field(description="Why.", examples=["permit_denied"])
    rules: list[str] = Field(default_factory=list, max_length=50, description="Rules that refused, if any.")


class VisitCheckedIn(VisitFact):
    """At the door, with a verified permit."""

    permit_id: PermitId
    checked_in_at: AwareDatetime = Field(description="Business time.")
    checked_in_real: AwareDatetime = Field(description="Real time.")
    crew_present: list[UUID] = Field(min_length=1, max_length=4, description="Collectors on site.")
    distance_m: int = Field(ge=0, description="Metres between device and registered home.")


class VisitCheckInRefused(VisitFact):
    """A crew tried to begin the visit and was refused. The visit stays as it is."""

    refused_at: AwareDatetime = Field(description="Business time.")
    refused_real: AwareDatetime = Field(description="Real time.")
    device_id: Reference = Field(description="Device that tried.")
    reasons: list[Reference] = Field(
        min_length=1, max_length=20, description="Every reason, the weightiest first.", examples=[["permit_forged"]]
    )
    crew_present: list[UUID] = Field(min_length=1, max_length=4, description="Collectors on site, says the device.")
    cell: Cell


class VisitCompleted(VisitFact):
    """The visit is over and recorded."""

    permit_id: PermitId
    checked_in_at: AwareDatetime = Field(description="Business time of arrival.")
    checked_out_at: AwareDatetime = Field(description="Business time of departure.")
    outcome: Outcome = Field(description="What happened at the door.")
    reason: Reason | None = Field(None, description="Reason of the arrears, if told.")
    right_party: bool = Field(description="Identity of the customer was confirmed.")
    household_contacted: bool = Field(description="Someone of the household was reached.")
    debtor_met: bool = Field(description="The debtor was met.")
    identity_shown: bool = Field(description="Collectors showed their credentials.")
    recording_complete: bool = Field(description="Audio and video cover the whole visit.")
    promise: Money | None = Field(None, description="Amount promised, if any.")
    crew_present: list[UUID] = Field(min_length=1, max_length=4, description="Collectors on site.")


class VisitRecalled(VisitFact):
    """A new fact withdrew the visit before the door."""

    cause: Reference = Field(description="The fact.", examples=["payment"])
    fact_arrived_at: AwareDatetime = Field(description="Real time at which the fact reached our topic.")
    recalled_at: AwareDatetime = Field(description="Real time of the recall.")
    state_before: Reference = Field(description="State the visit was in.", examples=["en_route"])


class VisitAborted(VisitFact):
    """Ended for safety or vulnerability."""

    cause: Literal["safety", "vulnerability", "notice_to_end", "collector_absent", "permit_expired"] = Field(
        description="Why it ended."
    )


class SosRaised(VisitFact):
    """A collector asked for help. Always accepted, whatever is down."""

    collector_id: UUID = Field(description="Who asked.")
    raised_at: AwareDatetime = Field(description="Business time.")
    silent: bool = Field(description="True for the quiet duress signal.")
