"""Assignment's half of the visit saga: propose → (offered) → agreed → permit → assigned, or back to the candidates.

Every step is a pure function of the candidacy and one fact. Each waiting state has a durable timeout: an unanswered
proposal ends by visits' timer (`visit.declined`, expired), and whatever was not assigned when its window opens is
withdrawn by our own guard timer. A permit that came too late is given back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from services.assignment.domain.candidacy import (
    FEED_SUSPENDED,
    Candidacy,
    Step,
    cooled,
    ignored,
    refusal,
    withdraw_visit,
)
from services.assignment.domain.policy import CoolingCause, SelectionPolicy
from services.assignment.domain.visits import OURS, PlannedVisit, VisitState
from shared.events import NewEvent
from shared.events.base import EventData, TimeWindow
from shared.events.visit import VisitAssigned, VisitProposed
from shared.messaging.intents import NewIntent

PERMIT_INTENT: Final = "visit.permit"
RELEASE_INTENT: Final = "permit.release"
GUARD_TIMER: Final = "visit.guard"

_ENDS: Final[dict[VisitState, CoolingCause]] = {
    VisitState.RECALLED: "recalled",
    VisitState.ABORTED: "aborted",
    VisitState.COMPLETED: "completed",
}


def propose(
    candidacy: Candidacy, visit: PlannedVisit, *, policy: SelectionPolicy, now: datetime
) -> tuple[Step, str | None]:
    """Put a routed visit to the customer, unless facts that came while the route was computed forbid it.

    Returns the step and, when nothing was proposed, the reason.
    """
    reason = refusal(candidacy, visit.field_day, policy=policy, now=now)
    case = candidacy.case
    if reason is None and (case is None or case.case_id != visit.case_id):
        reason = "case_changed"
    if reason is None and now >= visit.window.start:
        reason = "too_late"
    if reason is not None:
        return ignored(candidacy), reason
    event: NewEvent[EventData] = NewEvent(
        type="visit.proposed",
        party_id=visit.party_id,
        aggregate_id=visit.visit_id,
        time=now,
        data=VisitProposed(
            visit_id=visit.visit_id,
            case_id=visit.case_id,
            party_id=visit.party_id,
            version=visit.version,
            field_day=visit.field_day,
            window=visit.window,
            duration_minutes=visit.duration_minutes,
            pair_id=visit.pair_id,
            crew=list(visit.crew),
            device_id=visit.device_id,
            cell=visit.cell,
            jurisdiction=visit.jurisdiction,
            case_version=visit.case_version,
            address_key=None if case is None else case.home,
        ),
    )
    step = Step(candidacy=replace(candidacy, visit=visit), events=(event,), intents=(_guard(visit),))
    return step, None


def offered(candidacy: Candidacy, visit_id: UUID, version: int, *, now: datetime) -> Step:
    """`visit.offered`: the customer has been asked."""
    visit = _ours(candidacy, visit_id)
    if visit is None or visit.state is not VisitState.PROPOSED:
        return ignored(candidacy)
    return Step(candidacy=replace(candidacy, visit=_moved_on(visit, VisitState.OFFERED, version, now)))


def agreed(candidacy: Candidacy, visit_id: UUID, version: int, window: TimeWindow, *, now: datetime) -> Step:
    """`visit.agreed`: ask compliance for the visit permit (an intent; no network here)."""
    visit = _ours(candidacy, visit_id)
    if visit is None or visit.state is VisitState.AGREED:
        return ignored(candidacy)
    visit = replace(_moved_on(visit, VisitState.AGREED, version, now), window=window)
    case = candidacy.case
    same_case = case is not None and case.case_id == visit.case_id
    case_version = case.version if case is not None and same_case else visit.case_version
    home = case.home if case is not None and same_case else None
    intent = NewIntent(
        kind=PERMIT_INTENT,
        key=str(visit_id),
        party_id=visit.party_id,
        due_at=now,
        clock="business",
        payload={"visit_id": str(visit_id), "request": permit_request(visit, case_version, home)},
    )
    return Step(candidacy=replace(candidacy, visit=visit), intents=(intent,))


def declined(
    candidacy: Candidacy, visit_id: UUID, version: int, cause: CoolingCause, *, policy: SelectionPolicy, now: datetime
) -> Step:
    """`visit.declined`: back to the candidates, after a cooling time that depends on the cause."""
    visit = _ours(candidacy, visit_id)
    if visit is None:
        return ignored(candidacy)
    return _finish(candidacy, visit, VisitState.DECLINED, version, cause, cooling=cause, policy=policy, now=now)


def moved(candidacy: Candidacy, visit_id: UUID, version: int, wished: TimeWindow, *, now: datetime) -> Step:
    """`visit.moved`: the customer named another time; planned again for that day at the earliest."""
    visit = _ours(candidacy, visit_id)
    if visit is None:
        return ignored(candidacy)
    ended = replace(_moved_on(visit, VisitState.MOVED, version, now), cause="moved")
    wished_day: date = candidacy.today(wished.start)
    not_before = max(wished_day, candidacy.not_before or wished_day)
    return Step(candidacy=replace(candidacy, visit=None, not_before=not_before), finished=(ended,))


def over(
    candidacy: Candidacy,
    visit_id: UUID,
    version: int,
    state: VisitState,
    cause: str,
    *,
    policy: SelectionPolicy,
    now: datetime,
) -> Step:
    """`visit.recalled`, `visit.aborted`, `visit.completed`: visits has ended it."""
    visit = candidacy.visit
    if visit is None or visit.visit_id != visit_id:
        return ignored(candidacy)
    return _finish(candidacy, visit, state, version, cause, cooling=_ENDS[state], policy=policy, now=now)


def permit_granted(
    candidacy: Candidacy, visit_id: UUID, *, permit_id: UUID, permit: str, policy: SelectionPolicy, now: datetime
) -> Step:
    """The visit permit arrived: hand the visit over (`visit.assigned`), or give the permit back if it is of no use."""
    visit = candidacy.visit
    unusable = (
        visit is None
        or visit.visit_id != visit_id
        or visit.state is not VisitState.AGREED
        or candidacy.blocking(now) is not None
    )
    if visit is None or unusable:
        return Step(candidacy=candidacy, intents=(_release(candidacy.party_id, permit_id, now),))
    if candidacy.feed_suspended or now >= visit.window.start:
        cause = FEED_SUSPENDED if candidacy.feed_suspended else "too_late"
        step = withdraw_visit(candidacy, cause=cause, cooling="withdrawn", policy=policy, now=now)
        return replace(step, intents=(_release(visit.party_id, permit_id, now),))
    assigned = replace(_moved_on(visit, VisitState.ASSIGNED, visit.version + 1, now), permit_id=permit_id)
    event: NewEvent[EventData] = NewEvent(
        type="visit.assigned",
        party_id=visit.party_id,
        aggregate_id=visit.visit_id,
        time=now,
        data=VisitAssigned(
            visit_id=visit.visit_id,
            case_id=visit.case_id,
            party_id=visit.party_id,
            version=assigned.version,
            permit_id=permit_id,
            permit=permit,
            window=visit.window,
            field_day=visit.field_day,
            pair_id=visit.pair_id,
            crew=list(visit.crew),
            device_id=visit.device_id,
            stop_number=visit.stop_number,
            duration_minutes=visit.duration_minutes,
        ),
    )
    return Step(candidacy=replace(candidacy, visit=assigned), events=(event,))


def permit_refused(
    candidacy: Candidacy, visit_id: UUID, rules: tuple[str, ...], *, policy: SelectionPolicy, now: datetime
) -> Step:
    """Compliance said no: the visit is withdrawn with the rules that refused it."""
    visit = candidacy.visit
    if visit is None or visit.visit_id != visit_id or visit.state is not VisitState.AGREED:
        return ignored(candidacy)
    return withdraw_visit(
        candidacy, cause="permit_denied", cooling="permit_denied", rules=rules, policy=policy, now=now
    )


def guard_due(candidacy: Candidacy, visit_id: UUID, *, policy: SelectionPolicy, now: datetime) -> Step:
    """The window opened: whatever is still ours will not happen."""
    visit = _ours(candidacy, visit_id)
    if visit is None:
        return ignored(candidacy)
    return withdraw_visit(candidacy, cause="too_late", cooling="withdrawn", policy=policy, now=now)


def permit_request(visit: PlannedVisit, case_version: int, home: str | None) -> Mapping[str, Any]:
    """What compliance is asked for an agreed visit, as JSON, without `request_id`. `home`: opaque key of the address.

    Fixed when the customer agrees: a repeated request is the same request. The versions name what we knew then; a later
    fact finds the permit and revokes it.
    """
    return {
        "party_id": str(visit.party_id),
        "case_id": str(visit.case_id),
        "subject_id": str(visit.visit_id),
        "channel": "visit",
        "purpose": "collection",
        "jurisdiction": visit.jurisdiction,
        "time_zones": list(visit.time_zones),
        "window": visit.window.model_dump(mode="json"),
        "duration_minutes": visit.duration_minutes,
        "crew": [str(member) for member in visit.crew],
        "device_id": visit.device_id,
        "place_cell": visit.cell,
        **({} if home is None else {"address_key": home}),
        "versions": {"case": case_version, "visit": visit.version},
    }


def _ours(candidacy: Candidacy, visit_id: UUID) -> PlannedVisit | None:
    visit = candidacy.visit
    return visit if visit is not None and visit.visit_id == visit_id and visit.state in OURS else None


def _moved_on(visit: PlannedVisit, state: VisitState, version: int, now: datetime) -> PlannedVisit:
    return replace(visit, state=state, version=max(visit.version, version), changed_at=now)


def _finish(
    candidacy: Candidacy,
    visit: PlannedVisit,
    state: VisitState,
    version: int,
    cause: str,
    *,
    cooling: CoolingCause,
    policy: SelectionPolicy,
    now: datetime,
) -> Step:
    ended = replace(_moved_on(visit, state, version, now), cause=cause)
    changed = cooled(replace(candidacy, visit=None), cooling, policy=policy, now=now)
    return Step(candidacy=changed, finished=(ended,))


def _guard(visit: PlannedVisit) -> NewIntent:
    return NewIntent(
        kind=GUARD_TIMER,
        key=str(visit.visit_id),
        party_id=visit.party_id,
        due_at=visit.window.start,
        clock="business",
        payload={"visit_id": str(visit.visit_id)},
    )


def _release(party_id: UUID, permit_id: UUID, now: datetime) -> NewIntent:
    return NewIntent(
        kind=RELEASE_INTENT,
        key=str(permit_id),
        party_id=party_id,
        due_at=now,
        clock="business",
        payload={"permit_id": str(permit_id), "cause": "visit_not_assigned"},
    )
