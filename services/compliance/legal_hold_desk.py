"""The desk of legal holds: placed on one word, lifted on two; each step is a leaf."""

from __future__ import annotations

from uuid import UUID

from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.legal_holds import LegalHold, legal_hold_name, lift, placed_again, unkeyed_legal_hold_id
from services.compliance.instruments import Instruments
from services.compliance.store import legal_holds as store
from services.compliance.store.leaves import append_leaves
from shared.database import UnitOfWork
from shared.ids import digest_id, event_id


async def place(
    uow: UnitOfWork, instruments: Instruments, party_id: UUID, *, matter: str, custodian: str, by_whom: str, reason: str
) -> store.KeptLegalHold:
    """Keep everything about the person for the matter; placed again, it is one hold. The party is locked."""
    legal_hold_id = digest_id(instruments.cipher.blind_index("legal_hold", legal_hold_name(party_id, matter)))
    known = await store.find(uow, instruments.cipher, legal_hold_id) or await store.find(
        uow, instruments.cipher, unkeyed_legal_hold_id(party_id, matter)
    )
    if known is None:
        hold = LegalHold(
            legal_hold_id=legal_hold_id, party_id=party_id, matter=matter, custodian=custodian, by_whom=by_whom,
            reason=reason,
        )  # fmt: skip
        return await _keep(uow, instruments, hold)
    hold = placed_again(known.hold, by_whom=by_whom, custodian=custodian, reason=reason)
    return known if hold is known.hold else await _keep(uow, instruments, hold)


async def take_lift(
    uow: UnitOfWork, instruments: Instruments, known: store.KeptLegalHold, *, by_whom: str, reason: str
) -> store.KeptLegalHold:
    """A person's word that the hold may go; the second person's lifts it. The party is locked.

    Raises LegalHoldLifted, SecondPersonLifts.
    """
    return await _keep(uow, instruments, lift(known.hold, by_whom=by_whom, reason=reason))


async def _keep(uow: UnitOfWork, instruments: Instruments, hold: LegalHold) -> store.KeptLegalHold:
    await store.append(uow, instruments.cipher, hold)
    said = {"matter": hold.matter, "custodian": hold.custodian, "by_whom": hold.by_whom, "reason": hold.reason or ""}
    leaf = NewLeaf(
        kind="legal_hold",
        leaf_id=event_id(),
        party_id=hold.party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={"legal_hold_id": str(hold.legal_hold_id), "version": hold.version, "step": hold.step},
        committed={name: text.encode() for name, text in said.items()},
    )
    await append_leaves(uow, instruments.cipher, [leaf])
    return store.KeptLegalHold(hold, uow.now, uow.real_now)
