"""What intake's API speaks."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from shared.events.base import CaseId, PartyId
from shared.events.case import Bucket, CaseLoan, EndingKind
from shared.events.loan import HeldFor
from shared.moments import Moment
from shared.money import Money

Status = Literal["open", "cured", "closed"]
MAX_EVENTS = 1_000
MAX_CHECKS = 200


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LoanEvent(_Question):
    """One fact of the core as a CloudEvent in JSON; `data` is that of the same type on topic `loan`."""

    specversion: Literal["1.0"] = Field("1.0", description="CloudEvents version.")
    id: str = Field(min_length=1, max_length=256, pattern=r"^[^\x00]+$", description="Id, unique within `source`.")
    source: str = Field(min_length=1, max_length=256, pattern=r"^[^\x00]+$", description="The sending core.")
    type: str = Field(min_length=1, max_length=100, description="Event type.", examples=["loan.overdue"])
    time: Moment = Field(description="When it happened, business time.")
    data: dict[str, Any] = Field(description="The fact, as `contracts/events/<type>.v1.json` describes it.")


class LoanEvents(_Question):
    """A batch of facts. Items are judged one by one: a refused one does not touch its neighbours."""

    items: list[Annotated[dict[str, Any], WithJsonSchema(LoanEvent.model_json_schema())]] = Field(
        min_length=1, max_length=MAX_EVENTS, description="LoanEvent each, in the order in which they happened."
    )


class FieldRefusal(BaseModel):
    """One field that was refused."""

    pointer: str = Field(description="JSON Pointer inside the item.")
    kind: str = Field(description="What is wrong.")


class LoanEventResult(BaseModel):
    """What became of one item."""

    id: str | None = Field(description="The item's id, when it could be read.")
    outcome: Literal["applied", "ignored", "pending", "duplicate", "parked", "refused"] = Field(
        description="`pending`: kept until its loan is known; `parked`: send again once the party is released."
    )
    errors: list[FieldRefusal] = Field(default_factory=list, description="Why it was refused.")


class LoanEventResults(BaseModel):
    """Results, in the order of the items."""

    items: list[LoanEventResult] = Field(description="One result per item.")


class BalanceCheckItem(_Question):
    """Whose debt to check."""

    party_id: PartyId
    case_id: CaseId


class BalanceChecks(_Question):
    """A batch of balance checks."""

    items: list[BalanceCheckItem] = Field(min_length=1, max_length=MAX_CHECKS, description="Whose debts to check.")


class BalanceAnswer(BaseModel):
    """What is overdue, as of a real time. `answer` is the same, signed (JWS, `typ` balance+jwt, keys at JWKS)."""

    party_id: PartyId
    known: bool = Field(description="False: no such case; nothing is signed.")
    overdue_totals: list[Money] = Field(default_factory=list, description="Overdue sums, one per currency.")
    bucket: Bucket = Field("current", description="Worst bucket.")
    as_of: Moment | None = Field(None, description="Real time for which the answer holds.")
    basis: Literal["core", "book"] | None = Field(
        None, description="`core`: asked just now; `book`: our book, as far as the topic has been read."
    )
    differs: bool = Field(False, description="The core says something else than our book.")
    suspended: str | None = Field(
        None, description="The core's feed is suspended for this cause: nobody acts on what it says. Null: it is not."
    )
    answer: str | None = Field(None, description="Compact JWS.")


class BalanceAnswers(BaseModel):
    """Answers, in the order of the items."""

    items: list[BalanceAnswer] = Field(description="One answer per item.")


class CaseSummary(BaseModel):
    """One case in a list."""

    case_id: CaseId
    party_id: PartyId
    version: int = Field(description="Grows with each event of the case; equals its sequence on topic `case`.")
    status: Status = Field(
        description="`open` while anything is past due, `closed` when every loan has ended, else `cured`."
    )
    bucket: Bucket = Field(description="Worst contractual bucket.")
    dpd_contractual: int = Field(description="Worst contractual days past due.")
    dpd_effective: int = Field(description="Worst effective days past due (less grace and pauses).")
    overdue_totals: list[Money] = Field(description="Overdue sums, one per currency.")
    as_of: date = Field(description="Business date of this state.")
    suspended: list[str] = Field(description="Why nobody may act; empty: somebody may.")
    held: bool = Field(description="The person is known by reference only: no contact.")
    opened_at: Moment = Field(description="Business time.")


class LoanEnd(BaseModel):
    """How a loan ended."""

    kind: EndingKind = Field(description="How: `servicing` is another servicer's from now on.")
    ended_on: date = Field(description="Date of the end.")


class SeenHoldView(BaseModel):
    """A hold that the core has told of. Compliance keeps the holds; this is what was handed to it."""

    hold_ref: str = Field(description="The core's reference of the hold.")
    kind: HeldFor = Field(description="Why contact rests.")
    scope: Literal["loan", "party"] = Field(description="Whether it is about this loan or the person.")
    starts_on: date = Field(description="First day that it covers.")
    ends_on: date | None = Field(description="Last day that it covers; null: open.")


class LoanView(BaseModel):
    """One loan of the party, past due or not."""

    loan_id: UUID = Field(description="Our id of the loan.")
    loan_ref: str = Field(description="The core's loan reference.")
    product_class: str | None = Field(description="Null while only movements of the loan are known.")
    currency: str | None = Field(description="Currency of the loan, ISO 4217; null like the class.")
    overdue: Money | None = Field(description="Null while nothing is past due.")
    balance: Money | None = Field(description="Whole outstanding balance; null while only movements are known.")
    oldest_due_date: date | None = Field(
        description="Due date of the oldest unpaid item; null while nothing is past due."
    )
    dpd_contractual: int = Field(description="Contractual days past due, whole days.")
    flags: list[str] = Field(
        description="What the core says of the loan beside amounts: disputed, represented, deceased, and the like."
    )
    charged_off: bool = Field(False, description="The bank has booked it as a loss; the debt is as before.")
    ended: LoanEnd | None = Field(None, description="How it ended; null while it has not.")
    holds: list[SeenHoldView] = Field(default_factory=list, description="Holds that the core has told of.")


class PaymentView(BaseModel):
    """Money under one transaction reference."""

    transaction_ref: str = Field(description="The core's reference of the transaction; it counts once.")
    loan_ref: str = Field(description="The core's reference of the loan that was paid.")
    amount: Money = Field(description="What was received.")
    value_date: date | None = Field(description="Date from which it counts; null while only its reversal is known.")
    cleared: bool = Field(description="The money has arrived; until then it is pending.")
    reversed: bool = Field(description="It was taken back and counts no more.")


class TimelineEntry(BaseModel):
    """Something that happened on the case elsewhere."""

    happened_at: Moment = Field(description="When it happened, business time.")
    type: str = Field(description="Event type.")
    detail: str = Field(description="What happened, in one sentence.")
    reference: str = Field(description="Id of the visit, plan, permit and the like; empty where none is meant.")


class CaseView(CaseSummary):
    """One case whole."""

    loans: list[LoanView] = Field(description="All loans of the party, past due or not, in order of reference.")
    payments: list[PaymentView] = Field(description="Payments and reversals of these loans.")
    timeline: list[TimelineEntry] = Field(
        description="The newest 50 things that other services reported of the party; all are at `/timeline`."
    )


class CaseSnapshot(BaseModel):
    """Complete state for a consumer that missed events: `sequence` is the last one it contains."""

    sequence: int = Field(description="Sequence on topic `case` of the last event that this state contains.")
    status: Status = Field(
        description="`open` while anything is past due, `closed` when every loan has ended, else `cured`."
    )
    suspended: list[str] = Field(description="Why nobody may act, as codes; empty: somebody may.")
    case_id: CaseId
    party_id: PartyId
    version: int = Field(description="Version of the case; equals `sequence`.")
    business_date: date = Field(description="Business date of this state.")
    bucket: Bucket = Field(description="Worst contractual bucket.")
    dpd_contractual: int = Field(description="Worst contractual days past due, whole days.")
    dpd_effective: int = Field(description="Worst effective days past due (less grace and pauses), whole days.")
    overdue_totals: list[Money] = Field(description="Overdue sums, one per currency.")
    loans: list[CaseLoan] = Field(description="The overdue loans.")
    jurisdiction: str = Field(description="Place whose law applies.")
    time_zones: list[str] = Field(description="Candidate IANA zones of the person; empty: not known yet.")
    language: str = Field(description="Preferred language, ISO 639.")
    cell: str | None = Field(description="H3 cell of the home, about 500 m edge; null while unknown.")
    history_known_from: date | None = Field(
        description="First date from which contacts made before us are known; null: none are."
    )
    held: bool = Field(description="The person is known by reference only: no contact.")
    household: str | None = Field(description="Commitment to the home: equal for people of one home. Null: not known.")


class PaymentFigures(BaseModel):
    """Movements of one currency; amounts in minor units."""

    currency: str = Field(description="ISO 4217 code.")
    posted: int = Field(description="Payments that count.")
    pending: int = Field(description="Payments announced whose money has not arrived.")
    reversed: int = Field(description="Payments taken back.")
    posted_minor: int = Field(description="Sum of the payments that count, minor units.")
    reversed_minor: int = Field(description="Sum of the payments taken back, minor units.")


class IntakeSummary(BaseModel):
    """Figures of the tenant, read from the tables now."""

    parties: int = Field(description="Persons the core has described.")
    loans: int = Field(description="Loans with a statement.")
    loans_awaited: int = Field(description="Loans known only by movements that wait for them.")
    cases_open: int = Field(description="Cases with anything past due.")
    cases_cured: int = Field(description="Cases with nothing past due any more.")
    cases_closed: int = Field(description="Cases whose loans have all ended.")
    cases_held: int = Field(description="Open cases of parties known by reference only.")
    cases_suspended: int = Field(description="Open cases on which nobody may act.")
    open_by_bucket: dict[str, int] = Field(description="Open cases by worst bucket.")
    overdue_totals: list[Money] = Field(description="Overdue sums of open cases, one per currency.")
    payments: list[PaymentFigures] = Field(description="Movements, one entry per currency.")
    events: dict[str, int] = Field(description="Facts of the core by outcome.")
    dead_letters_open: int = Field(description="Records set aside for an operator.")
    readings: dict[str, int] = Field(description="Readings of personal data, by kind.")


class Difference(BaseModel):
    """One field of one loan on which the core and we disagree."""

    loan_ref: str = Field(description="The core's loan reference.")
    field: Literal["overdue_minor", "balance_minor", "oldest_due_date", "currency", "loan"] = Field(
        description="What differs; `loan`: one side does not know the loan at all."
    )
    ours: str | None = Field(description="Null: we do not know the loan.")
    cores: str | None = Field(description="Null: the core does not know the loan.")


class Reconciliation(BaseModel):
    """Our book against the core's, loan by loan."""

    business_date: date = Field(description="Business date at which both books stand.")
    loans_compared: int = Field(description="Loans that both sides were asked about.")
    loans_of_core: int = Field(description="Loans that the core told.")
    overdue_totals: list[Money] = Field(description="Our overdue sums of the compared loans.")
    differences: int = Field(description="How many fields differ; `items` shows the first 1,000.")
    items: list[Difference] = Field(description="The first 1,000 differences.")
