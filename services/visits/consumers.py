"""Event types to domain steps. Each batch is folded per visit in offset order and saved once.

Topics have no common order, so every handler leaves behind what a later event of another topic needs: a revocation
that comes before its assignment, a stop that comes before the proposal it concerns. The permutation test holds them
to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.visits.domain import appointment, door
from services.visits.domain.customer_link import door_code
from services.visits.domain.intents import learn_permit_keys
from services.visits.domain.permit import key_id_of
from services.visits.domain.recall import recall
from services.visits.domain.visit import Change, Visit
from services.visits.store import facts as fact_store
from services.visits.store import visits as visit_store
from services.visits.store.devices import drop_held
from services.visits.store.erasing import erase
from services.visits.store.facts import PartyFact, Revocation
from shared.database import UnitOfWork
from shared.events import Event, Received
from shared.events.case import CaseEnded, CaseOpened
from shared.events.compliance import ContactAudited, HoldPlaced, PermitReleased, PermitRevoked
from shared.events.platform import ServiceHeartbeat
from shared.events.stop import PartyStopped
from shared.events.visit import VisitAssigned, VisitProposed, VisitWithdrawn
from shared.messaging import InboxKey, Outcome, Subscription
from shared.messaging.erasing import with_erasure
from shared.telemetry.metrics import observe

Outcomes = Mapping[InboxKey, Outcome]


class Fold:
    """The visits of a batch's parties, the steps made so far, and the outcome of each event."""

    def __init__(self, uow: UnitOfWork, visits: dict[UUID, Visit]) -> None:
        self.uow = uow
        self.visits = visits
        self.changes: list[Change] = []
        self.ignored: dict[InboxKey, Outcome] = {}

    def step(self, change: Change, *, caused_by: Event[Any]) -> bool:
        """Keep a step; tells whether it brought anything."""
        before = self.visits.get(change.visit.visit_id)
        if change.visit == before and not (change.events or change.intents or change.alarm):
            return False
        self.visits[change.visit.visit_id] = change.visit
        events = tuple(event.caused_by(caused_by.id) for event in change.events)
        self.changes.append(replace(change, events=events))
        return True

    def of_party(self, party_id: UUID | None) -> list[Visit]:
        """The party's visits as they stand now."""
        return [visit for visit in self.visits.values() if visit.party_id == party_id]

    def ignore(self, event: Event[Any]) -> None:
        """Nothing to do for this event, and that is right."""
        self.ignored[InboxKey(event.source, event.id)] = Outcome.IGNORED

    async def save(self) -> Outcomes:
        """Save the steps and measure the recalls among them."""
        await visit_store.save_changes(self.uow, self.changes)
        for change in self.changes:
            if change.recall is not None and change.recall.kind == "recalled":
                took = (change.recall.recalled_at - change.recall.fact_arrived_at).total_seconds()
                observe("doorstep.recall.duration", max(0.0, took), reason=change.recall.cause)
        return self.ignored


def subscriptions(*, link_secret: Callable[[], bytes]) -> list[Subscription]:
    """What visits reads. `link_secret` gives the key of the customers' links once the service has opened it."""

    async def on_visit(uow: UnitOfWork, batch: Sequence[Received[Any]]) -> Outcomes:
        return await handle_visits(uow, batch, link_secret=link_secret())

    return [
        Subscription(
            topic="stop",
            types=frozenset({"party.stopped"}),
            handle=handle_stops,
            monotone_types=frozenset({"party.stopped"}),
        ),
        with_erasure(
            Subscription(
                topic="compliance",
                types=frozenset(
                    {
                        "compliance.permit_revoked",
                        "compliance.permit_released",
                        "compliance.contact_audited",
                        "compliance.hold_placed",
                    }
                ),
                handle=handle_compliance,
                monotone_types=frozenset({"compliance.permit_revoked", "compliance.hold_placed"}),
            ),
            erase,
        ),
        Subscription(
            topic="case",
            types=frozenset({"case.opened", "case.updated", "case.cured", "case.closed"}),
            handle=handle_cases,
            monotone_types=frozenset({"case.cured", "case.closed"}),
        ),
        Subscription(
            topic="visit",
            types=frozenset({"visit.proposed", "visit.assigned", "visit.withdrawn"}),
            handle=on_visit,
        ),
    ]


async def handle_visits(uow: UnitOfWork, batch: Sequence[Received[Any]], *, link_secret: bytes) -> Outcomes:
    """Assignment's side of the saga: proposals, assignments, withdrawals."""
    parties = _parties(batch)
    fold = Fold(uow, await visit_store.load_visits_of(uow, parties))
    facts = await fact_store.load_facts(uow, parties)
    revoked = await fact_store.load_revocations(uow, parties)
    for received in batch:
        event = received.event
        visit = fold.visits.get(event.data.visit_id)
        if isinstance(event.data, VisitProposed):
            applied = visit is None and _propose(fold, received, facts[event.data.party_id])
        elif visit is None:
            applied = False
        elif isinstance(event.data, VisitAssigned):
            applied = _assign(fold, visit, event, revoked.get(event.data.permit_id), link_secret)
        else:
            assert isinstance(event.data, VisitWithdrawn)
            applied = fold.step(appointment.withdraw(visit, cause=event.data.cause), caused_by=event)
        if not applied:
            fold.ignore(event)
    await _ask_for_unknown_keys(fold, batch)
    return await fold.save()


async def handle_stops(uow: UnitOfWork, batch: Sequence[Received[Any]]) -> Outcomes:
    """Express facts: every visit of the party is recalled, or its crew told to end; proposals still under way are
    met too.
    """
    parties = _parties(batch)
    fold = Fold(uow, await visit_store.load_visits_of(uow, parties))
    facts = await fact_store.load_facts(uow, parties)
    for received in batch:
        stop = received.event.data
        assert isinstance(stop, PartyStopped)
        _stop(fold, facts, stop.party_id, stop.cause, stop.arrived_at, caused_by=received.event)
    await fact_store.save_facts(uow, list(facts.values()))
    return await fold.save()


async def handle_compliance(uow: UnitOfWork, batch: Sequence[Received[Any]]) -> Outcomes:
    """Revoked permits recall their visit, a hold every visit that it keeps away; what is given back is held no more;
    an audited contact completes its record.
    """
    parties = _parties(batch)
    fold = Fold(uow, await visit_store.load_visits_of(uow, parties))
    facts = await fact_store.load_facts(uow, parties)
    revocations: list[Revocation] = []
    released: list[tuple[UUID, UUID]] = []
    for received in batch:
        data = received.event.data
        if isinstance(data, PermitRevoked):
            revocations.append(
                Revocation(
                    party_id=data.party_id,
                    permit_id=data.permit_id,
                    cause=data.cause,
                    fact_arrived_at=data.fact_arrived_at,
                    revoked_at=data.revoked_at,
                )
            )
            visit = fold.visits.get(data.subject_id)
            # A revoked offer permit concerns a message that is already sent; the visit itself is judged by its own
            # permit.
            if visit is not None and visit.permit_id == data.permit_id:
                _recall(fold, visit, data.cause, data.fact_arrived_at, caused_by=received.event)
        elif isinstance(data, PermitReleased):
            released.append((data.party_id, data.permit_id))
        elif isinstance(data, HoldPlaced):
            if _keeps_away(data, uow.now):
                arrived_at = data.fact_arrived_at or received.event.recorded_time
                _stop(fold, facts, data.party_id, data.kind, arrived_at, caused_by=received.event)
            else:
                fold.ignore(received.event)
        else:
            assert isinstance(data, ContactAudited)
            found = [v for v in fold.of_party(data.party_id) if v.contact_id == data.contact_id]
            for visit in found:
                fold.step(door.audited(visit, leaf_index=data.leaf_index), caused_by=received.event)
            if not found:
                fold.ignore(received.event)
    await fact_store.save_revocations(uow, revocations)
    await drop_held(uow, released)
    if any(isinstance(received.event.data, HoldPlaced) for received in batch):
        await fact_store.save_facts(uow, list(facts.values()))
    return await fold.save()


async def handle_cases(uow: UnitOfWork, batch: Sequence[Received[Any]]) -> Outcomes:
    """A case's zones and language for the offer; a cure recalls every visit that was planned on an older version."""
    parties = _parties(batch)
    fold = Fold(uow, await visit_store.load_visits_of(uow, parties))
    facts = await fact_store.load_facts(uow, parties)
    for received in batch:
        data, known = received.event.data, facts[received.event.data.party_id]
        if isinstance(data, CaseOpened):
            if known.case_version is None or known.case_version <= data.version:
                facts[data.party_id] = replace(
                    known, case_version=data.version, time_zones=tuple(data.time_zones), language=data.language
                )
            continue
        assert isinstance(data, CaseEnded)
        arrived_at = received.event.recorded_time
        if known.cured_version is None or known.cured_version < data.version:
            facts[data.party_id] = replace(known, cured_version=data.version, cured_at=arrived_at)
        for visit in fold.of_party(data.party_id):
            if visit.case_version <= data.version:
                _recall(fold, visit, "cured", arrived_at, caused_by=received.event)
    await fact_store.save_facts(uow, list(facts.values()))
    return await fold.save()


async def keep_watermarks(uow: UnitOfWork, heartbeats: Sequence[Event[Any]]) -> None:
    """How old each feed's facts are; compliance's decides whether a check-in may begin."""
    await fact_store.save_heartbeats(
        uow, (event.data for event in heartbeats if isinstance(event.data, ServiceHeartbeat))
    )


def _stop(
    fold: Fold, facts: dict[UUID, PartyFact], party_id: UUID, cause: str, arrived_at: datetime, *, caused_by: Event[Any]
) -> None:
    """Every visit of the party meets the fact; it is kept for proposals that come later and were made before it."""
    known = facts[party_id]
    if known.stop_arrived_at is None or known.stop_arrived_at < arrived_at:
        facts[party_id] = replace(known, stop_cause=cause, stop_arrived_at=arrived_at)
    for visit in fold.of_party(party_id):
        _recall(fold, visit, cause, arrived_at, caused_by=caused_by)


def _keeps_away(hold: HoldPlaced, now: datetime) -> bool:
    """Whether it stops every visit from now on. One on a single loan does: a visit is about all that the person owes.

    One on a number or a channel other than visits does not.
    """
    on_visits = hold.channels is None or "visit" in hold.channels
    stands = hold.valid_from <= now and (hold.valid_to is None or hold.valid_to > now)
    return on_visits and stands and hold.scope in ("party", "collection", "visit_channel", "loan")


def _recall(fold: Fold, visit: Visit, cause: str, arrived_at: datetime, *, caused_by: Event[Any]) -> None:
    uow = fold.uow
    change = recall(visit, cause=cause, fact_arrived_at=arrived_at, now=uow.now, real_now=uow.real_now)
    fold.step(change, caused_by=caused_by)


def _propose(fold: Fold, received: Received[VisitProposed], known: PartyFact) -> bool:
    uow, event = fold.uow, received.event
    change = appointment.propose(event, tenant=uow.tenant, partition=received.partition, now=uow.now)
    fold.step(change, caused_by=event)
    overtaken = _overtaken_by(change.visit, known)
    if overtaken is not None:
        cause, arrived_at = overtaken
        _recall(fold, change.visit, cause, arrived_at, caused_by=event)
    return True


def _overtaken_by(visit: Visit, known: PartyFact) -> tuple[str, datetime] | None:
    """The fact that reached us before this proposal but that assignment had not seen when it planned."""
    if known.cured_version is not None and known.cured_version >= visit.case_version:
        return "cured", known.cured_at or visit.proposed_real
    if known.stop_arrived_at is not None and known.stop_arrived_at >= visit.proposed_real:
        return known.stop_cause or "stopped", known.stop_arrived_at
    return None


def _assign(
    fold: Fold, visit: Visit, event: Event[VisitAssigned], revoked: Revocation | None, link_secret: bytes
) -> bool:
    uow = fold.uow
    code = door_code(visit.visit_id, secret=link_secret)
    applied = fold.step(appointment.assign(visit, event, door_code=code, real_now=uow.real_now), caused_by=event)
    assigned = fold.visits[visit.visit_id]
    if revoked is not None and assigned.permit_id == revoked.permit_id:
        _recall(fold, assigned, revoked.cause, revoked.fact_arrived_at, caused_by=event)
    return applied


async def _ask_for_unknown_keys(fold: Fold, batch: Sequence[Received[Any]]) -> None:
    """A permit signed with a key that we do not hold: learn it long before anybody stands at a door."""
    signed_with = {
        key_id_of(received.event.data.permit) for received in batch if isinstance(received.event.data, VisitAssigned)
    } - {None}
    if signed_with:
        known = {key.get("kid") for key in await fact_store.load_permit_keys(fold.uow)}
        for kid in sorted(str(kid) for kid in signed_with - known):
            fold.uow.intend(learn_permit_keys(reason=kid, due_at=fold.uow.real_now))


def _parties(batch: Iterable[Received[Any]]) -> list[UUID]:
    return sorted({received.event.data.party_id for received in batch})
