"""The intents of visits: what is to be asked of others, and the timers that end every waiting."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.visits.domain.visit import Visit
from shared.messaging import NewIntent

OFFER_PERMIT: Final = "offer_permit"
PERMIT_USE: Final = "permit_use"
PERMIT_RELEASE: Final = "permit_release"
ANSWER_DUE: Final = "answer_due"
WINDOW_ENDED: Final = "window_ended"
STAY_OVERDUE: Final = "stay_overdue"
LEARN_PERMIT_KEYS: Final = "learn_permit_keys"
LEARN_CREW: Final = "learn_crew"

MAX_OFFER_ATTEMPTS: Final = 3
# The hand-over to the carrier counts (permits.md); it follows the grant at once, so a short window is enough and seldom
# runs into the end of the lawful hours.
OFFER_WINDOW: Final = timedelta(minutes=15)
OVERSTAY: Final = timedelta(minutes=15)


def offer_permit(visit: Visit, *, attempt: int, start: datetime) -> NewIntent:
    """Ask compliance whether the offer may be sent from `start` (business time). Each attempt is an intent of its
    own.
    """
    return NewIntent(
        kind=OFFER_PERMIT,
        key=f"{visit.visit_id}:{attempt}",
        party_id=visit.party_id,
        due_at=start,
        clock="business",
        payload={
            "visit_id": str(visit.visit_id),
            "attempt": attempt,
            "start": start.isoformat(),
            "end": (start + OFFER_WINDOW).isoformat(),
        },
    )


def permit_use(
    *, party_id: UUID, permit_id: UUID, used_at: datetime, contact_id: UUID, real_now: datetime
) -> NewIntent:
    """Tell compliance that a permit was used; the use itself is already committed here."""
    return NewIntent(
        kind=PERMIT_USE,
        key=str(permit_id),
        party_id=party_id,
        due_at=real_now,
        payload={"permit_id": str(permit_id), "used_at": used_at.isoformat(), "contact_id": str(contact_id)},
    )


def permit_release(*, party_id: UUID, permit_id: UUID, cause: str, real_now: datetime) -> NewIntent:
    """Give an unused permit's reservation back to the contact budget."""
    return NewIntent(
        kind=PERMIT_RELEASE,
        key=str(permit_id),
        party_id=party_id,
        due_at=real_now,
        payload={"permit_id": str(permit_id), "cause": cause},
    )


def answer_due(visit: Visit) -> NewIntent:
    """Ends the waiting for the customer's answer."""
    return _timer(ANSWER_DUE, visit, visit.answer_by)


def window_ended(visit: Visit) -> NewIntent:
    """Ends a visit that nobody began. The window may change with the assignment, so its end is part of the key."""
    return _timer(WINDOW_ENDED, visit, visit.window_end)


def stay_overdue(visit: Visit, *, now: datetime) -> NewIntent:
    """Raises an alarm when a crew at the door does not check out in time."""
    return _timer(STAY_OVERDUE, visit, now + timedelta(minutes=visit.duration_minutes) + OVERSTAY)


def learn_permit_keys(*, reason: str, due_at: datetime) -> NewIntent:
    """Fetch compliance's public permit keys into our own database. `reason` is a key id, or the hour of a regular
    look.
    """
    return NewIntent(kind=LEARN_PERMIT_KEYS, key=reason, due_at=due_at)


def learn_crew(crew: tuple[UUID, ...], *, real_now: datetime) -> NewIntent:
    """Fetch what a customer may see of the collectors at the door (name, photo)."""
    members = sorted(str(member) for member in crew)
    day = real_now.date().isoformat()  # a changed photo is learnt with the next day's first visit
    return NewIntent(
        kind=LEARN_CREW, key=f"{day}:{','.join(members)}", due_at=real_now, payload={"collectors": members}
    )


def _timer(kind: str, visit: Visit, due_at: datetime) -> NewIntent:
    return NewIntent(
        kind=kind,
        key=f"{visit.visit_id}:{due_at.isoformat()}",
        party_id=visit.party_id,
        due_at=due_at,
        clock="business",
        payload={"visit_id": str(visit.visit_id)},
    )
