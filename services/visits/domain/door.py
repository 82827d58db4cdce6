"""From setting off to the audited record. Beginning a visit needs a permit; ending one, and calling for help, never
does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.visits.domain import intents, traces
from services.visits.domain.appointment import contact_id_of, event, party_stopped
from services.visits.domain.visit import (
    READY,
    TRANSITIONS,
    Alarm,
    AtTheDoor,
    Change,
    PermitUse,
    State,
    Visit,
    VisitRecord,
    WrongVisitState,
)
from shared.events import NewEvent
from shared.events.contact import ContactRecorded
from shared.events.stop import StopCause
from shared.events.visit import Outcome, SosRaised, VisitAborted, VisitCheckedIn, VisitCompleted
from shared.ids import derived_id

# Outcomes at which the customer told us something that stops contact; everyone learns it on the express topic.
_STOPS: Final[dict[Outcome, StopCause]] = {
    "dispute_raised": "dispute",
    "identity_theft_claim": "dispute",
    "represented": "represented",
    "hardship_told": "hardship",
    "vulnerability_signal": "hardship",
    "deceased_reported": "deceased",
    "complaint_made": "complaint",
}
# Who would be counted if the outcome is not known: everybody (permits.md, contact budget).
_UNKNOWN: Final = VisitRecord(
    outcome="met_customer", reason=None, right_party=True, household_contacted=True, debtor_met=True,
    identity_shown=False, recording_complete=False, promise=None,
)  # fmt: skip
_UNSAID: Final = AtTheDoor()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A check-in that passed every test of `domain.check_in`."""

    permit_id: UUID
    crew_present: tuple[UUID, ...]
    distance_m: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallForHelp:
    """An SOS as the device sends it. `raised_at` is business time; `silent` is the quiet duress signal."""

    collector_id: UUID
    silent: bool
    raised_at: datetime


def set_off(visit: Visit) -> Change:
    """The crew is on its way. Raises WrongVisitState unless the visit is assigned (or already on its way)."""
    if visit.state is State.EN_ROUTE:
        return Change(visit=visit)
    if visit.state is not State.ASSIGNED:
        raise WrongVisitState("only an assigned visit can be set off for", state=str(visit.state))
    return Change(visit=visit.to(State.EN_ROUTE))


def check_in(visit: Visit, arrival: Arrival, *, now: datetime, real_now: datetime) -> Change:
    """The crew is at the door with a verified permit, which is used with this very step."""
    inside = visit.to(
        State.CHECKED_IN,
        checked_in_at=now,
        checked_in_real=real_now,
        crew_present=arrival.crew_present,
        distance_m=arrival.distance_m,
        contact_id=contact_id_of(visit.visit_id, "visit"),
    )
    data = VisitCheckedIn(
        **inside.fact(),
        permit_id=arrival.permit_id,
        checked_in_at=now,
        checked_in_real=real_now,
        crew_present=list(arrival.crew_present),
        distance_m=arrival.distance_m,
    )
    use = PermitUse(
        party_id=visit.party_id, permit_id=arrival.permit_id, visit_id=visit.visit_id, used_at=now, used_real=real_now
    )
    told = intents.permit_use(
        party_id=visit.party_id,
        permit_id=arrival.permit_id,
        used_at=now,
        contact_id=contact_id_of(visit.visit_id, "visit"),
        real_now=real_now,
    )
    return Change(
        visit=inside,
        events=(event(inside, "visit.checked_in", data, now=now),),
        intents=(told, traces.arrived(inside, now=now, real_now=real_now), intents.stay_overdue(inside, now=now)),
        permit_use=use,
    )


def check_out(
    visit: Visit, record: VisitRecord, *, left_at: datetime, now: datetime, real_now: datetime,
    said: AtTheDoor = _UNSAID,
) -> Change:  # fmt: skip
    """The visit is over. Accepted in every state: without a check-in the contact is recorded without a permit, for
    the auditor.

    A second check-out changes nothing. `left_at` is business time as the device knows it, taken between check-in and
    now.
    """
    if visit.record is not None:
        return Change(visit=visit)
    ended_at = min(max(left_at, visit.checked_in_at or left_at), now)
    started_at = visit.checked_in_at or ended_at
    if visit.state is State.CHECKED_IN:
        after = State.CUSTOMER_ABSENT if record.outcome == "no_answer" else State.CHECKED_OUT
    else:
        after = State.CHECKED_OUT if visit.state in READY else visit.state
    contact_id = visit.contact_id or contact_id_of(visit.visit_id, "visit")
    over = visit.to(after, checked_out_at=ended_at, record=record, contact_id=contact_id)
    events: list[NewEvent[Any]] = []
    if visit.state in {State.CHECKED_IN, *READY} and visit.permit_id is not None:
        events.append(_completed(over, record, visit.permit_id, started_at, ended_at, now))
    if visit.state is not State.ABORTED_SAFETY or visit.checked_in_at is None:
        # After an SOS at the door the contact was recorded with the alarm.
        began_real = visit.checked_in_real or real_now
        events.append(_contact(over, record, record.outcome, started_at, ended_at, began_real, said=said))
    if record.outcome in _STOPS:
        stop = _STOPS[record.outcome]
        events.append(party_stopped(over, cause=stop, scope="collection", now=now, real_now=real_now))
    return Change(visit=over, events=events)


def raise_sos(visit: Visit, call: CallForHelp, *, now: datetime, real_now: datetime) -> Change:
    """A collector asks for help. Accepted in every state; a visit that is not over ends for safety."""
    over = visit.to(State.ABORTED_SAFETY if State.ABORTED_SAFETY in TRANSITIONS[visit.state] else visit.state)
    raised = SosRaised(**over.fact(), collector_id=call.collector_id, raised_at=call.raised_at, silent=call.silent)
    events: list[NewEvent[Any]] = [event(over, "visit.sos_raised", raised, now=now)]
    if over.state is not visit.state:
        events.append(event(over, "visit.aborted", VisitAborted(**over.fact(), cause="safety"), now=now))
    if visit.state is State.CHECKED_IN and visit.checked_in_at is not None:
        events.append(
            _contact(over, _UNKNOWN, "aborted_safety", visit.checked_in_at, now, visit.checked_in_real or real_now)
        )
    events.append(party_stopped(over, cause="sos", scope="visit_channel", now=now, real_now=real_now))
    return Change(
        visit=over,
        events=events,
        held=visit.held_permit("aborted_safety") if visit.state in READY else None,
        alarm=sos_alarm(visit, call, real_now=real_now),
    )


def sos_alarm(visit: Visit | None, call: CallForHelp, *, real_now: datetime) -> Alarm:
    """The alarm of an SOS, with or without a visit."""
    place = str(visit.visit_id) if visit else "no-visit"
    return Alarm(
        alarm_id=derived_id(
            "alarm", "sos", place, str(call.collector_id), call.raised_at.isoformat(), real_now.isoformat()
        ),
        kind="sos",
        party_id=visit.party_id if visit else None,
        visit_id=visit.visit_id if visit else None,
        collector_id=call.collector_id,
        silent=call.silent,
        raised_at=call.raised_at,
        raised_real=real_now,
    )


def stay_over(visit: Visit, *, now: datetime, real_now: datetime) -> Change:
    """The timer of the stay: a crew that is still at the door is looked for."""
    if visit.state is not State.CHECKED_IN:
        return Change(visit=visit)
    alarm = Alarm(
        alarm_id=derived_id("alarm", "check_out_overdue", str(visit.visit_id)),
        kind="check_out_overdue",
        party_id=visit.party_id,
        visit_id=visit.visit_id,
        collector_id=None,
        silent=False,
        raised_at=now,
        raised_real=real_now,
    )
    return Change(visit=visit, alarm=alarm)


def audited(visit: Visit, *, leaf_index: int) -> Change:
    """Compliance judged the visit's contact and made it a leaf of its log."""
    if visit.leaf_index is not None:
        return Change(visit=visit)
    state = State.RECORDED if visit.state is State.CHECKED_OUT else visit.state
    return Change(visit=visit.to(state, leaf_index=leaf_index))


def _completed(
    visit: Visit, record: VisitRecord, permit_id: UUID, started_at: datetime, ended_at: datetime, now: datetime
) -> NewEvent[Any]:
    data = VisitCompleted(
        **visit.fact(),
        permit_id=permit_id,
        checked_in_at=started_at,
        checked_out_at=ended_at,
        outcome=record.outcome,
        reason=record.reason,
        right_party=record.right_party,
        household_contacted=record.household_contacted,
        debtor_met=record.debtor_met,
        identity_shown=record.identity_shown,
        recording_complete=record.recording_complete,
        promise=record.promise,
        crew_present=list(visit.crew_present or visit.crew),
    )
    return event(visit, "visit.completed", data, now=now)


def _contact(
    visit: Visit, record: VisitRecord, outcome: str, started_at: datetime, ended_at: datetime, started_real: datetime,
    *, said: AtTheDoor = _UNSAID,
) -> NewEvent[Any]:  # fmt: skip
    """The contact as compliance must audit it; `permit_id` only where a permit was used to begin it."""
    contact_id = visit.contact_id or contact_id_of(visit.visit_id, "visit")
    data = ContactRecorded(
        contact_id=contact_id,
        party_id=visit.party_id,
        permit_id=visit.permit_id if visit.checked_in_at is not None else None,
        visit_id=visit.visit_id,
        plan_id=None,
        channel="visit",
        purpose="collection",
        started_at=started_at,
        ended_at=ended_at,
        started_real=started_real,
        outcome=outcome,
        attempt=True,
        contact=record.household_contacted or record.debtor_met or record.right_party,
        conversation=record.right_party,
        household_contacted=record.household_contacted,
        debtor_met=record.debtor_met,
        crew=list(visit.crew_present),
        identity_shown=record.identity_shown,
        recording_complete=record.recording_complete,
        debt_disclosed_to_third=said.debt_disclosed_to_third,
        entered_home=said.entered_home,
        entry_consented=said.entry_consented,
        asked_to_leave=outcome == "asked_to_leave" or said.asked_to_leave,
        left_when_asked=said.left_when_asked,
        address_key=visit.address_key,
        conduct_flags=sorted(set(said.conduct_flags)),
    )
    return event(visit, "contact.recorded", data, now=ended_at, about=contact_id)
