"""Topic `plan`: what was agreed, and whether it is kept."""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.events.base import CaseId, EventData, PartyId, PlanId, Reference
from shared.money import Money


class Instalment(EventData):
    """One payment of the schedule."""

    number: int = Field(ge=1, le=600, description="Position, from 1.")
    due_date: date = Field(description="Due date.")
    amount: Money = Field(description="Amount due.")


class PlanFact(EventData):
    """What every plan event carries."""

    plan_id: PlanId
    case_id: CaseId
    party_id: PartyId
    version: int = Field(ge=1, description="Version of the plan.")


class PlanProposed(PlanFact):
    """An affordable schedule was worked out."""

    kind: Literal["instalments", "token", "pause"] = Field(description="Kind of arrangement.")
    instalments: list[Instalment] = Field(max_length=60, description="Schedule, at most 60 months (card rule art. 70).")
    total: Money = Field(description="Sum of the schedule.")
    monthly_surplus: Money = Field(description="What the household can pay above its protected minimum.")
    table_id: Reference = Field(description="Protected-minimum table used.", examples=["demonstration-cn-2026"])


class PlanRefused(PlanFact):
    """A schedule that would go below the protected minimum was refused."""

    rule: Reference = Field(description="Rule.", examples=["PLAN-PROTECTED-MINIMUM"])
    wished: Money = Field(description="Instalment that was asked for.")
    most: Money = Field(description="Highest affordable instalment.")


class PlanSigned(PlanFact):
    """Both sides signed; the plan hold stands since before this commit."""

    kind: Literal["instalments", "token", "pause"] = Field(description="Kind of arrangement.")
    instalments: list[Instalment] = Field(max_length=60, description="Schedule.")
    total: Money = Field(description="Sum of the schedule.")
    signed_at: AwareDatetime = Field(description="Business time.")
    hold_id: UUID = Field(description="Compliance's hold that stops collection while the plan is kept.")
    visit_id: UUID | None = Field(None, description="Visit at which it was signed, if any.")
    document_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Digest of the signed document.")


class PlanImported(PlanFact):
    """A plan, or a promise, of another system runs on: agreed there, paid here. Its hold stands since before."""

    kind: Literal["instalments", "token", "pause"] = Field(description="Kind of arrangement.")
    basis: Literal["signed_plan", "promise"] = Field(description="A signed agreement, or somebody's word.")
    instalments: list[Instalment] = Field(max_length=60, description="What is still to be paid at the cut-over.")
    total: Money = Field(description="Sum of what is still to be paid.")
    agreed_at: AwareDatetime = Field(description="When it was agreed in the other system.")
    hold_id: UUID = Field(description="Compliance's hold that stops collection while the plan is kept.")
    cutover_id: Reference = Field(description="The cut-over that brought it.", examples=["old-system-2026"])
    document_sha256: str | None = Field(
        pattern=r"^[0-9a-f]{64}$", description="Digest of the other system's document; null: a promise has none."
    )


class PlanPaymentMatched(PlanFact):
    """A payment from the core was matched to instalments, first in first out."""

    transaction_ref: Reference = Field(description="The core's transaction reference.")
    amount: Money = Field(description="Part of the payment that was matched.")
    instalments: list[int] = Field(description="Instalments touched.")
    paid_total: Money = Field(description="Paid on the plan so far.")


class PlanCompleted(PlanFact):
    """Every instalment is paid, or the case cured, or all its loans have ended (`closed`)."""

    paid_total: Money = Field(description="Paid on the plan.")
    cause: Literal["paid", "cured", "closed", "reviewed"] = Field(
        description="Why it is complete; `reviewed`: a token plan or pause whose review has come and was held."
    )


class PlanInstalmentMissed(PlanFact):
    """An instalment is not paid, and its days of grace are over. Help follows, not collection."""

    instalment: int = Field(ge=1, le=600, description="Number of the instalment.")
    due_date: date = Field(description="Its due date.")
    rest: Money = Field(description="What of it is not paid.")


class PlanFollowUp(PlanFact):
    """A message about the plan was handed over under a permit: the gateway sends it in the bank's words."""

    kind: Literal["reminder", "help", "warning"] = Field(
        description="`reminder` before the due date; `help` once an instalment is missed; `warning` that the plan can "
        "end, how long is left, and whom to ask."
    )
    instalment: int = Field(ge=1, le=600, description="Number of the instalment it is about: the oldest open one.")
    due_date: date = Field(description="Its due date.")
    rest: Money = Field(description="What of it is not paid.")
    permit_id: UUID = Field(description="The permit of the message.")
    channel: Literal["sms", "email", "letter"] = Field(description="How it is sent.")
    cure_days: int | None = Field(None, description="Of a warning: days until a person looks at the plan.")


class PlanRestored(PlanFact):
    """Nothing of the plan is missed any more."""

    paid_total: Money = Field(description="Paid on the plan so far.")


class PlanReviewDue(PlanFact):
    """A person must look at it: missed, warned of and waited for; or the agreed review of a token plan or pause."""

    missed: list[int] = Field(max_length=60, description="Missed instalments; empty: the agreed review.")
    days_missed: int = Field(ge=0, description="Days since the oldest missed one was due, paused ones left out.")


class PlanBroken(PlanFact):
    """Ended by default after warning and review (never by one missed instalment)."""

    missed: list[int] = Field(description="Missed instalments.")
