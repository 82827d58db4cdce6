"""Topics `loan` and `loan-urgent`: what a bank core says. Only intake may read them (7 days)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from shared.events.base import MAX_TEXT, EventData, Reference
from shared.geo import Point
from shared.money import MAX_AMOUNT_MINOR, Currency

AmountMinor = Annotated[int, Field(ge=0, le=MAX_AMOUNT_MINOR, strict=True)]
ShortText = Annotated[str, Field(min_length=1, max_length=200)]


class Obligor(EventData):
    """Someone bound by the loan."""

    party_ref: Reference = Field(description="The core's reference of the person.", examples=["P-000042"])
    role: Literal["borrower", "co_borrower", "guarantor"] = Field(description="Capacity in which the person is bound.")
    liability: Literal["full", "joint", "secondary"] = Field(description="Extent of the liability.")


class DueItem(EventData):
    """One amount due on one date, in minor units of the loan's currency."""

    kind: Literal["instalment", "statement_minimum", "charge"] = Field(description="What fell due.")
    due_date: date = Field(description="Due date in the tenant's calendar.", examples=["2026-03-05"])
    principal: AmountMinor = Field(description="Principal part, minor units.")
    interest: AmountMinor = Field(0, description="Interest part, minor units.")
    fee: AmountMinor = Field(0, description="Fee part, minor units.")
    penalty: AmountMinor = Field(0, description="Penalty part, minor units.")
    paid: AmountMinor = Field(0, description="Already paid towards this item, minor units.")


class LoanFact(EventData):
    """What every loan event carries."""

    tenant: Reference = Field(description="Tenant.", examples=["bank"])
    core: Reference = Field(description="Name of the sending core.", examples=["core-a"])
    loan_ref: Reference = Field(description="The core's loan reference.", examples=["L-000042"])
    party_ref: Reference = Field(description="The core's reference of the leading obligor.", examples=["P-000042"])
    business_date: date = Field(description="The core's business date.", examples=["2026-03-10"])
    core_sequence: int = Field(ge=1, le=2**62, description="Monotone number of the core for this party; gaps allowed.")
    currency: Currency
    feed: Reference = Field("live", description="Feed the record came from.")
    schema_fingerprint: Reference | None = Field(
        None, description="Fingerprint of the schema under which the feed wrote the record, if it has one."
    )


class CoreBucket(EventData):
    """A core's own class of delinquency: its name there, and the days past due that it stands for."""

    name: ShortText = Field(description="The core's name of it.", examples=["31-60"])
    first_days: int = Field(ge=0, le=40_000, description="Fewest days past due in it.")
    last_days: int | None = Field(None, ge=0, le=40_000, description="Most days past due in it; none: it is open.")


class LoanState(LoanFact):
    """A fact with the complete state of what is due, and what the core itself makes of it.

    We count days ourselves. What the core says of them is compared, tolerance 0, never taken.
    """

    core_dpd: int | None = Field(None, ge=0, le=40_000, description="The core's own days past due, if it gives them.")
    core_bucket: CoreBucket | None = Field(None, description="The core's own bucket, if it gives one.")
    core_oldest_due_date: date | None = Field(
        None, description="The core's own date of the oldest item that is past due, if it gives one."
    )


class LoanOverdue(LoanState):
    """A loan is past due: complete state as of `business_date`. Opens or updates the party's case."""

    obligors: list[Obligor] = Field(min_length=1, max_length=50, description="Everyone bound by the loan.")
    value_date: date = Field(description="Date from which the state holds.")
    booked_at: AwareDatetime = Field(description="When the core booked it.")
    cause: ShortText = Field("day_close", description="Why the core sent it.")
    corrects: Reference | None = Field(None, description="Id of the event that this one corrects.")
    product_class: Literal["card", "consumer", "mortgage", "business"] = Field(description="Product class.")
    creditor: ShortText = Field(description="Who owns the debt.")
    servicer: ShortText = Field(description="Who services it.")
    originated_on: date = Field(description="Date of origination.")
    jurisdiction: str = Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", description="ISO 3166 place.", examples=["CN"])
    balance: AmountMinor = Field(description="Whole outstanding balance, minor units.")
    due_items: list[DueItem] = Field(min_length=1, max_length=600, description="All items due and not settled.")
    flags: list[Literal["charged_off", "sold", "disputed", "deceased", "insolvent", "represented"]] = Field(
        default_factory=list, max_length=6, description="States the core knows."
    )


class PaymentReceived(LoanFact):
    """Money arrived. Identified by the core's transaction reference alone; two equal payments are two payments."""

    transaction_ref: Reference = Field(description="The core's transaction reference.", examples=["T-000917"])
    amount: AmountMinor = Field(gt=0, description="Amount in minor units.")
    value_date: date = Field(description="Value date.")
    booked_at: AwareDatetime = Field(description="When the core booked it.")
    cleared: bool = Field(description="False while the money can still bounce: contact pauses, nothing cures.")
    payer_ref: Reference = Field(description="Pseudonymous payer reference.")
    allocation: list[DueItem] = Field(
        default_factory=list, max_length=600, description="Due items after the core's allocation; empty: provisional."
    )
    balance: AmountMinor | None = Field(
        None, description="Balance after the payment, minor units, if the core says so."
    )


class PaymentReversed(LoanFact):
    """An earlier payment was taken back."""

    transaction_ref: Reference = Field(description="Reference of the payment that is reversed.")
    amount: AmountMinor = Field(gt=0, description="Amount in minor units.")
    booked_at: AwareDatetime = Field(description="When the core booked it.")
    due_items: list[DueItem] = Field(min_length=1, max_length=600, description="Due items after the reversal.")


class LoanCured(LoanState):
    """The core says the loan is no longer past due."""

    balance: AmountMinor = Field(description="Balance, minor units.")


class StatedFact(LoanState):
    """A change together with the complete state after it."""

    value_date: date = Field(description="Date from which the state holds.")
    booked_at: AwareDatetime = Field(description="When the core booked it.")
    balance: AmountMinor = Field(description="Whole outstanding balance after it, minor units.")
    due_items: list[DueItem] = Field(max_length=600, description="All items due and not settled after it; may be none.")


class DueItemsChanged(StatedFact):
    """What is due has changed: complete state. Unlike `loan.overdue` it may say that nothing is."""

    cause: ShortText = Field(description="Why the core sent it.", examples=["due_date_moved"])


class LoanRescheduled(StatedFact):
    """The debt has a new schedule, agreed with the person: complete state under it."""

    arrangement_ref: Reference = Field(description="The core's reference of the arrangement.", examples=["R-000003"])


class LoanReaged(StatedFact):
    """The core counts days past due anew. Its cure is a re-age, never a payment."""

    arrangement_ref: Reference = Field(description="The core's reference of the re-age.", examples=["R-000004"])


class LoanCorrected(StatedFact):
    """An earlier record was wrong: complete state as it should have been and is."""

    corrects: Reference = Field(description="Id of the event that this one corrects.")


class ChargeFact(StatedFact):
    """A charge, by the core's reference, and the complete state after it."""

    charge_ref: Reference = Field(description="The core's reference of the charge.", examples=["C-000031"])
    amount: AmountMinor = Field(gt=0, description="Amount of the charge, minor units.")


class ChargeApplied(ChargeFact):
    """A fee or penalty was put on the loan."""


class ChargeWaived(ChargeFact):
    """A fee or penalty is forgiven."""


class ChargeReversed(ChargeFact):
    """A fee or penalty should not have been: it is taken back."""


class CreditPosted(LoanFact):
    """Money that the person did not send lowers the debt: a refund, goodwill, an insurer's payment."""

    transaction_ref: Reference = Field(description="The core's transaction reference.", examples=["T-000918"])
    amount: AmountMinor = Field(gt=0, description="Amount in minor units.")
    value_date: date = Field(description="Value date.")
    booked_at: AwareDatetime = Field(description="When the core booked it.")
    reason: Literal["refund", "goodwill", "insurance", "adjustment"] = Field(description="Why it was credited.")
    allocation: list[DueItem] = Field(
        default_factory=list, max_length=600, description="Due items after the core's allocation; empty: provisional."
    )
    balance: AmountMinor | None = Field(None, description="Balance after it, minor units, if the core says so.")


class RecoveryReceived(LoanFact):
    """Money for a loan that was written off. It opens no case and cures none."""

    transaction_ref: Reference = Field(description="The core's transaction reference.", examples=["T-000919"])
    amount: AmountMinor = Field(gt=0, description="Amount in minor units.")
    value_date: date = Field(description="Value date.")
    booked_at: AwareDatetime = Field(description="When the core booked it.")
    payer_ref: Reference = Field(description="Pseudonymous payer reference.")


class BalanceStated(LoanFact):
    """The outstanding balance, and nothing else."""

    balance: AmountMinor = Field(description="Whole outstanding balance, minor units.")


HeldFor = Literal[
    "dispute", "insolvency", "breathing_space", "mental_health_crisis", "hardship", "represented", "deceased",
    "ombudsman", "cease_contact", "debt_advice", "minor", "disaster", "payment_holiday",
]  # fmt: skip


class HoldStarted(LoanFact):
    """The core knows a reason why contact must rest, on this loan or with the person."""

    hold_ref: Reference = Field(description="The core's reference of the hold.", examples=["H-000005"])
    kind: HeldFor = Field(description="Why contact rests.")
    scope: Literal["loan", "party"] = Field(description="Whether it is about this loan or all contact with the person.")
    starts_on: date = Field(description="First day that it covers; may lie in the past.")
    ends_on: date | None = Field(None, description="Last day that it covers; none: until it is ended.")


class HoldEnded(LoanFact):
    """A hold that the core had told of is over."""

    hold_ref: Reference = Field(description="The core's reference of the hold.", examples=["H-000005"])
    ended_on: date = Field(description="Last day that it covered.")


class ChargedOff(LoanFact):
    """The bank has booked the loan as a loss. Contact and debt are as before: it neither permits nor cures."""

    charged_off_on: date = Field(description="Date of the booking.")


class WrittenOff(LoanFact):
    """The bank no longer claims the loan: it leaves the case."""

    written_off_on: date = Field(description="Date of the decision.")


class LoanTransferred(LoanFact):
    """The loan was sold, or is serviced by somebody else from now on: we no longer contact anybody about it."""

    kind: Literal["sold", "servicing"] = Field(description="Whether the debt or only its servicing has moved.")
    transferred_on: date = Field(description="Date of the transfer.")


class LoanClosed(LoanFact):
    """The loan has ended."""

    reason: Literal["paid", "settled", "refinanced", "cancelled"] = Field(description="How it ended.")
    closed_on: date = Field(description="Date of the end.")


class ObligorChanged(LoanFact):
    """Who is bound by the loan has changed: the complete list."""

    obligors: list[Obligor] = Field(min_length=1, max_length=50, description="Everyone bound by the loan.")


class ContactPoint(EventData):
    """A way to reach the person, with the lawful source it came from (CBA guide 2026: six sources)."""

    kind: Literal["home", "mobile", "email"] = Field(description="Kind of contact point.")
    value: str = Field(min_length=1, max_length=400, description="Address line, number or e-mail (personal).")
    point: Point | None = Field(None, description="Position of a home, WGS-84.")
    source: Literal["contract", "on_file", "authorised", "public_channel", "reserved_contact", "credit_bureau"] = Field(
        description="Lawful source code."
    )


ConsentKind = Literal["electronic_contact", "calls_at_work", "contact_at_this_place"]
ZoneSource = Literal["declared", "residence", "telephone", "branch"]


class Consent(EventData):
    """What the person has said about a way of contact that some law allows only with their consent."""

    kind: ConsentKind = Field(
        description="To messages by e-mail and text; to calls at work; to contact at a place like a hospital."
    )
    given: bool = Field(description="False: refused or withdrawn.")
    said_at: AwareDatetime = Field(description="When the person said it; a later word on it supersedes.")
    evidence: Reference | None = Field(None, description="The core's reference of the document or recording.")


class PartyUpdated(EventData):
    """A person as the core knows them; a new reference creates the party. Personal data: never republished."""

    tenant: Reference = Field(description="Tenant.")
    core: Reference = Field(description="Name of the sending core.")
    party_ref: Reference = Field(description="The core's reference of the person.")
    core_sequence: int = Field(ge=1, le=2**62, description="Monotone number of the core for this party.")
    name: str = Field(min_length=1, max_length=200, description="Full name (personal).")
    language: str = Field("zh", pattern=r"^[a-z]{2,3}$", description="Preferred language, ISO 639.")
    time_zones: list[str] = Field(min_length=1, max_length=4, description="Candidate IANA zones of the person.")
    jurisdiction: str = Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", description="Place whose law applies.")
    contact_points: list[ContactPoint] = Field(min_length=1, max_length=20, description="Contact points with source.")
    history_known_from: date = Field(description="Past contacts are attested complete from this date on.")
    born_on: date | None = Field(None, description="Date of birth (personal): with the name it finds the person.")
    consents: list[Consent] = Field(
        default_factory=list, max_length=3, description="What the core knows of consents, each kind once; what is left "
        "out is not said, which is neither given nor withdrawn.",
    )  # fmt: skip
    zone_sources: list[ZoneSource] = Field(
        default_factory=list, max_length=4, description="Where each of `time_zones` comes from, in their order; empty: "
        "not said. Every candidate counts, whatever its source.",
    )  # fmt: skip

    @field_validator("name")
    @classmethod
    def _no_control_characters(cls, value: str) -> str:
        if any(ord(character) < 32 for character in value):
            raise ValueError("control characters are not allowed")
        return value

    @model_validator(mode="after")
    def _each_said_once(self) -> Self:
        if len({consent.kind for consent in self.consents}) != len(self.consents):
            raise ValueError("a kind of consent is said twice")
        if self.zone_sources and len(self.zone_sources) != len(self.time_zones):
            raise ValueError("zone_sources names a source for each of time_zones, or none")
        return self

    @model_validator(mode="after")
    def _one_point_per_home(self) -> Self:
        if any(contact.kind == "home" and contact.point is None for contact in self.contact_points):
            raise ValueError("a home contact point needs a position")
        return self


class PartyDeceased(EventData):
    """The person has died: every contact stops."""

    tenant: Reference = Field(description="Tenant.")
    core: Reference = Field(description="Name of the sending core.")
    party_ref: Reference = Field(description="The core's reference of the person.")
    core_sequence: int = Field(ge=1, le=2**62, description="Monotone number of the core for this party.")
    reported_on: date = Field(description="Date of the report.")


class IdentityFact(EventData):
    """Whether two references of a core are one person. The core may send it under either key, or both: it counts once.

    Of the statements about one `merged_ref` the one with the highest business date and sequence counts.
    """

    tenant: Reference = Field(description="Tenant.")
    core: Reference = Field(description="Name of the sending core.")
    party_ref: Reference = Field(description="The reference that remains.", examples=["P-000042"])
    merged_ref: Reference = Field(description="The other reference.", examples=["P-000043"])
    merged_core: Reference | None = Field(
        None,
        description="Core of `merged_ref` where it is another one. Such a word is refused (`another_core`), never read "
        "as one about two references of this core: a book belongs to one core.",
    )
    business_date: date = Field(description="The core's business date.", examples=["2026-03-10"])
    core_sequence: int = Field(
        ge=1, le=2**62, description="Monotone number of the core for `merged_ref`; gaps allowed."
    )


class PartyMerged(IdentityFact):
    """Two references are one person: `merged_ref` is given up. What still comes under it is about the person, too."""


class PartyUnmerged(IdentityFact):
    """The references are two people after all: `merged_ref` stands for its own person again."""


class BusinessDayClosed(EventData):
    """The core has finished a business date; the next one is expected."""

    tenant: Reference = Field(description="Tenant.")
    core: Reference = Field(description="Name of the sending core.")
    business_date: date = Field(description="The closed date.")
    open_loans: int = Field(ge=0, description="Loans past due at close.")
    overdue_total: dict[str, int] = Field(description="Overdue sum per currency, minor units (control total).")
    note: str = Field("", max_length=MAX_TEXT, description="Free remark of the core's operator.")
