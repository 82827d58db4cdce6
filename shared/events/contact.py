"""Topic `contact`: every attempt to reach a person, whoever made it. Compliance audits each one."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.events.base import EventData, PartyId, Reference

Channel = Literal["visit", "call", "sms", "email", "letter", "third_party_location"]
Purpose = Literal[
    "collection", "customer_requested", "reply", "plan_service", "statutory_notice", "appointment_admin", "safety"
]

ConductFlag = Literal[
    "violence", "threat", "restraint", "intimidation", "stalking", "insult", "harassment", "intrusion",
    "refusal_to_leave", "false_authority", "false_identity", "false_claim", "false_promise", "privacy_leak",
    "extra_fees", "new_borrowing", "public_posting", "private_account", "humiliation", "calling_card",
    "debt_talk_with_minor", "loitering", "payment_demanded",
]  # fmt: skip
"""Misconduct, as somebody reports or hears it. `payment_demanded`: only a contact for collection may do that."""


class ContactRecorded(EventData):
    """One contact or attempt."""

    contact_id: UUID = Field(description="Id of the contact.")
    party_id: PartyId
    permit_id: UUID | None = Field(None, description="Permit used; none is a finding.")
    visit_id: UUID | None = Field(None, description="Visit, if it was one.")
    plan_id: UUID | None = Field(None, description="Plan served, if any.")
    channel: Channel = Field(description="Channel.")
    purpose: Purpose = Field(description="Purpose.")
    started_at: AwareDatetime = Field(description="Business time of the start.")
    ended_at: AwareDatetime = Field(description="Business time of the end.")
    started_real: AwareDatetime = Field(description="Real time of the start.")
    outcome: Reference = Field(description="Outcome code.")
    attempt: bool = Field(True, description="Counter: any try.")
    contact: bool = Field(description="Counter: someone was reached.")
    conversation: bool = Field(description="Counter: live exchange with the right person.")
    household_contacted: bool = Field(description="Counter: someone of the household was reached.")
    debtor_met: bool = Field(description="Counter: the debtor was met.")
    crew: list[UUID] = Field(default_factory=list, max_length=4, description="Collectors on site.")
    identity_shown: bool | None = Field(None, description="Credentials shown (visits).")
    recording_complete: bool | None = Field(None, description="Recording covers the whole visit (visits).")
    debt_disclosed_to_third: bool = Field(False, description="Debt details reached somebody else.")
    entered_home: bool | None = Field(None, description="A home, other private place or work area was entered.")
    entry_consented: bool | None = Field(None, description="Consent to enter and to film inside was recorded.")
    asked_to_leave: bool | None = Field(None, description="Somebody asked the crew to leave.")
    left_when_asked: bool | None = Field(None, description="The crew left at once.")
    contact_point: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{32}$",
        description="Commitment (HMAC under compliance's own key) to the number or address that was reached. "
        "None: not known.",
    )
    address_key: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{32}$",
        description="Opaque key of the visited address (HMAC under intake's own key, the case's `household`), for who "
        "does not know the address. None: not known.",
    )
    third_person_refused: bool = Field(
        False, description="A third person who was asked does not want to be asked again."
    )
    conduct_flags: list[Reference] = Field(
        default_factory=list, max_length=32, description="Misconduct reported or heard."
    )
