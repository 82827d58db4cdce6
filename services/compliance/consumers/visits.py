"""Topics `visit` and `plan`: versions seen; visits that began use their permit, those that never will give it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from services.compliance import appointment_desk, hold_desk, refusal_desk
from services.compliance.domain.permits import Permit, PermitReleased
from services.compliance.instruments import Instruments
from services.compliance.permit_life import count_again, release_permits, use_permit
from services.compliance.store.case_facts import see_versions
from services.compliance.store.holds import find_hold
from services.compliance.store.permits import load_granted_for, load_permits
from shared.database import UnitOfWork
from shared.events import Event, Received
from shared.events.base import EventData
from shared.events.plan import PlanBroken, PlanCompleted, PlanFact, PlanSigned
from shared.events.visit import (
    VisitAborted,
    VisitCheckedIn,
    VisitCheckInRefused,
    VisitFact,
    VisitRecalled,
    VisitWithdrawn,
)
from shared.messaging import InboxKey, Outcome, Subscription

VISIT_TYPES: Final = frozenset(
    {
        "visit.proposed", "visit.offered", "visit.agreed", "visit.declined", "visit.moved", "visit.assigned",
        "visit.withdrawn", "visit.checked_in", "visit.completed", "visit.recalled", "visit.aborted", "visit.sos_raised",
        "visit.check_in_refused",
    }
)  # fmt: skip
PLAN_TYPES: Final = frozenset(
    {
        "plan.proposed", "plan.refused", "plan.signed", "plan.imported", "plan.payment_matched", "plan.completed",
        "plan.broken", "plan.instalment_missed", "plan.follow_up", "plan.restored", "plan.review_due",
    }
)  # fmt: skip
# Causes with which visits, the owner of the device, says that nobody came to the door.
_NOBODY_CAME: Final = frozenset({"permit_expired", "collector_absent"})


def visit_subscription(instruments: Instruments) -> Subscription:
    """Visits."""

    async def handle(uow: UnitOfWork, batch: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        return await follow_visits(uow, instruments, batch)

    return Subscription(topic="visit", types=VISIT_TYPES, handle=handle)


def plan_subscription(instruments: Instruments) -> Subscription:
    """Plans."""

    async def handle(uow: UnitOfWork, batch: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        return await follow_plans(uow, instruments, batch)

    return Subscription(topic="plan", types=PLAN_TYPES, handle=handle)


async def follow_visits(
    uow: UnitOfWork, instruments: Instruments, batch: Sequence[Received[EventData]]
) -> Mapping[InboxKey, Outcome]:
    """Remember versions and agreed times; a check-in uses its permit; a visit that never reached the door releases its
    unused ones."""
    facts = [(one.event, one.event.data) for one in batch if isinstance(one.event.data, VisitFact)]
    await see_versions(uow, [(data.party_id, "visit", data.visit_id, data.version) for _, data in facts])
    await appointment_desk.follow(uow, instruments, [data for _, data in facts])
    permits = await load_permits(
        uow, instruments.cipher, {data.permit_id for _, data in facts if isinstance(data, VisitCheckedIn)}
    )
    refused = [(event, data) for event, data in facts if isinstance(data, VisitCheckInRefused)]
    await refusal_desk.record(uow, instruments, refused)
    outcomes: dict[InboxKey, Outcome] = {}
    over: dict[UUID, str] = {}
    for event, data in facts:
        if isinstance(data, VisitCheckedIn):
            if not await _check_in(uow, instruments, data, permits.get(data.permit_id)):
                outcomes[InboxKey(event.source, event.id)] = Outcome.IGNORED
        elif (cause := _never_came(event, data)) is not None:
            over[data.visit_id] = cause
    for permit in await load_granted_for(uow, instruments.cipher, over) if over else []:
        await release_permits(uow, instruments, [permit], cause=over[permit.subject_id])
    return outcomes


async def follow_plans(
    uow: UnitOfWork, instruments: Instruments, batch: Sequence[Received[EventData]]
) -> Mapping[InboxKey, Outcome]:
    """Remember versions; a signed plan holds, a broken or completed one no longer."""
    facts = [(one.event, one.event.data) for one in batch if isinstance(one.event.data, PlanFact)]
    await see_versions(uow, [(data.party_id, "plan", data.plan_id, data.version) for _, data in facts])
    for event, data in facts:
        if isinstance(data, PlanSigned):
            if await find_hold(uow, data.hold_id) is None:  # placed before the signing; if not, it is placed now
                await hold_desk.place(uow, instruments, [_plan_hold(event, data, uow)])
        elif isinstance(data, PlanBroken | PlanCompleted):
            ends = hold_desk.EndHolds(
                party_id=data.party_id, kind="plan_active", source_ref=str(data.plan_id), cause=event.type
            )
            await hold_desk.end(uow, instruments, [ends])
    return {}


async def _check_in(uow: UnitOfWork, instruments: Instruments, data: VisitCheckedIn, permit: Permit | None) -> bool:
    if permit is None or permit.party_id != data.party_id:
        return False
    try:
        await use_permit(uow, instruments, permit, contact_id=None, used_at=data.checked_in_at)
    except PermitReleased:
        await count_again(uow, instruments, permit, contact_id=None, used_at=data.checked_in_at)
    # What was wrong, the audit of the contact names.
    return True


def _never_came(event: Event[EventData], data: VisitFact) -> str | None:
    if isinstance(data, VisitRecalled | VisitWithdrawn):
        return event.type
    if isinstance(data, VisitAborted) and data.cause in _NOBODY_CAME:
        return data.cause
    return None


def _plan_hold(event: Event[EventData], data: PlanSigned, uow: UnitOfWork) -> hold_desk.NewHold:
    return hold_desk.NewHold(
        party_id=data.party_id,
        kind="plan_active",
        scope="collection",
        valid_from=min(data.signed_at, uow.now),
        source_ref=str(data.plan_id),
        fact_arrived_real=event.recorded_time,
    )
