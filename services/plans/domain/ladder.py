"""Steps taken on the ladder of a plan, and a person's decision about one that is not kept: new states with events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID

from services.plans.domain.follow_up_policy import FollowUpPolicy
from services.plans.domain.following import ContactKind, Standing, Step
from services.plans.domain.payments import open_minor
from services.plans.domain.plan import END_HOLD, Change, Plan, PlanState
from shared.events import NewEvent
from shared.events.base import EventData
from shared.events.contact import ContactRecorded
from shared.events.plan import (
    PlanBroken,
    PlanCompleted,
    PlanFollowUp,
    PlanInstalmentMissed,
    PlanRestored,
    PlanReviewDue,
)
from shared.ids import derived_id
from shared.messaging.intents import NewIntent
from shared.money import Money
from shared.web.problems import FieldError, InvalidRequest, KnownProblem

USE_PERMIT: Final = "plan.permit_use"
Decision = Literal["break", "more_time", "end"]


class PlanNotInReview(KnownProblem):
    """A person decides about a plan only when it was missed, warned of and waited for, and nothing pauses it."""

    kind, status, title = "plan-not-in-review", 409, "Nothing is to be decided about the plan now"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A plan with a step that was taken."""

    change: Change
    step: Step


def noted(plan: Plan, step: Step, found: Standing, *, now: datetime) -> Taken:
    """What the day shows is noted and told: an instalment is missed, the plan is kept again, a person must look."""
    changed = replace(plan, version=plan.version + 1)
    data: EventData
    if step.kind == "missed":
        assert step.instalment is not None
        each = plan.instalments[step.instalment - 1]
        data = PlanInstalmentMissed(
            **_fact(changed), instalment=each.number, due_date=each.due_date, rest=_rest(plan, each.number)
        )
    elif step.kind == "restored":
        data = PlanRestored(**_fact(changed), paid_total=plan.paid)
    else:
        data = PlanReviewDue(**_fact(changed), missed=list(found.missed), days_missed=found.days_missed)
    name = {"missed": "plan.instalment_missed", "restored": "plan.restored"}.get(step.kind, "plan.review_due")
    return Taken(change=Change(plan=changed, events=(_event(plan, name, data, now),)), step=step)


def contacted(
    plan: Plan, kind: ContactKind, instalment: int, *, person: UUID, permit_id: UUID, policy: FollowUpPolicy,
    now: datetime, real_now: datetime,
) -> Taken:  # fmt: skip
    """The permit is granted: the message is handed over, the contact recorded, the permit used.

    `person`: who stands for the plan's party by now; the message is theirs.
    """
    changed = replace(plan, version=plan.version + 1)
    each = plan.instalments[instalment - 1]
    contact_id = derived_id("contact", "plans", str(permit_id))
    sent = PlanFollowUp(
        **_fact(changed), kind=kind, instalment=each.number, due_date=each.due_date, rest=_rest(plan, each.number),
        permit_id=permit_id, channel=policy.channel, cure_days=policy.cure_days if kind == "warning" else None,
    )  # fmt: skip
    contact = ContactRecorded(
        contact_id=contact_id, party_id=person, permit_id=permit_id, visit_id=None, plan_id=plan.plan_id,
        channel=policy.channel, purpose="plan_service", started_at=now, ended_at=now, started_real=real_now,
        outcome="handed_to_gateway", attempt=True, contact=True, conversation=False, household_contacted=False,
        debtor_met=False, identity_shown=None, recording_complete=None, debt_disclosed_to_third=False,
    )  # fmt: skip
    use = NewIntent(
        kind=USE_PERMIT,
        key=str(permit_id),
        party_id=plan.party_id,
        due_at=real_now,
        payload={"permit_id": str(permit_id), "used_at": now.isoformat(), "contact_id": str(contact_id)},
    )
    events = (
        _event(plan, "plan.follow_up", sent, now),
        NewEvent[EventData](type="contact.recorded", party_id=person, aggregate_id=contact_id, data=contact, time=now),
    )
    step = Step(kind=kind, day=policy.today(now), instalment=each.number)
    return Taken(change=Change(plan=changed, events=events, intents=(use,)), step=step)


def decided(
    plan: Plan, found: Standing, decision: Decision, until: date | None, *, policy: FollowUpPolicy, now: datetime,
    real_now: datetime,
) -> Taken:  # fmt: skip
    """A person has looked at the reason. Raises PlanNotInReview, InvalidRequest.

    `break` needs missed instalments; `end` is the end of a token plan or pause whose review has come, and of nothing
    that is missed; `more_time` waits on, and the person looks again.
    """
    if not plan.is_running or not found.may_be_judged:
        paused = f", paused by {', '.join(found.paused_by)}" if found.paused_by else ""
        raise PlanNotInReview(f"the plan is {plan.state}, {found.stage}{paused}")
    today = policy.today(now)
    if decision == "more_time":
        if until is None or not 0 < (until - today).days <= policy.most_more_days:
            raise InvalidRequest(
                errors=[
                    FieldError(
                        "body", "/until", "out_of_range", f"a date within {policy.most_more_days} days from tomorrow on"
                    )
                ]
            )
        changed = replace(plan, version=plan.version + 1)
        return Taken(change=Change(plan=changed), step=Step(kind="more_time", day=today, until=until))
    if (decision == "break") != bool(found.missed):
        raise InvalidRequest(
            errors=[
                FieldError(
                    "body", "/decision", "not_possible", "`break` is for missed instalments, `end` where none is"
                )
            ]
        )
    change = _broken(plan, found.missed, now, real_now) if decision == "break" else _ended(plan, now, real_now)
    return Taken(change=change, step=Step(kind="review", day=today))


def _broken(plan: Plan, missed: Sequence[int], now: datetime, real_now: datetime) -> Change:
    broken = replace(plan, state=PlanState.BROKEN, version=plan.version + 1)
    data = PlanBroken(**_fact(broken), missed=list(missed))
    intents = (_end_of_hold(plan, "plan_broken", real_now),)
    return Change(plan=broken, events=(_event(plan, "plan.broken", data, now),), intents=intents)


def _ended(plan: Plan, now: datetime, real_now: datetime) -> Change:
    ended = replace(plan, state=PlanState.COMPLETED, version=plan.version + 1, completed_at=now)
    data = PlanCompleted(**_fact(ended), paid_total=plan.paid, cause="reviewed")
    intents = (_end_of_hold(plan, "plan_completed_reviewed", real_now),)
    return Change(plan=ended, events=(_event(plan, "plan.completed", data, now),), intents=intents)


def _end_of_hold(plan: Plan, cause: str, real_now: datetime) -> NewIntent:
    payload = {"plan_id": str(plan.plan_id), "hold_id": str(plan.hold_id), "cause": cause}
    key = f"plan:{plan.plan_id}"
    return NewIntent(kind=END_HOLD, key=key, party_id=plan.party_id, due_at=real_now, payload=payload)


def _rest(plan: Plan, number: int) -> Money:
    return Money(amount_minor=open_minor(plan.instalments, plan.payments)[number], currency=plan.currency)


def _fact(plan: Plan) -> dict[str, UUID | int]:
    return {"plan_id": plan.plan_id, "case_id": plan.case_id, "party_id": plan.party_id, "version": plan.version}


def _event(plan: Plan, name: str, data: EventData, at: datetime) -> NewEvent[EventData]:
    return NewEvent(type=name, party_id=plan.party_id, aggregate_id=plan.plan_id, data=data, time=at)
