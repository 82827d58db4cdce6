"""Topic `stop`, read first: facts that reduce contact become holds and recalls; parked parties are facts incomplete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from services.compliance import complaint_desk, hold_desk
from services.compliance.domain.holds import HOLD_OF_STOP, HoldKind
from services.compliance.instruments import Instruments
from services.compliance.recalls import COLLECTION, Contacts, Recall, recall
from shared.database import UnitOfWork
from shared.events import Event, Received
from shared.events.base import EventData
from shared.events.stop import PartyParked, PartyStopped, PartyUnparked
from shared.messaging import InboxKey, Outcome, Subscription

TYPES: Final = frozenset({"party.stopped", "party.parked", "party.unparked"})
MONOTONE: Final = frozenset({"party.stopped", "party.parked"})
_INCOMPLETE: Final[HoldKind] = "facts_incomplete"


def subscription(instruments: Instruments) -> Subscription:
    """Stops, at once even for parked parties."""

    async def handle(uow: UnitOfWork, batch: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        return await apply_stops(uow, instruments, batch)

    return Subscription(topic="stop", types=TYPES, handle=handle, monotone_types=MONOTONE)


async def apply_stops(
    uow: UnitOfWork, instruments: Instruments, batch: Sequence[Received[EventData]]
) -> Mapping[InboxKey, Outcome]:
    """Place and end holds in order, and recall permits. The parties are locked."""
    for one in batch:
        with uow.because_of(one.event.id):
            await _apply(uow, instruments, one.event)
    return {}


async def _apply(uow: UnitOfWork, instruments: Instruments, event: Event[EventData]) -> None:
    match event.data:
        case PartyStopped() as stop:
            await _stop(uow, instruments, stop)
        case PartyParked() as parked:
            await hold_desk.place(uow, instruments, [_parking(event, parked, uow)])
        case PartyUnparked() as unparked:
            ends = hold_desk.EndHolds(
                party_id=unparked.party_id,
                kind=_INCOMPLETE,
                source_ref=_source(unparked.service),
                cause="party.unparked",
            )
            await hold_desk.end(uow, instruments, [ends])


async def _stop(uow: UnitOfWork, instruments: Instruments, stop: PartyStopped) -> None:
    """First what is under way is recalled, under the name of the fact.

    Then the hold keeps contact away from then on.
    """
    kind = HOLD_OF_STOP[stop.cause]
    contacts: Contacts | None = COLLECTION if kind is None else instruments.book.blocked_by(kind)
    if stop.cause == "feed_suspended":
        contacts = None  # as FACTS-FRESH refuses: nothing is known that any contact could stand on
    elif stop.scope == "visit_channel" and contacts is not None:
        contacts = frozenset((channel, purpose) for channel, purpose in contacts if channel == "visit")
    await recall(uow, instruments, [_recall(stop, contacts)])
    if stop.cause == "complaint":
        await complaint_desk.receive(uow, instruments, _complaint(stop, uow))
    elif kind is not None:
        hold = hold_desk.NewHold(
            party_id=stop.party_id,
            kind=kind,
            scope=stop.scope,
            valid_from=min(stop.since, uow.now),
            source_ref=stop.reference,
            fact_arrived_real=stop.arrived_at,
        )
        await hold_desk.place(uow, instruments, [hold])


def _recall(stop: PartyStopped, contacts: Contacts | None) -> Recall:
    return Recall(party_id=stop.party_id, cause=stop.cause, fact_arrived_real=stop.arrived_at, contacts=contacts)


def _complaint(stop: PartyStopped, uow: UnitOfWork) -> complaint_desk.NewComplaint:
    """A complaint made at a door: it has an owner and a clock like any other."""
    return complaint_desk.NewComplaint(
        party_id=stop.party_id,
        channel="visit",
        about=frozenset(),
        received_at=min(stop.since, uow.now),
        arrived_real=stop.arrived_at,
        reference=stop.reference,
        by_whom="visits",
    )


def _parking(event: Event[EventData], parked: PartyParked, uow: UnitOfWork) -> hold_desk.NewHold:
    return hold_desk.NewHold(
        party_id=parked.party_id,
        kind=_INCOMPLETE,
        scope="party",
        valid_from=min(event.time, uow.now),
        source_ref=_source(parked.service),
        fact_arrived_real=event.recorded_time,
    )


def _source(service: str) -> str:
    return f"parked:{service}"
