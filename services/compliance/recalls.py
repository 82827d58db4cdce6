"""Recalls: a later fact finds the permits it forbids and revokes them, under the same party lock that granted them."""

from __future__ import annotations

from collections.abc import Sequence

from services.compliance import announcements
from services.compliance.domain.canonical import format_time
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.permits import Permit, PermitState
from services.compliance.domain.recalls import COLLECTION, Contacts, Recall, revoked_by
from services.compliance.instruments import Instruments
from services.compliance.store import permits as store
from services.compliance.store.leaves import append_leaves
from shared.database import UnitOfWork
from shared.ids import event_id

__all__ = ["COLLECTION", "Contacts", "Recall", "recall"]


async def recall(uow: UnitOfWork, instruments: Instruments, recalls: Sequence[Recall]) -> list[Permit]:
    """Revoke what the facts forbid; the first fact that forbids a permit is its cause. The parties are locked."""
    if not recalls:
        return []
    active = await store.load_active(uow, instruments.cipher, {one.party_id for one in recalls})
    caused = revoked_by(recalls, active, now=uow.now, real_now=uow.real_now)
    revoked = [permit for permit, _ in caused]
    await store.update_permits(uow, revoked)
    await store.insert_revocations(uow, revoked)
    await append_leaves(uow, instruments.cipher, [_leaf(permit, uow, cause.citation) for permit, cause in caused])
    for permit, cause in caused:
        uow.emit(announcements.revoked(permit, uow.now, citation=cause.citation))
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
