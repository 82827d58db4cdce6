"""Plans and promises that run on from another system: agreed there, paid here, never shown as signed with us."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.plans.domain.affordability import PlanKind
from services.plans.domain.origin import Basis, Imported
from services.plans.domain.plan import END_HOLD, Change, Plan, PlanState
from shared.events import NewEvent
from shared.events.base import EventData
from shared.events.plan import Instalment, PlanImported
from shared.messaging.intents import NewIntent
from shared.money import Money
from shared.web.problems import KnownProblem

CutoverState = Literal["importing", "closed"]


class CutoverNotOpen(KnownProblem):
    """Compliance has no cut-over of this name in the state that the step needs; `state` tells which it is in."""

    kind, status, title = "cutover-not-open", 409, "The cut-over takes no such step now"


class ImportedPlanInFuture(KnownProblem):
    """The plan was agreed after the business date of the cut-over: it is not of the other system."""

    kind, status, title = "imported-plan-in-future", 422, "The plan was agreed after the cut-over"


class ImportedHoldEnded(KnownProblem):
    """The plan was refused for good before, and its hold ended: in this cut-over it is not imported any more."""

    kind, status, title = "imported-hold-ended", 409, "The plan's hold has ended"


@dataclass(frozen=True, kw_only=True)
class OldPlan:
    """What the other system says of a plan: what is still to be paid as of the cut-over's business date."""

    record_ref: str
    party_id: UUID
    basis: Basis
    kind: PlanKind
    instalments: tuple[Instalment, ...]
    total: Money
    debt: Money
    agreed_at: datetime
    review_on: date
    document_ref: str | None
    document_sha256: str | None
    hold_id: UUID
    hold_stands: bool = True


def taken_over(
    old: OldPlan, *, plan_id: UUID, case_id: UUID, cutover_id: str, business_date: date, now: datetime
) -> Change:
    """The plan as it runs on, and `plan.imported`. Raises ImportedPlanInFuture, ImportedHoldEnded."""
    if not old.hold_stands:
        raise ImportedHoldEnded()
    if old.agreed_at > now or old.agreed_at.date() > business_date:
        raise ImportedPlanInFuture()
    plan = Plan(
        plan_id=plan_id,
        party_id=old.party_id,
        case_id=case_id,
        visit_id=None,
        kind=old.kind,
        instalments=old.instalments,
        total=old.total,
        debt=old.debt,
        surplus=None,
        table_id=None,
        review_on=old.review_on,
        document="",
        document_sha256=old.document_sha256,
        proposed_at=old.agreed_at,
        state=PlanState.IMPORTED,
        hold_id=old.hold_id,
        imported=Imported(
            cutover_id=cutover_id,
            record_ref=old.record_ref,
            basis=old.basis,
            document_ref=old.document_ref,
            agreed_at=old.agreed_at,
            paid_until=business_date,
        ),
    )
    data = PlanImported(
        plan_id=plan_id,
        case_id=case_id,
        party_id=old.party_id,
        version=plan.version,
        kind=old.kind,
        basis=old.basis,
        instalments=list(old.instalments),
        total=old.total,
        agreed_at=old.agreed_at,
        hold_id=old.hold_id,
        cutover_id=cutover_id,
        document_sha256=old.document_sha256,
    )
    event: NewEvent[EventData] = NewEvent(
        type="plan.imported", party_id=old.party_id, aggregate_id=plan_id, data=data, time=now
    )
    return Change(plan=plan, events=(event,))


def same_record(known: Sequence[Plan], cutover_id: str, old: OldPlan) -> Plan | None:
    """The plan that this record became before.

    In another cut-over only where it still runs and is the same to the letter: what says something else is another.
    """
    for plan in known:
        origin = plan.imported
        if origin is None or origin.record_ref != old.record_ref:
            continue
        same = (plan.kind, plan.instalments, plan.total, plan.debt, origin.basis, origin.document_ref,
                origin.agreed_at) == (
            old.kind, old.instalments, old.total, old.debt, old.basis, old.document_ref, old.agreed_at)  # fmt: skip
        if origin.cutover_id == cutover_id or (same and plan.is_running):
            return plan
    return None


def end_of_hold(old: OldPlan, known: Sequence[Plan], *, real_now: datetime) -> NewIntent | None:
    """What ends the hold of a plan that is refused for good; None: a running plan of the person stands on it."""
    if any(plan.hold_id == old.hold_id and plan.is_running for plan in known):
        return None
    payload = {"hold_id": str(old.hold_id), "cause": "plan_not_imported"}
    return NewIntent(
        kind=END_HOLD, key=f"not-imported:{old.hold_id}", party_id=old.party_id, due_at=real_now, payload=payload
    )
