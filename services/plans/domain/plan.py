"""The plan: proposed, signed, kept, complete. Pure transitions; each returns the new plan with its events and intents.

Signing comes in attempts, because the hold that stops collection must stand at compliance *before* the signature is
committed, and nothing can commit in two places at once:

1. an attempt is opened and its timeout recorded (one transaction);
2. the hold is placed at compliance under a key made of plan and attempt, outside any transaction;
3. the signature is committed with the hold's id, if the attempt is still open (one transaction).

If step 3 never commits, the timeout closes the attempt under the party's lock and an intent ends its hold. The next try
is another attempt with another key, so it never inherits a hold that was ended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from services.plans.domain.affordability import PlanKind, Schedule
from services.plans.domain.document import document_digest, signature_code
from services.plans.domain.origin import Imported
from services.plans.domain.payments import Payment, allocate, paid_minor
from shared.events import NewEvent
from shared.events.base import EventData
from shared.events.plan import (
    Instalment,
    PlanCompleted,
    PlanPaymentMatched,
    PlanProposed,
    PlanRefused,
    PlanSigned,
)
from shared.events.stop import PartyStopped
from shared.ids import derived_id
from shared.messaging.intents import NewIntent
from shared.money import Money
from shared.web.problems import KnownProblem

ATTEMPT_TIMER: Final = "plan.signing_timeout"
END_HOLD: Final = "hold.end"
ATTEMPT_LIFETIME: Final = timedelta(seconds=60)
PROPOSAL_LIFETIME: Final = timedelta(days=30)


class PlanNotOpen(KnownProblem):
    """The plan is not a proposal that can be signed now; its `state` tells what it is."""

    kind, status, title = "plan_not_open", 409, "The plan cannot be signed in its present state"


class SignatureCodeMismatch(KnownProblem):
    """The code is not the one that is printed on this document: the customer saw another document, or none."""

    kind, status, title = "signature_code_mismatch", 422, "The code does not belong to this document"


class SigningExpired(KnownProblem):
    """Placing the hold took longer than an attempt may last; sign again."""

    kind, status, title = "signing_expired", 409, "The signature came too late; sign again"


Ending = Literal["cured", "closed"]


class PlanState(StrEnum):
    """`proposed` → `signed` → `completed` or `broken`; a proposal may end `superseded` (by a newer one) or `lapsed`
    (cured).

    One that runs on from another system is `imported`, then `completed` or `broken`.
    """

    PROPOSED = "proposed"
    SIGNED = "signed"
    IMPORTED = "imported"
    COMPLETED = "completed"
    BROKEN = "broken"
    SUPERSEDED = "superseded"
    LAPSED = "lapsed"


RUNNING: Final = frozenset({PlanState.SIGNED, PlanState.IMPORTED})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One plan. `attempt` counts signing attempts: opened at business time, open until real time (none: closed)."""

    plan_id: UUID
    party_id: UUID
    case_id: UUID
    visit_id: UUID | None
    kind: PlanKind
    instalments: tuple[Instalment, ...]
    total: Money
    debt: Money
    surplus: Money | None
    table_id: str | None
    review_on: date
    document: str
    document_sha256: str | None
    proposed_at: datetime
    state: PlanState = PlanState.PROPOSED
    version: int = 1
    attempt: int = 0
    attempt_opened_at: datetime | None = None
    attempt_open_until: datetime | None = None
    hold_id: UUID | None = None
    signed_at: datetime | None = None
    completed_at: datetime | None = None
    payments: tuple[Payment, ...] = ()
    imported: Imported | None = None

    @property
    def is_running(self) -> bool:
        """Whether payments count on it, and nothing else is agreed for its case."""
        return self.state in RUNNING

    def takes(self, value_date: date) -> bool:
        """Whether a payment of that value date may count on it."""
        if self.imported is not None:
            return value_date > self.imported.paid_until
        return self.signed_at is not None and value_date >= self.signed_at.astimezone(UTC).date()

    @property
    def currency(self) -> str:
        """Currency of every amount of the plan."""
        return self.total.currency

    @property
    def paid(self) -> Money:
        """Paid on the plan so far."""
        return Money(amount_minor=paid_minor(self.instalments, self.payments), currency=self.currency)


@dataclass(frozen=True, kw_only=True)
class Change:
    """A new state of a plan with what it makes known and what it intends."""

    plan: Plan
    events: tuple[NewEvent[EventData], ...] = ()
    intents: tuple[NewIntent, ...] = ()


def hold_key(plan_id: UUID, attempt: int) -> str:
    """Idempotency key of the hold of one signing attempt."""
    return str(derived_id("plan-hold", str(plan_id), str(attempt)))


def hold_source(plan_id: UUID, attempt: int) -> str:
    """What the hold of an attempt comes from. Compliance keeps one open hold per source: with the attempt in it, the
    compensation of an old attempt can never end the hold of the one that was signed."""
    return f"{plan_id}:{attempt}"


def proposed(plan: Plan) -> Change:
    """`plan.proposed`."""
    assert plan.surplus is not None and plan.table_id is not None  # noqa: PT018 - a proposal was worked out here
    data = PlanProposed(
        plan_id=plan.plan_id,
        case_id=plan.case_id,
        party_id=plan.party_id,
        version=plan.version,
        kind=plan.kind,
        instalments=list(plan.instalments),
        total=plan.total,
        monthly_surplus=plan.surplus,
        table_id=plan.table_id,
    )
    return Change(plan=plan, events=(_event(plan, "plan.proposed", data, plan.proposed_at),))


def refused(
    *, plan_id: UUID, party_id: UUID, case_id: UUID, rule: str, wished: Money, most: Money, now: datetime
) -> NewEvent[EventData]:
    """`plan.refused`: somebody asked for more than the household can pay; worth knowing, so it is an event."""
    data = PlanRefused(
        plan_id=plan_id, case_id=case_id, party_id=party_id, version=1, rule=rule, wished=wished, most=most
    )
    return NewEvent(type="plan.refused", party_id=party_id, aggregate_id=plan_id, data=data, time=now)


def open_attempt(plan: Plan, *, code: str, now: datetime, real_now: datetime) -> Change:
    """Step 1 of signing. A running attempt is shared by concurrent tries, so the hold is placed once.

    Raises PlanNotOpen, SignatureCodeMismatch.
    """
    _require_signable(plan, now)
    if code.strip().upper() != signature_code(plan.document):
        raise SignatureCodeMismatch("type the code that is printed at the end of the document")
    if plan.attempt_open_until is not None:
        return Change(plan=plan)
    opened = replace(
        plan, attempt=plan.attempt + 1, attempt_opened_at=now, attempt_open_until=real_now + ATTEMPT_LIFETIME
    )
    timer = NewIntent(
        kind=ATTEMPT_TIMER,
        key=f"{plan.plan_id}:{opened.attempt}",
        party_id=plan.party_id,
        due_at=real_now + ATTEMPT_LIFETIME,
        payload={"plan_id": str(plan.plan_id), "attempt": opened.attempt},
    )
    return Change(plan=opened, intents=(timer,))


def sign(plan: Plan, *, attempt: int, hold_id: UUID, signed_at: datetime, now: datetime, real_now: datetime) -> Change:
    """Step 3 of signing: `plan.signed`, and `party.stopped` at once on the express topic.

    Raises PlanNotOpen, SigningExpired (the attempt was closed meanwhile, its hold is being ended).
    """
    _require_signable(plan, now)
    assert plan.document_sha256 is not None  # a proposal has its document
    if plan.attempt != attempt or plan.attempt_open_until is None:
        raise SigningExpired("the attempt was closed before the signature arrived")
    signed = replace(
        plan,
        state=PlanState.SIGNED,
        version=plan.version + 1,
        hold_id=hold_id,
        signed_at=signed_at,
        attempt_open_until=None,
    )
    data = PlanSigned(
        plan_id=plan.plan_id,
        case_id=plan.case_id,
        party_id=plan.party_id,
        version=signed.version,
        kind=plan.kind,
        instalments=list(plan.instalments),
        total=plan.total,
        signed_at=signed_at,
        hold_id=hold_id,
        visit_id=plan.visit_id,
        document_sha256=plan.document_sha256,
    )
    stop = PartyStopped(
        party_id=plan.party_id,
        cause="plan_signed",
        scope="collection",
        since=signed_at,
        arrived_at=real_now,
        reference=str(plan.plan_id),
    )
    stopped: NewEvent[EventData] = NewEvent(
        type="party.stopped", party_id=plan.party_id, aggregate_id=plan.party_id, data=stop, time=signed_at
    )
    return Change(plan=signed, events=(stopped, _event(plan, "plan.signed", data, signed_at)))


def close_attempt(plan: Plan, *, attempt: int, real_now: datetime) -> Change:
    """The attempt's time is over: unless it led to the signature, its hold (if any was placed) must end."""
    if plan.attempt != attempt or plan.attempt_open_until is None or plan.attempt_opened_at is None:
        return Change(plan=plan)
    end = NewIntent(
        kind=END_HOLD,
        key=f"attempt:{plan.plan_id}:{attempt}",
        party_id=plan.party_id,
        due_at=real_now,
        payload={
            "plan_id": str(plan.plan_id),
            "attempt": attempt,
            "valid_from": plan.attempt_opened_at.isoformat(),
            "cause": "plan_not_signed",
        },
    )
    return Change(plan=replace(plan, attempt_open_until=None), intents=(end,))


def payment_posted(plan: Plan, payment: Payment, *, now: datetime, real_now: datetime) -> Change:
    """A payment on a running plan: matched once per transaction; the last instalment completes the plan."""
    if not plan.is_running or any(p.transaction_ref == payment.transaction_ref for p in plan.payments):
        return Change(plan=plan)
    changed = replace(plan, payments=(*plan.payments, payment), version=plan.version + 1)
    allocation = allocate(changed.instalments, changed.payments)[-1]
    event = _matched(changed, allocation.transaction_ref, allocation.matched_minor, allocation.instalments, now)
    if changed.paid.amount_minor < changed.total.amount_minor or not changed.instalments or changed.kind == "token":
        return Change(plan=changed, events=(event,))
    completed = _complete(changed, cause="paid", now=now, real_now=real_now)
    return replace(completed, events=(event, *completed.events))


def payment_reversed(plan: Plan, transaction_ref: str, *, now: datetime) -> Change:
    """A matched payment bounced: it is taken out and the rest is allocated again.

    Told as `plan.payment_matched` with a negative amount; a plan that only this payment had completed is open again.
    """
    standing = next((p for p in plan.payments if p.transaction_ref == transaction_ref and not p.reversed), None)
    if standing is None:
        return Change(plan=plan)
    before = next(a for a in allocate(plan.instalments, plan.payments) if a.transaction_ref == transaction_ref)
    payments = tuple(replace(p, reversed=True) if p is standing else p for p in plan.payments)
    changed = replace(plan, payments=payments, version=plan.version + 1)
    event = _matched(changed, transaction_ref, -before.matched_minor, before.instalments, now)
    return Change(plan=changed, events=(event,))


def case_ended(plan: Plan, *, cause: Ending, now: datetime, real_now: datetime) -> Change:
    """Nothing is to be collected any more: a running plan is complete, a proposal has lost its reason."""
    if plan.is_running:
        return _complete(plan, cause=cause, now=now, real_now=real_now)
    if plan.state is PlanState.PROPOSED:
        return Change(plan=replace(plan, state=PlanState.LAPSED, version=plan.version + 1))
    return Change(plan=plan)


def superseded(plan: Plan) -> Change:
    """A newer proposal took this one's place. Does nothing to a plan that is no proposal."""
    if plan.state is not PlanState.PROPOSED:
        return Change(plan=plan)
    return Change(plan=replace(plan, state=PlanState.SUPERSEDED, version=plan.version + 1))


def new_plan(
    *,
    plan_id: UUID,
    party_id: UUID,
    case_id: UUID,
    visit_id: UUID | None,
    debt: Money,
    surplus: Money,
    table_id: str,
    schedule: Schedule,
    document: str,
    now: datetime,
) -> Plan:
    """A proposal."""
    return Plan(
        plan_id=plan_id,
        party_id=party_id,
        case_id=case_id,
        visit_id=visit_id,
        kind=schedule.kind,
        instalments=schedule.instalments,
        total=schedule.total,
        debt=debt,
        surplus=surplus,
        table_id=table_id,
        review_on=schedule.review_on,
        document=document,
        document_sha256=document_digest(document),
        proposed_at=now,
    )


def _require_signable(plan: Plan, now: datetime) -> None:
    if plan.state is not PlanState.PROPOSED:
        raise PlanNotOpen(f"the plan is {plan.state}", state=str(plan.state))
    if now > plan.proposed_at + PROPOSAL_LIFETIME:
        raise PlanNotOpen("the proposal is older than 30 days; circumstances change, propose again", state="expired")


def _complete(plan: Plan, *, cause: Literal["paid"] | Ending, now: datetime, real_now: datetime) -> Change:
    completed = replace(plan, state=PlanState.COMPLETED, version=plan.version + 1, completed_at=now)
    data = PlanCompleted(
        plan_id=plan.plan_id,
        case_id=plan.case_id,
        party_id=plan.party_id,
        version=completed.version,
        paid_total=plan.paid,
        cause=cause,
    )
    end = NewIntent(
        kind=END_HOLD,
        key=f"plan:{plan.plan_id}",
        party_id=plan.party_id,
        due_at=real_now,
        payload={"plan_id": str(plan.plan_id), "hold_id": str(plan.hold_id), "cause": f"plan_completed_{cause}"},
    )
    return Change(plan=completed, events=(_event(plan, "plan.completed", data, now),), intents=(end,))


def _matched(
    plan: Plan, transaction_ref: str, amount_minor: int, instalments: tuple[int, ...], now: datetime
) -> NewEvent[EventData]:
    data = PlanPaymentMatched(
        plan_id=plan.plan_id,
        case_id=plan.case_id,
        party_id=plan.party_id,
        version=plan.version,
        transaction_ref=transaction_ref,
        amount=Money(amount_minor=amount_minor, currency=plan.currency),
        instalments=list(instalments),
        paid_total=plan.paid,
    )
    return _event(plan, "plan.payment_matched", data, now)


def _event(
    plan: Plan, name: str, data: PlanProposed | PlanSigned | PlanPaymentMatched | PlanCompleted, at: datetime
) -> NewEvent[EventData]:
    return NewEvent(type=name, party_id=plan.party_id, aggregate_id=plan.plan_id, data=data, time=at)
