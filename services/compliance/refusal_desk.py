"""The desk of refused check-ins: each a row and a leaf; what they come to together are findings."""

from __future__ import annotations

from collections.abc import Sequence

from services.compliance import finding_desk
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.refused_check_ins import RefusedCheckIn, misconduct
from services.compliance.instruments import Instruments
from services.compliance.store import refused_check_ins as store
from services.compliance.store.leaves import append_leaves
from shared.database import UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.events.visit import VisitCheckInRefused
from shared.ids import event_id


async def record(
    uow: UnitOfWork, instruments: Instruments, told: Sequence[tuple[Event[EventData], VisitCheckInRefused]]
) -> None:
    """Keep what visits refused, and find who tried again and again or with a forged permit. The parties are locked.

    The place and the crew are only committed to.
    """
    if not told:
        return
    leaves = {event.id: _leaf(uow, data) for event, data in told}
    await store.insert(
        uow,
        [_refused(event, data) for event, data in told],
        {name: leaf.leaf_id for name, leaf in leaves.items()},
    )
    await append_leaves(uow, instruments.cipher, list(leaves.values()))
    known = await store.load(uow, {data.party_id for _, data in told})
    await finding_desk.record(uow, instruments, misconduct(known))


def _refused(event: Event[EventData], data: VisitCheckInRefused) -> RefusedCheckIn:
    return RefusedCheckIn(
        event_id=event.id,
        party_id=data.party_id,
        visit_id=data.visit_id,
        device_id=data.device_id,
        reasons=frozenset(data.reasons),
        refused_at=data.refused_at,
        refused_real=data.refused_real,
    )


def _leaf(uow: UnitOfWork, data: VisitCheckInRefused) -> NewLeaf:
    crew = ",".join(sorted(map(str, data.crew_present)))
    return NewLeaf(
        kind="check_in_refused",
        leaf_id=event_id(),
        party_id=data.party_id,
        occurred_at=data.refused_at,
        recorded_at=uow.real_now,
        public={
            "visit_id": str(data.visit_id),
            "device_id": data.device_id,
            "reasons": sorted(data.reasons),
        },
        committed={"cell": data.cell.encode(), "crew": crew.encode()},
    )
