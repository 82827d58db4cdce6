"""From the proposal to the assigned visit: the offer, the customer's answer, the assignment, and the ends of
waiting.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.visits.domain import intents
from services.visits.domain.visit import (
    PLANNED_BY_ASSIGNMENT,
    READY,
    Change,
    Message,
    State,
    Visit,
    WrongVisitState,
)
from shared.events import Event, NewEvent
from shared.events.base import EventData, TimeWindow
from shared.events.contact import ContactRecorded
from shared.events.stop import PartyStopped, StopCause
from shared.events.visit import (
    VisitAborted,
    VisitAgreed,
    VisitAssigned,
    VisitDeclined,
    VisitMoved,
    VisitOffered,
    VisitProposed,
)
from shared.ids import derived_id
from shared.messaging import NewIntent

# Time that assignment needs between the answer and the visit.
ASSIGNMENT_LEAD: Final = timedelta(minutes=60)


def event(visit: Visit, name: str, data: EventData, *, now: datetime, about: UUID | None = None) -> NewEvent[Any]:
    """An event that happened at `now`, about `visit` or what else `about` names."""
    return NewEvent(
        type=name,
        party_id=visit.party_id,
        aggregate_id=about or visit.visit_id,
        data=data,
        time=now,
        correlation_id=visit.correlation_id,
    )


def contact_id_of(visit_id: UUID, channel: str) -> UUID:
    """The id of the visit's one contact on `channel`: derived, so that a repetition is the same contact."""
    return derived_id("contact", "visits", str(visit_id), channel)


def party_stopped(visit: Visit, *, cause: StopCause, scope: str, now: datetime, real_now: datetime) -> NewEvent[Any]:
    """The express fact that contact with the party must stop, learnt from this visit."""
    data = PartyStopped.model_validate(
        {
            "party_id": visit.party_id,
            "cause": cause,
            "scope": scope,
            "since": now,
            "arrived_at": real_now,
            "reference": str(visit.visit_id),
        }
    )
    return event(visit, "party.stopped", data, now=now, about=visit.party_id)


def propose(proposal: Event[VisitProposed], *, tenant: str, partition: int, now: datetime) -> Change:
    """A new visit that waits for the permit to offer it; one whose window has begun is given up at once."""
    data = proposal.data
    left = data.window.start - now
    visit = Visit(
        tenant=tenant,
        party_id=data.party_id,
        visit_id=data.visit_id,
        case_id=data.case_id,
        state=State.PROPOSED,
        version=data.version,
        partition=partition,
        field_day=data.field_day,
        window_start=data.window.start,
        window_end=data.window.end,
        duration_minutes=data.duration_minutes,
        pair_id=data.pair_id,
        crew=tuple(sorted(set(data.crew))),
        device_id=data.device_id,
        cell=data.cell,
        address_key=data.address_key,
        jurisdiction=data.jurisdiction,
        case_version=data.case_version,
        answer_by=max(data.window.start - ASSIGNMENT_LEAD, now + left / 2),
        proposed_real=proposal.recorded_time,
        correlation_id=proposal.correlation_id,
    )
    if left <= timedelta(0):
        return decline(visit, cause="expired", now=now)
    return Change(visit=visit, intents=(intents.offer_permit(visit, attempt=1, start=now), intents.answer_due(visit)))


def offer(visit: Visit, *, permit_id: UUID, now: datetime, real_now: datetime) -> Change:
    """The permit for the offer is granted: hand the message over and record the contact."""
    if visit.state is not State.PROPOSED:
        return Change(visit=visit, intents=(_release(visit, permit_id, f"visit_{visit.state}", real_now),))
    offered = visit.to(State.OFFERED, offer_permit_id=permit_id, offered_at=now)
    contact_id = contact_id_of(visit.visit_id, "sms")
    contact = ContactRecorded(
        contact_id=contact_id, party_id=visit.party_id, permit_id=permit_id, visit_id=visit.visit_id, plan_id=None,
        channel="sms", purpose="appointment_admin", started_at=now, ended_at=now, started_real=real_now,
        outcome="handed_to_gateway", attempt=True, contact=True, conversation=False, household_contacted=False,
        debtor_met=False, identity_shown=None, recording_complete=None, debt_disclosed_to_third=False,
    )  # fmt: skip
    sent = VisitOffered(
        **offered.fact(), permit_id=permit_id, channel="sms", window=offered.window, answer_by=offered.answer_by
    )
    return Change(
        visit=offered,
        events=(
            event(offered, "visit.offered", sent, now=now),
            NewEvent(type="contact.recorded", party_id=visit.party_id, aggregate_id=contact_id, data=contact, time=now),
        ),
        intents=(
            intents.permit_use(
                party_id=visit.party_id, permit_id=permit_id, used_at=now, contact_id=contact_id, real_now=real_now
            ),
        ),
        message=_message(offered, now=now, real_now=real_now),
    )


def refuse_offer(visit: Visit, *, attempt: int, earliest_lawful: datetime | None, now: datetime) -> Change:
    """No permit for the offer: try again at the earliest lawful moment while an answer could still come in time."""
    if visit.state is not State.PROPOSED:
        return Change(visit=visit)
    again = max(earliest_lawful, now) if earliest_lawful is not None else None
    if again is not None and attempt < intents.MAX_OFFER_ATTEMPTS and again < visit.answer_by:
        return Change(visit=visit, intents=(intents.offer_permit(visit, attempt=attempt + 1, start=again),))
    return decline(visit, cause="offer_refused", now=now)


def answer_in_time(visit: Visit, *, now: datetime) -> bool:
    """Whether an answer still counts."""
    return now <= visit.answer_by


def agree(visit: Visit, *, now: datetime) -> Change:
    """The customer said yes. Raises WrongVisitState when there is no open offer, or the answer comes too late."""
    _require_open_offer(visit, now=now)
    agreed = visit.to(State.AGREED, answered_at=now)
    data = VisitAgreed(**agreed.fact(), window=agreed.window, answered_at=now)
    return Change(
        visit=agreed,
        events=(event(agreed, "visit.agreed", data, now=now),),
        intents=(intents.window_ended(agreed),),
    )


def move(visit: Visit, *, wished: TimeWindow, now: datetime) -> Change:
    """The customer asks for another window; assignment proposes anew. Raises WrongVisitState."""
    _require_open_offer(visit, now=now)
    moved = visit.to(State.RESCHEDULED, answered_at=now, end_cause="moved")
    return Change(
        visit=moved, events=(event(moved, "visit.moved", VisitMoved(**moved.fact(), wished=wished), now=now),)
    )


def decline(visit: Visit, *, cause: str, now: datetime) -> Change:
    """There will be no visit: the customer said no, did not answer, or may not be asked."""
    declined = visit.to(State.DECLINED, end_cause=cause)
    data = VisitDeclined.model_validate({**declined.fact(), "cause": cause})
    return Change(visit=declined, events=(event(declined, "visit.declined", data, now=now),))


def assign(visit: Visit, assigned: Event[VisitAssigned], *, door_code: str, real_now: datetime) -> Change:
    """The visit permit is granted: from here on only visits changes the visit.

    When the visit ended meanwhile (two services, no common order), the permit's reservation goes back to the budget.
    """
    data = assigned.data
    if visit.state in READY and visit.permit_id == data.permit_id:
        return Change(visit=visit)
    if visit.state is not State.AGREED:
        return Change(visit=visit, intents=(_release(visit, data.permit_id, f"visit_{visit.state}", real_now),))
    ready = visit.to(
        State.ASSIGNED,
        permit_id=data.permit_id,
        permit=data.permit,
        window_start=data.window.start,
        window_end=data.window.end,
        field_day=data.field_day,
        pair_id=data.pair_id,
        crew=tuple(sorted(set(data.crew))),
        device_id=data.device_id,
        stop_number=data.stop_number,
        duration_minutes=data.duration_minutes,
        door_code=door_code,
    )
    return Change(visit=ready, intents=(intents.window_ended(ready), intents.learn_crew(ready.crew, real_now=real_now)))


def withdraw(visit: Visit, *, cause: str) -> Change:
    """Assignment gave the visit up while it was its own."""
    if visit.state not in PLANNED_BY_ASSIGNMENT:
        return Change(visit=visit)
    return Change(visit=visit.to(State.WITHDRAWN, end_cause=cause))


def answer_overdue(visit: Visit, *, now: datetime) -> Change:
    """The timer of the answer: an offer without answer (or never permitted) ends."""
    if visit.state not in {State.PROPOSED, State.OFFERED} or now < visit.answer_by:
        return Change(visit=visit)
    return decline(visit, cause="expired", now=now)


def window_over(visit: Visit, *, now: datetime) -> Change:
    """The timer of the window: a visit that nobody began ends; its permit goes back when its device has told all."""
    if visit.state not in {State.AGREED, *READY} or now < visit.window_end:
        return Change(visit=visit)
    expired = visit.to(State.EXPIRED, end_cause="permit_expired")
    data = VisitAborted(**expired.fact(), cause="permit_expired")
    aborted = event(expired, "visit.aborted", data, now=now)
    return Change(visit=expired, events=(aborted,), held=visit.held_permit("window_ended"))


def _require_open_offer(visit: Visit, *, now: datetime) -> None:
    if visit.state is not State.OFFERED:
        raise WrongVisitState("there is no open offer", state=str(visit.state))
    if not answer_in_time(visit, now=now):
        raise WrongVisitState("the time to answer is over", state=str(visit.state))


def _release(visit: Visit, permit_id: UUID, cause: str, real_now: datetime) -> NewIntent:
    return intents.permit_release(party_id=visit.party_id, permit_id=permit_id, cause=cause, real_now=real_now)


def _message(visit: Visit, *, now: datetime, real_now: datetime) -> Message:
    return Message(
        message_id=derived_id("message", "offer", str(visit.visit_id)),
        party_id=visit.party_id,
        visit_id=visit.visit_id,
        handed_at=now,
        handed_real=real_now,
    )
