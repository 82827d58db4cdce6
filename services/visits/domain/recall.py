"""A new fact meets a visit: before the door the visit is recalled, at the door the crew gets notice to end.

Signing a plan or paying at the door must not abort the visit at which it happens, so after check-in a fact is a
notice only.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.visits.domain.appointment import decline, event, party_stopped
from services.visits.domain.visit import BEFORE_THE_DOOR, Change, Recall, RecallKind, State, Visit
from shared.events.visit import VisitRecalled


def recall(visit: Visit, *, cause: str, fact_arrived_at: datetime, now: datetime, real_now: datetime) -> Change:
    """Apply a fact that stops contact. `fact_arrived_at` is the real time at which it reached our topic."""
    if visit.state in BEFORE_THE_DOOR:
        return _recall(visit, cause=cause, fact_arrived_at=fact_arrived_at, now=now, real_now=real_now)
    if visit.state is State.CHECKED_IN and visit.notice_cause is None:
        noticed = visit.to(State.CHECKED_IN, notice_cause=cause)
        return Change(visit=noticed, recall=_met(visit, "notice", cause, fact_arrived_at, real_now))
    return Change(visit=visit)


def stop_by_customer(visit: Visit, *, now: datetime, real_now: datetime) -> Change:
    """The customer asks to stop: always accepted, in every state, and told to everyone at once on the express topic."""
    stopped = party_stopped(visit, cause="stop_request", scope="collection", now=now, real_now=real_now)
    if visit.state in {State.PROPOSED, State.OFFERED, State.AGREED}:
        change = decline(visit, cause="stop_request", now=now)
    else:
        change = recall(visit, cause="stop_request", fact_arrived_at=real_now, now=now, real_now=real_now)
    return replace(change, events=(stopped, *change.events))


def refuse_by_customer(visit: Visit, *, now: datetime, real_now: datetime) -> Change:
    """The customer says no, also after having agreed: the right to refuse ends only when the visit does."""
    if visit.state in {State.OFFERED, State.AGREED}:
        return decline(visit, cause="declined", now=now)
    return recall(visit, cause="customer_declined", fact_arrived_at=real_now, now=now, real_now=real_now)


def _recall(visit: Visit, *, cause: str, fact_arrived_at: datetime, now: datetime, real_now: datetime) -> Change:
    recalled = visit.to(State.RECALLED, end_cause=cause)
    data = VisitRecalled(
        **recalled.fact(),
        cause=cause,
        fact_arrived_at=fact_arrived_at,
        recalled_at=real_now,
        state_before=str(visit.state),
    )
    return Change(
        visit=recalled,
        events=(event(recalled, "visit.recalled", data, now=now),),
        held=visit.held_permit(f"recalled_{cause}"),
        recall=_met(visit, "recalled", cause, fact_arrived_at, real_now),
    )


def _met(visit: Visit, kind: RecallKind, cause: str, fact_arrived_at: datetime, recalled_at: datetime) -> Recall:
    return Recall(
        party_id=visit.party_id,
        visit_id=visit.visit_id,
        kind=kind,
        cause=cause,
        fact_arrived_at=fact_arrived_at,
        recalled_at=recalled_at,
        state_before=visit.state,
        checked_in_real=visit.checked_in_real,
    )
