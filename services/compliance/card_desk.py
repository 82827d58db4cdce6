"""The desk of readings of contact data: each a row and a leaf; one that no permit allowed is a finding."""

from __future__ import annotations

from collections.abc import Sequence

from services.compliance import finding_desk
from services.compliance.domain.card_readings import CardReading, judge
from services.compliance.domain.leaves import NewLeaf
from services.compliance.instruments import Instruments
from services.compliance.store import card_readings as store
from services.compliance.store.leaves import append_leaves
from services.compliance.store.permits import load_permits
from shared.database import UnitOfWork
from shared.events.case import PartyCardRead
from shared.ids import event_id


async def record(uow: UnitOfWork, instruments: Instruments, told: Sequence[PartyCardRead]) -> None:
    """Keep the readings, prove them, and find those without a permit. The parties are locked."""
    if not told:
        return
    read = [CardReading(**{**one.model_dump(), "fields": tuple(one.fields)}) for one in told]
    named = {one.permit_id for one in read if one.permit_id is not None}
    permits = await load_permits(uow, instruments.cipher, named) if named else {}
    found = {
        one.reading_id: version
        for one in read
        if (version := judge(one, None if one.permit_id is None else permits.get(one.permit_id))) is not None
    }
    refused = {one.reading_id for one in read if one.what == "refused"}
    leaves = [_leaf(one, uow) for one in read]
    await store.insert(uow, read, [leaf.leaf_id for leaf in leaves], unpermitted=found.keys() | refused)
    await append_leaves(uow, instruments.cipher, leaves)
    await finding_desk.record(uow, instruments, list(found.values()))


def _leaf(reading: CardReading, uow: UnitOfWork) -> NewLeaf:
    """Who read is only committed to: readers are people of ours."""
    return NewLeaf(
        kind="card_reading",
        leaf_id=event_id(),
        party_id=reading.party_id,
        occurred_at=reading.read_at,
        recorded_at=uow.real_now,
        public={
            "reading_id": str(reading.reading_id),
            "what": reading.what,
            "purpose": reading.purpose,
            "fields": list(reading.fields),
            "channel": reading.channel,
            "named_permit": None if reading.permit_id is None else str(reading.permit_id),
            "refused_for": reading.refused_for,
        },
        committed={"reader": f"{reading.reader}@{reading.client}".encode()},
    )
