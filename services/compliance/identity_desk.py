"""The desk of who is who: two ids are one person, or two people again.

What was told of either id counts for both while they are one, and what was told meanwhile for ever: nobody can say whom
it was about. Each id keeps its own chain in the log, and a leaf on each names the other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from services.compliance import moratorium_desk, sharing_desk
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.same_persons import pair_key
from services.compliance.instruments import Instruments
from services.compliance.recalls import Recall, recall
from services.compliance.store import same_persons
from services.compliance.store.budget_keys import EVER, Reached, reach
from services.compliance.store.leaves import append_leaves
from shared.database import UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.events.case import CaseIdentity, CasePartyMerged
from shared.ids import event_id

_ALL_CONTACTS: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def follow(uow: UnitOfWork, instruments: Instruments, event: Event[EventData], data: CaseIdentity) -> None:
    """One word about who is who, under the key of either. The party of the key is locked.

    All its permits are revoked: what they were granted on is another person now. Everybody who shares a key with either
    is looked at again later, with both locked.
    """
    is_merged = isinstance(data, CasePartyMerged)
    await same_persons.keep(
        uow, merged_id=data.merged_id, survivor_id=data.survivor_id, version=data.version, is_merged=is_merged,
        told_real=event.recorded_time,
    )  # fmt: skip
    key = f"person:{pair_key(data.merged_id, data.survivor_id)}"
    await reach(uow, [Reached(one, [key], EVER) for one in (data.merged_id, data.survivor_id)])
    await append_leaves(uow, instruments.cipher, [_leaf(uow, event, data, is_merged=is_merged)])
    arrived_real = event.recorded_time
    recalled = Recall(party_id=data.party_id, cause="identity", fact_arrived_real=arrived_real, contacts=None)
    await recall(uow, instruments, [recalled])
    sharing_desk.follow_keys(uow, [key], since=_ALL_CONTACTS, arrived_real=arrived_real)
    await moratorium_desk.follow_people(uow, [data.merged_id, data.survivor_id], arrived_real=arrived_real)


def _leaf(uow: UnitOfWork, event: Event[EventData], data: CaseIdentity, *, is_merged: bool) -> NewLeaf:
    other = data.merged_id if data.party_id == data.survivor_id else data.survivor_id
    return NewLeaf(
        kind="identity",
        leaf_id=event_id(),
        party_id=data.party_id,
        occurred_at=event.time,
        recorded_at=uow.real_now,
        public={
            "said": "merged" if is_merged else "unmerged",
            "survives": data.party_id == data.survivor_id,
            "version": data.version,
        },
        committed={"other": str(other).encode()},
    )
