"""What the API says of a case's past: the facts as they were told, and what followed from them on a day."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from shared.events.base import CaseId, PartyId
from shared.events.case import Bucket
from shared.moments import Moment
from shared.money import Money


class ToldFact(BaseModel):
    """A fact of the core, as it was told. It is never changed: a correction is another fact.

    `party_id` is whose reference it came under: a person whom the core has merged has several.
    """

    fact_id: int = Field(description="Grows in the order in which facts were recorded.")
    party_id: PartyId
    source: str = Field(description="Who told it: the core's name.", examples=["core-a"])
    event_id: str = Field(description="The event's id; with `source` it is its identity.")
    type: str = Field(description="Event type.", examples=["loan.overdue"])
    holds_from: date = Field(description="The day from which it holds; before the business date where it corrects.")
    happened_at: Moment = Field(description="When it happened, business time.")
    recorded_at: Moment = Field(description="When we learned it, real time.")
    outcome: Literal["applied", "ignored", "pending"] = Field(
        description="What became of it: `ignored` was stale or repeated, `pending` waits for its loan."
    )
    content: dict[str, Any] = Field(description="The event's data; fields at their defaults are left out.")


class LoanOnDay(BaseModel):
    """A loan that was past due on the day."""

    loan_ref: str = Field(description="The core's loan reference.")
    product_class: str = Field(description="Product class.")
    overdue: Money = Field(description="Overdue sum.")
    oldest_due_date: date = Field(description="Due date of the oldest unpaid item.")
    dpd_contractual: int = Field(description="Contractual days past due, whole days.")


class CaseOnDay(BaseModel):
    """What was past due on a day, by what had been told until a moment. Folded from the facts for this answer."""

    case_id: CaseId
    party_id: PartyId
    as_of: date = Field(description="The day.")
    known_at: Moment = Field(description="Facts recorded later are left out, real time.")
    facts: int = Field(description="How many facts it follows from.")
    bucket: Bucket = Field(description="Worst contractual bucket.")
    dpd_contractual: int = Field(description="Worst contractual days past due.")
    overdue_totals: list[Money] = Field(description="Overdue sums, one per currency.")
    loans: list[LoanOnDay] = Field(description="The loans that were past due, in order of reference.")
    suspended: list[str] = Field(description="What of the core's own words kept everybody from acting.")
    without_facts: list[UUID] = Field(
        description="Loans known today of which no fact was kept by then: of them this answer knows nothing."
    )
