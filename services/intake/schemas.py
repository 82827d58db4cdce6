"""What intake's API speaks."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.events.case import Bucket, CaseLoan
from shared.geo import Point
from shared.money import Money

Status = Literal["open", "cured"]
MAX_EVENTS = 1_000
MAX_CHECKS = 200
MAX_POINTS = 500


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LoanEvent(_Question):
    """One fact of the core as a CloudEvent in JSON; `data` is that of the same type on topic `loan`."""

    specversion: Literal["1.0"] = Field("1.0", description="CloudEvents version.")
    id: str = Field(min_length=1, max_length=256, pattern=r"^[^\x00]+$", description="Id, unique within `source`.")
    source: str = Field(min_length=1, max_length=256, pattern=r"^[^\x00]+$", description="The sending core.")
    type: str = Field(min_length=1, max_length=100, description="Event type.", examples=["loan.overdue"])
    time: AwareDatetime = Field(description="When it happened, business time.")
    data: dict[str, Any] = Field(description="The fact.")


class LoanEvents(_Question):
    """A batch of facts. Items are judged one by one: a refused one does not touch its neighbours."""

    items: list[dict[str, Any]] = Field(
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

    items: list[LoanEventResult]


class BalanceCheckItem(_Question):
    """Whose debt to check."""

    party_id: UUID
    case_id: UUID


class BalanceChecks(_Question):
    """A batch of balance checks."""

    items: list[BalanceCheckItem] = Field(min_length=1, max_length=MAX_CHECKS)


class BalanceAnswer(BaseModel):
    """What is overdue, as of a real time. `answer` is the same, signed (JWS, `typ` balance+jwt, keys at JWKS)."""

    party_id: UUID
    known: bool = Field(description="False: no such case; nothing is signed.")
    overdue_totals: list[Money] = Field(default_factory=list, description="Overdue sums, one per currency.")
    bucket: Bucket = Field("current", description="Worst bucket.")
    as_of: AwareDatetime | None = Field(None, description="Real time for which the answer holds.")
    basis: Literal["core", "book"] | None = Field(
        None, description="`core`: asked just now; `book`: our book, as far as the topic has been read."
    )
    differs: bool = Field(False, description="The core says something else than our book.")
    answer: str | None = Field(None, description="Compact JWS.")


class BalanceAnswers(BaseModel):
    """Answers, in the order of the items."""

    items: list[BalanceAnswer]


class ContactLine(BaseModel):
    """One way to reach the person."""

    kind: Literal["home", "mobile", "email"]
    value: str = Field(description="In clear, or masked.")
    source: str = Field(description="Lawful source code.")
    point: Point | None = Field(None, description="Exact position of a home, only in clear.")


class ContactCard(BaseModel):
    """Name and contact points of a person. Every reading is recorded."""

    party_id: UUID
    masked: bool = Field(description="True: no standing permit was named, values are masked.")
    name: str
    contacts: list[ContactLine]


class PointItem(_Question):
    """Whose home."""

    party_id: UUID


class PointQuestion(_Question):
    """Exact homes for routing. Every reading is recorded."""

    items: list[PointItem] = Field(min_length=1, max_length=MAX_POINTS)
    purpose: Literal["route"] = Field(description="The only purpose for which points are given in bulk.")


class PointAnswer(BaseModel):
    """The exact home of one party, null while unknown or after erasure."""

    party_id: UUID
    point: Point | None


class PointAnswers(BaseModel):
    """Points, in the order of the items."""

    items: list[PointAnswer]


class MobileSearch(_Question):
    """Find a person by number (exact, by blind index). Every search that finds somebody is recorded."""

    mobile: Annotated[str, Field(min_length=5, max_length=40, pattern=r"^[0-9+() -]+$")]
    purpose: Literal["inbound_call"] = Field(description="Somebody called and must be recognised.")


class FoundParties(BaseModel):
    """The parties found."""

    party_ids: list[UUID]


class CaseSummary(BaseModel):
    """One case in a list."""

    case_id: UUID
    party_id: UUID
    version: int = Field(description="Grows with each event of the case; equals its sequence on topic `case`.")
    status: Status
    bucket: Bucket = Field(description="Worst contractual bucket.")
    dpd_contractual: int = Field(description="Worst contractual days past due.")
    dpd_effective: int = Field(description="Worst effective days past due (less grace and pauses).")
    overdue_totals: list[Money] = Field(description="Overdue sums, one per currency.")
    as_of: date = Field(description="Business date of this state.")
    suspended: list[str] = Field(description="Why nobody may act; empty: somebody may.")
    held: bool = Field(description="The person is known by reference only: no contact.")
    opened_at: AwareDatetime = Field(description="Business time.")


class LoanView(BaseModel):
    """One loan of the party, past due or not."""

    loan_id: UUID
    loan_ref: str
    product_class: str | None = Field(description="Null while only movements of the loan are known.")
    currency: str | None
    overdue: Money | None = Field(description="Null while nothing is past due.")
    balance: Money | None
    oldest_due_date: date | None
    dpd_contractual: int
    flags: list[str]


class PaymentView(BaseModel):
    """Money under one transaction reference."""

    transaction_ref: str
    loan_ref: str
    amount: Money
    value_date: date | None
    cleared: bool
    reversed: bool


class TimelineEntry(BaseModel):
    """Something that happened on the case elsewhere."""

    happened_at: AwareDatetime
    type: str
    detail: str
    reference: str


class CaseView(CaseSummary):
    """One case whole."""

    loans: list[LoanView]
    payments: list[PaymentView]
    timeline: list[TimelineEntry]


class CaseSnapshot(BaseModel):
    """Complete state for a consumer that missed events: `sequence` is the last one it contains."""

    sequence: int
    status: Status
    suspended: list[str]
    case_id: UUID
    party_id: UUID
    version: int
    business_date: date
    bucket: Bucket
    dpd_contractual: int
    dpd_effective: int
    overdue_totals: list[Money]
    loans: list[CaseLoan]
    jurisdiction: str
    time_zones: list[str]
    language: str
    cell: str | None
    history_known_from: date | None
    held: bool


class PaymentFigures(BaseModel):
    """Movements of one currency; amounts in minor units."""

    currency: str
    posted: int
    pending: int
    reversed: int
    posted_minor: int
    reversed_minor: int


class IntakeSummary(BaseModel):
    """Figures of the tenant, read from the tables now."""

    parties: int = Field(description="Persons the core has described.")
    loans: int = Field(description="Loans with a statement.")
    loans_awaited: int = Field(description="Loans known only by movements that wait for them.")
    cases_open: int
    cases_cured: int
    cases_held: int = Field(description="Open cases of parties known by reference only.")
    cases_suspended: int = Field(description="Open cases on which nobody may act.")
    open_by_bucket: dict[str, int]
    overdue_totals: list[Money] = Field(description="Overdue sums of open cases, one per currency.")
    payments: list[PaymentFigures]
    events: dict[str, int] = Field(description="Facts of the core by outcome.")
    dead_letters_open: int
    readings: dict[str, int] = Field(description="Readings of personal data, by kind.")


class Difference(BaseModel):
    """One field of one loan on which the core and we disagree."""

    loan_ref: str
    field: Literal["overdue_minor", "balance_minor", "oldest_due_date", "currency", "loan"]
    ours: str | None = Field(description="Null: we do not know the loan.")
    cores: str | None = Field(description="Null: the core does not know the loan.")


class Reconciliation(BaseModel):
    """Our book against the core's, loan by loan."""

    business_date: date
    loans_compared: int
    loans_of_core: int
    overdue_totals: list[Money] = Field(description="Our overdue sums of the compared loans.")
    differences: int = Field(description="How many fields differ; `items` shows the first 1,000.")
    items: list[Difference]
