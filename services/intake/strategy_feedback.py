"""What other services say, as facts of a case's history: steps that were taken, and what came of them."""

from __future__ import annotations

from typing import Final

from services.intake.store.strategy import NewFact, NewHold
from services.intake.strategy.history import FactKind
from shared.events import Event
from shared.events.base import EventData
from shared.events.compliance import HoldEnded, HoldPlaced
from shared.events.contact import ContactRecorded
from shared.events.plan import PlanBroken, PlanCompleted, PlanImported, PlanProposed, PlanSigned
from shared.events.stop import PartyStopped
from shared.events.visit import VisitCompleted, VisitDeclined

CONTACT_TYPES: Final = frozenset({"contact.recorded"})
VISIT_TYPES: Final = frozenset({"visit.completed", "visit.declined"})
PLAN_TYPES: Final = frozenset({"plan.proposed", "plan.signed", "plan.imported", "plan.completed", "plan.broken"})
HOLD_TYPES: Final = frozenset({"compliance.hold_placed", "compliance.hold_ended"})
# Appointments, services of a plan and what the customer asked for are no steps of collection.
_STEP_PURPOSES: Final = frozenset({"collection", "statutory_notice"})


def facts_of(event: Event[EventData]) -> list[NewFact]:
    """What an event adds to the history; most add one fact or none."""
    if event.party_id is None:
        return []
    party_id, origin = event.party_id, event.type.split(".")[0]

    def fact(kind: FactKind, reference: object, *codes: str | None) -> NewFact:
        told = tuple(code for code in codes if code is not None)
        return NewFact(party_id, kind, str(reference), event.time, told, origin)

    match event.data:
        case ContactRecorded() as contact:
            kind = _step_of(contact)
            return [] if kind is None else [fact(kind, contact.contact_id)]
        case VisitCompleted() as visit:
            # Who paid at the door is waited for like who promised: the money is on its way through the core.
            promised = visit.promise is not None or visit.outcome in ("promise_made", "paid_digitally")
            promise = [fact("promise", visit.visit_id)] if promised else []
            return [fact("visit", visit.visit_id, visit.outcome, visit.reason), *promise]
        case VisitDeclined(visit_id=visit_id, cause=cause):
            return [fact("visit_declined", visit_id, cause)]
        case PlanProposed(plan_id=plan_id):
            return [fact("offer_help", plan_id)]
        # What runs on from another system is an agreement that stands, like one that was signed with us.
        case PlanSigned(plan_id=plan_id) | PlanImported(plan_id=plan_id):
            return [fact("plan_signed", plan_id)]
        case PlanCompleted(plan_id=plan_id):
            return [fact("plan_completed", plan_id)]
        case PlanBroken(plan_id=plan_id):
            return [fact("plan_broken", plan_id)]
        case PartyStopped(cause="complaint", reference=reference):
            return [fact("complaint", reference)]
    return []


def hold_of(event: Event[EventData]) -> NewHold | None:
    """The hold of an event as it stands after it. An end that lies ahead is the hold's last day, as of a moratorium."""
    data = event.data
    if not isinstance(data, HoldPlaced) or event.party_id is None:
        return None
    ends = data.valid_to
    if isinstance(data, HoldEnded) and (ends is None or ends <= event.time):
        ends = event.time
    channels = None if data.channels is None else tuple(data.channels)
    return NewHold(event.party_id, data.hold_id, data.kind, channels, data.valid_from, ends)


def _step_of(contact: ContactRecorded) -> FactKind | None:
    """The softer step that a contact was. A visit is told by visits; a call that reached nobody is an attempt."""
    if contact.purpose not in _STEP_PURPOSES:
        return None
    match contact.channel:
        case "sms" | "email":
            return "remind"
        case "letter":
            return "letter"
        case "call":
            return "call" if contact.contact else "call_attempt"
    return None
