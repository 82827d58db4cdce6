"""Topic `case`: what intake concludes, free of names and addresses."""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.events.base import CaseId, Cell, EventData, PartyId, Reference
from shared.events.contact import Channel
from shared.events.loan import Consent, HeldFor
from shared.money import Money

Bucket = Literal["current", "B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9"]
"""How late, by the limits of the tenant, who has as many past-due buckets as it needs; its last one is open."""
CureCause = Literal[
    "payment", "credit", "waiver", "charge_reversed", "restructure", "reage", "core_statement", "correction"
]
NextAction = Literal["wait", "remind", "call", "letter", "offer_help", "field_visit", "legal_review", "never"]
StrategyArm = Literal["champion", "challenger"]
EndingKind = Literal["paid", "settled", "refinanced", "cancelled", "written_off", "sold", "servicing"]
LeavingKind = Literal[EndingKind, "moved"]
"""How a loan leaves a case for good; `moved`: the party is not bound by it any more, somebody else's case has it."""


class CaseObligor(EventData):
    """Somebody bound by a loan."""

    party_id: PartyId
    role: Literal["borrower", "co_borrower", "guarantor"] = Field(description="Capacity in which the person is bound.")
    liability: Literal["full", "joint", "secondary"] = Field(description="Extent of the liability.")


class CaseLoan(EventData):
    """One overdue loan of the case."""

    loan_id: UUID = Field(description="Our id of the loan.")
    debt_id: UUID | None = Field(
        None, description="Id of the debt: the same in the case of every person bound by it. None: sent before it was."
    )
    originated_on: date | None = Field(None, description="Date of origination.")
    obligors: list[CaseObligor] = Field(
        default_factory=list, max_length=50, description="Everyone bound by it; empty: this party alone."
    )
    loan_ref: Reference = Field(description="The core's loan reference.")
    product_class: Literal["card", "consumer", "mortgage", "business"] = Field(description="Product class.")
    overdue: Money = Field(description="Unpaid due amounts.")
    balance: Money = Field(description="Whole outstanding balance.")
    oldest_due_date: date = Field(description="Due date of the oldest unpaid item.")
    dpd_contractual: int = Field(ge=0, description="Days past due, contractual, whole days.")
    charged_off: bool = Field(False, description="The bank has booked it as a loss; the debt is as before.")


class CaseOpened(EventData):
    """A party has overdue loans: one case over all of them."""

    case_id: CaseId
    party_id: PartyId
    version: int = Field(ge=1, description="Version of the case; grows by one with each change.")
    business_date: date = Field(description="Business date of the fact behind it.")
    bucket: Bucket = Field(description="Worst bucket over the loans.")
    dpd_contractual: int = Field(ge=0, description="Worst contractual DPD, days.")
    dpd_effective: int = Field(ge=0, description="Worst effective DPD (less grace and pauses), days.")
    overdue_totals: list[Money] = Field(description="Overdue sums, one per currency.")
    loans: list[CaseLoan] = Field(description="The overdue loans.")
    core: Reference | None = Field(None, description="The core that tells of it; none: sent before it was said.")
    jurisdiction: str = Field(description="Place whose law applies.", examples=["CN"])
    time_zones: list[str] = Field(description="Candidate IANA zones of the person; empty: not known yet.")
    language: str = Field(description="Preferred language, ISO 639.")
    cell: Cell | None = Field(None, description="Cell of the home; none while unknown.")
    history_known_from: date | None = Field(
        None, description="Contacts are attested complete from here; none: unknown."
    )
    held: bool = Field(False, description="True while the party is only known by reference: no contact.")
    household: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{32}$",
        description="Commitment (HMAC under intake's own key) to the home: equal for people of one home. "
        "None: not known.",
    )


class CaseUpdated(CaseOpened):
    """The case after a change; complete state."""

    cause: Reference = Field(description="What changed it.", examples=["loan.overdue"])


class CaseBucketChanged(EventData):
    """The case's worst bucket moved."""

    case_id: CaseId
    party_id: PartyId
    version: int = Field(ge=1, description="Version of the case.")
    before: Bucket = Field(description="Bucket before.")
    after: Bucket = Field(description="Bucket after.")
    business_date: date = Field(description="Business date of the change.")


class CasePaymentPosted(EventData):
    """Money reached a loan of the case."""

    case_id: CaseId
    party_id: PartyId
    version: int = Field(ge=1, description="Version of the case.")
    loan_id: UUID = Field(description="Our id of the loan.")
    transaction_ref: Reference = Field(description="The core's transaction reference.")
    amount: Money = Field(description="Amount paid.")
    value_date: date = Field(description="Value date.")
    booked_at: AwareDatetime = Field(description="Booking time at the core.")
    cleared: bool = Field(description="False while it can still bounce.")
    payer_ref: Reference = Field(description="Pseudonymous payer reference.")
    kind: Literal["payment", "credit", "recovery"] = Field(
        "payment", description="`credit`: nobody of the debtor's side sent it; `recovery`: after the write-off."
    )


class CasePaymentReversed(EventData):
    """A posted payment was taken back by the core."""

    case_id: CaseId
    party_id: PartyId
    version: int = Field(ge=1, description="Version of the case.")
    loan_id: UUID = Field(description="Our id of the loan.")
    transaction_ref: Reference = Field(description="Reference of the reversed payment.")
    amount: Money = Field(description="Amount taken back.")


class CaseEnded(EventData):
    """Nothing of the case is to be collected any more."""

    case_id: CaseId
    party_id: PartyId
    version: int = Field(ge=1, description="Version of the case.")
    business_date: date = Field(description="Business date of the end.")
    overdue_totals: list[Money] = Field(description="What remains overdue, one per currency (zero).")


class CaseCured(CaseEnded):
    """No loan of the case is past due any more."""

    cause: CureCause = Field(description="What cured it.")


class CaseClosed(CaseEnded):
    """All loans of the case have ended, or are others' now."""

    cause: LeavingKind = Field(description="How the last of them ended or left; `moved`: it is somebody else's now.")


class CaseLoanCured(EventData):
    """One loan of the case is no longer past due; others are."""

    case_id: CaseId
    party_id: PartyId
    version: int = Field(ge=1, description="Version of the case.")
    loan_id: UUID = Field(description="Our id of the loan.")
    business_date: date = Field(description="Business date of the fact behind it.")
    cause: Literal[CureCause, LeavingKind] = Field(
        description="What cured or ended it; `moved`: it is somebody else's now."
    )


class CaseHoldSeen(EventData):
    """The core has told of a hold, changed it or ended it: its span as it is known now. Compliance keeps the holds."""

    case_id: CaseId
    party_id: PartyId
    version: int = Field(ge=1, description="Version of the case.")
    hold_ref: Reference = Field(description="The core's reference of the hold.")
    kind: HeldFor = Field(description="Why contact rests.")
    scope: Literal["loan", "party"] = Field(description="Whether it is about one loan or the person.")
    debt_id: UUID = Field(description="Id of the debt with which it came.")
    starts_on: date = Field(description="First day that it covers, in the tenant's calendar; may lie in the past.")
    ends_on: date | None = Field(description="Last day that it covers; none: open.")


class CaseIdentity(EventData):
    """Whose case is whose, told under the keys of both people, with `party_id` the one of the key."""

    party_id: PartyId
    merged_id: PartyId = Field(description="The person whose reference the core has given up, or given back.")
    survivor_id: PartyId = Field(description="The person who remains.")
    version: int = Field(ge=1, description="Counts what was told of `merged_id`: the highest counts, whatever the key.")
    merged_case_id: CaseId | None = Field(description="The case of `merged_id`; none: it never had one.")
    survivor_case_id: CaseId | None = Field(description="The case of `survivor_id`; none: it never had one.")
    business_date: date = Field(description="Business date of the core's word.")


class CasePartyMerged(CaseIdentity):
    """Two people are one. The case of `merged_id` ends with it; everything it was about is in the survivor's case."""


class CasePartyUnmerged(CaseIdentity):
    """They are two people again. The case of `merged_id` opens again where it is past due."""


class CaseDemand(EventData):
    """What may be demanded of a guarantor has changed: who stands surety enters contact only after it."""

    party_id: PartyId
    debt_id: UUID = Field(description="Id of the debt.")
    demanded_on: date = Field(description="First day of the demand.")
    document_reference: Reference = Field(description="The document that proves it.")


class CaseDemandRecorded(CaseDemand):
    """Payment may be demanded of this guarantor."""


class CaseDemandRevoked(CaseDemand):
    """It may not any more: the loan leaves the guarantor's case."""


class CaseSuspended(EventData):
    """Nobody acts on the case until it is released."""

    case_id: CaseId
    party_id: PartyId
    version: int = Field(ge=1, description="Version of the case.")
    cause: Reference = Field(description="Why.", examples=["facts_incomplete"])


class CaseReleased(CaseSuspended):
    """A suspended case may be acted on again."""


class CaseActionChosen(EventData):
    """The bank's strategy has chosen what happens next. A case of which none was told waits. Only changes are told."""

    case_id: CaseId
    party_id: PartyId
    number: int = Field(ge=1, description="Grows by one with each choice told of the case; the highest one stands.")
    action: NextAction = Field(description="What happens next. Whoever contacts needs a permit all the same.")
    reasons: list[Reference] = Field(min_length=1, max_length=20, description="Why, as codes.", examples=[["step_due"]])
    rule: Reference = Field(description="Rule of the strategy that chose.", examples=["step:letter"])
    next_on: date | None = Field(
        None, description="First date on which time alone can change the choice; none: only a fact can."
    )
    strategy: Reference = Field(description="Id of the strategy.", examples=["strategy-demonstration"])
    strategy_version: int = Field(ge=0, description="Its version; 0: no strategy may be used, so everything waits.")
    strategy_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of its file.")
    arm: StrategyArm = Field(description="Whether the strategy in force or the one that is tried beside it chose.")


class PartyMinorityChanged(EventData):
    """Somebody is not of age by the law of their place, or is from now on. When they were born is not in here."""

    party_id: PartyId
    is_minor: bool = Field(description="Whether nobody may speak of a debt with the person yet.")
    seen_on: date = Field(description="Business date on which it was seen.")


class PartyConsentsTold(EventData):
    """The core has said what the person consents to: every kind that it knows of, in place of what it said before."""

    party_id: PartyId
    consents: list[Consent] = Field(min_length=1, max_length=3, description="Each kind once.")


class PartyCardRead(EventData):
    """Somebody read a person's contact data, or was refused it. What was read is not in here."""

    reading_id: UUID = Field(description="The reading.")
    party_id: PartyId
    reader: str = Field(min_length=1, max_length=200, description="Who read: the token's subject, a person or service.")
    client: str = Field(min_length=1, max_length=100, description="With which software.")
    purpose: Reference = Field(description="What for.", examples=["visit"])
    what: Literal["card", "masked_card", "refused", "point", "search"] = Field(
        description="`card`: in clear; `refused`: no permit stood; `search`: found by number, name or reference."
    )
    fields: list[Reference] = Field(default_factory=list, max_length=10, description="Fields shown in clear.")
    channel: Channel | None = Field(
        None, description="Channel by which the purpose reaches the person; none: it does not."
    )
    permit_id: UUID | None = Field(None, description="Permit that the reader named.")
    refused_for: Reference | None = Field(None, description="Why it was refused.", examples=["permit_void"])
    read_at: AwareDatetime = Field(description="Business time.")
    read_real: AwareDatetime = Field(description="Real time.")
