"""Recalls: a later fact finds the permits it forbids and revokes them, under the same party lock that granted them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.compliance import announcements
from services.compliance.domain.canonical import format_time
from services.compliance.domain.holds import COLLECTING
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.packs import ALL_CHANNELS
from services.compliance.domain.permits import Permit, PermitState, revoke
from services.compliance.instruments import Instruments
from services.compliance.store import permits as store
from services.compliance.store.leaves import append_leaves
from shared.database import UnitOfWork
from shared.events.contact import Channel, Purpose
from shared.ids import event_id

Contacts = frozenset[tuple[Channel, Purpose]]
COLLECTION: Final[Contacts] = frozenset((channel, purpose) for channel in ALL_CHANNELS for purpose in COLLECTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """A fact that forbids contacts with a party from now on. `contacts` None: all but those for safety."""

    party_id: UUID
    cause: str
    fact_arrived_real: datetime
    contacts: Contacts | None = COLLECTION
    permit_ids: frozenset[UUID] | None = None
    """Only these permits, whatever their channel and purpose; None: all that `contacts` names."""
    citation: str | None = None
    """Of the rule that is the cause, where a rule is."""

    def forbids(self, permit: Permit) -> bool:
        """Whether the permit may not be used any more."""
        if self.permit_ids is not None:
            return permit.permit_id in self.permit_ids
        if self.contacts is None:
            return permit.purpose != "safety"
        return (permit.channel, permit.purpose) in self.contacts


async def recall(uow: UnitOfWork, instruments: Instruments, recalls: Sequence[Recall]) -> list[Permit]:
    """Revoke what the facts forbid; the first fact that forbids a permit is its cause. The parties are locked."""
    if not recalls:
        return []
    revoked: list[Permit] = []
    citations: dict[UUID, str | None] = {}
    for permit in await store.load_active(uow, {one.party_id for one in recalls}):
        cause = next((one for one in recalls if one.party_id == permit.party_id and one.forbids(permit)), None)
        if cause is not None and permit.recallable(now=uow.now):
            # Never before the fact: clocks of two hosts may differ by more than the event took.
            real_now = max(uow.real_now, cause.fact_arrived_real)
            citations[permit.permit_id] = cause.citation
            revoked.append(
                revoke(permit, cause=cause.cause, fact_arrived_real=cause.fact_arrived_real, real_now=real_now)
            )
    await store.update_permits(uow, revoked)
    await store.insert_revocations(uow, revoked)
    await append_leaves(
        uow, instruments.cipher, [_leaf(permit, uow, citations[permit.permit_id]) for permit in revoked]
    )
    for permit in revoked:
        uow.emit(announcements.revoked(permit, uow.now, citation=citations[permit.permit_id]))
    return revoked


def _leaf(permit: Permit, uow: UnitOfWork, citation: str | None) -> NewLeaf:
    arrived = permit.fact_arrived_real or uow.real_now
    return NewLeaf(
        kind="revocation",
        leaf_id=event_id(),
        party_id=permit.party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={
            "permit_id": str(permit.permit_id),
            "cause": permit.revoke_cause,
            **({} if citation is None else {"citation": citation}),
            "used": permit.state is PermitState.USED,
            "fact_arrived_at": format_time(arrived),
        },
    )
