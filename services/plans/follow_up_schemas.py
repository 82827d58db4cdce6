"""What the API reads and answers about following plans up."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from services.plans.domain.follow_up_policy import FollowUpPolicy
from services.plans.domain.following import ContactKind, Stage, Standing, StepKind
from services.plans.domain.ladder import Decision
from services.plans.following_desk import Followed
from services.plans.store.follow_ups import WaitingReview
from shared.events.base import PartyId, PlanId
from shared.moments import Moment

ReviewReason = Literal[
    "no_answer", "help_declined", "can_pay_soon", "situation_changed", "bank_fault", "review_held"
]  # fmt: skip


class StepView(BaseModel):
    """A step that was taken."""

    kind: StepKind = Field(
        description="`reminder`, `help` and `warning` are messages under a permit; `missed`, `restored` and `review` "
        "what a day showed; `more_time` a person's decision."
    )
    day: date = Field(description="Local date of the tenant.")
    instalment: int | None = Field(description="The instalment it was about; null: the whole plan.")
    until: date | None = Field(description="Of `more_time`: the last day.")


class FollowUps(BaseModel):
    """Where a plan stands, and how it came there."""

    plan_id: PlanId
    state: Literal["proposed", "signed", "imported", "completed", "broken", "superseded", "lapsed"] = Field(
        description="State of the plan; one that does not run stands nowhere."
    )
    stage: Stage | None = Field(
        description="`kept`, `missed`, `warned` (time to pay or to talk), `in_review` (a person looks at the reason), "
        "`more_time` (that person waits on); null: the plan does not run."
    )
    missed: list[int] = Field(description="Missed instalments by number: not paid when their days of grace were over.")
    days_missed: int = Field(description="Days since the oldest missed one was due, paused ones left out.")
    cure_days_left: int | None = Field(description="Days until a person looks at it; null: nobody was warned.")
    paused_by: list[str] = Field(
        description="Kinds of holds under which no day counts and nobody is reminded, warned or judged; "
        "`case_suspended`: the bank's core and we disagree; `feed_suspended`: its whole feed is not believed."
    )
    next_contact: ContactKind | None = Field(description="The message a permit is asked for; null: none is due.")
    policy_id: str = Field(description="The policy that says so.", examples=["follow-up-cn-2026-1"])
    steps: list[StepView] = Field(description="The steps taken, oldest first.")

    @classmethod
    def of(cls, one: Followed, found: Standing, policy: FollowUpPolicy) -> Self:
        """The view of a plan."""
        runs = one.plan.is_running
        return cls(
            plan_id=one.plan.plan_id,
            state=one.plan.state.value,
            stage=found.stage if runs else None,
            missed=list(found.missed) if runs else [],
            days_missed=found.days_missed if runs else 0,
            cure_days_left=found.cure_days_left if runs else None,
            paused_by=list(found.paused_by) if runs else [],
            next_contact=found.contact.kind if runs and found.contact is not None else None,
            policy_id=policy.id,
            steps=[
                StepView(kind=step.kind, day=step.day, instalment=step.instalment, until=step.until)
                for step in one.steps
            ],
        )


class ReviewView(BaseModel):
    """A plan that waits for a person."""

    plan_id: PlanId
    party_id: PartyId
    since: Moment = Field(description="Business time from which it waits.")

    @classmethod
    def of(cls, waiting: WaitingReview) -> Self:
        """The view of one."""
        return cls(plan_id=waiting.plan_id, party_id=waiting.party_id, since=waiting.since)


class ReviewPlan(BaseModel):
    """What the person decided who looked at the reason."""

    model_config = ConfigDict(extra="forbid")

    decision: Decision = Field(
        description="`break`: the plan ends by default; `more_time`: waited on until a day; `end`: a token plan or "
        "pause ends with its agreed review, and a new plan can be made."
    )
    until: date | None = Field(None, description="Of `more_time`: the last day, at most the policy's limit away.")
    reason: ReviewReason = Field(description="What the person found.")
