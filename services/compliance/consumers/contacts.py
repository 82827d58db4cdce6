"""Topic `contact`: every contact is judged, becomes a leaf, and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from services.compliance import contact_desk
from services.compliance.instruments import Instruments
from shared.database import UnitOfWork
from shared.events import Received
from shared.events.base import EventData
from shared.events.contact import ContactRecorded
from shared.messaging import InboxKey, Outcome, Subscription

TYPES: Final = frozenset({"contact.recorded"})


def subscription(instruments: Instruments) -> Subscription:
    """Contacts."""

    async def handle(uow: UnitOfWork, batch: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        return await audit_contacts(uow, instruments, batch)

    return Subscription(topic="contact", types=TYPES, handle=handle)


async def audit_contacts(
    uow: UnitOfWork, instruments: Instruments, batch: Sequence[Received[EventData]]
) -> Mapping[InboxKey, Outcome]:
    """Audit each contact; one told twice, or reported to compliance itself and audited then, is ignored.

    Parties are locked.
    """
    told = [
        contact_desk.Told(
            contact=one.event.data,
            told_by=one.event.source,
            event_id=one.event.id,
            arrived_real=one.event.recorded_time,
        )
        for one in batch
        if isinstance(one.event.data, ContactRecorded)
    ]
    judged = await contact_desk.audit(uow, instruments, told)
    outcomes: dict[InboxKey, Outcome] = {}
    for one in told:
        if one.contact.contact_id in judged:
            judged.discard(one.contact.contact_id)  # a second telling in the same batch is ignored
        else:
            outcomes[InboxKey(one.told_by, str(one.event_id))] = Outcome.IGNORED
    return outcomes
