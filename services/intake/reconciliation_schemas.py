"""What the API says of reconciliation."""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from shared.events.base import PartyId
from shared.moments import Moment


class ReconciliationRun(BaseModel):
    """One comparison of all books with a core's."""

    run_id: UUID = Field(description="The run.")
    core: str = Field(description="Name of the core.", examples=["core-a"])
    business_date: date = Field(description="Business date at which both books were compared.")
    state: Literal["running", "agrees", "differs", "incident", "core_moved"] = Field(
        description="`incident`: so much differs that no single loan was marked; `core_moved`: the core stands at "
        "another date meanwhile, the rest is looked at next time."
    )
    compared: int = Field(description="Loans compared so far.")
    differing: int = Field(description="Loans of which something differed at the first look.")
    started_at: Moment = Field(description="Real time.")
    ended_at: Moment | None = Field(description="Real time; null while it runs.")


class TotalDifference(BaseModel):
    """One control total of a core's day close that is not our own sum as of that day."""

    core: str = Field(description="Name of the core.", examples=["core-a"])
    field: str = Field(
        description="`open_loans`: loans past due; `overdue_total.` and a currency: what is overdue, minor units.",
        examples=["overdue_total.CNY"],
    )
    business_date: date = Field(description="The last closed date on which it differed.")
    ours: int = Field(description="Our sum.")
    cores: int = Field(description="The core's total.")
    opened_at: Moment = Field(description="Real time at which it was first seen.")
    closed_at: Moment | None = Field(description="Real time at which a later close agreed; null: it stands.")


class OpenDifference(BaseModel):
    """One field of one loan on which the core and we disagree."""

    party_id: PartyId
    loan_ref: str = Field(description="The core's loan reference.", examples=["L-000042"])
    field: str = Field(
        description="What differs; `loan`: the core does not know it; `group`: nobody can say who of it is bound; "
        "`stated_…`: what a record states beside its amounts contradicts them; `order`: two records under one number "
        "contradict each other, so which came first cannot be proved.",
        examples=["overdue_minor"],
    )
    ours: str | None = Field(description="What our book says.")
    cores: str | None = Field(
        description="What the core says, or why it says nothing; null: it does not know the loan."
    )
    business_date: date = Field(description="Business date of the comparison.")
    opened_at: Moment = Field(description="Real time at which it was first seen.")
    confirmed_at: Moment | None = Field(
        description="Real time at which it was seen again: since then the case is suspended. Null: seen once."
    )
