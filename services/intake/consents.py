"""What people have consented to, by the core's word: told to compliance, whose rules ask for it, when it is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from services.intake.store import consents as store
from shared.database import UnitOfWork
from shared.events import NewEvent
from shared.events.case import PartyConsentsTold
from shared.events.loan import Consent
from shared.security.party_keys import PartyCipher

_FIELD: Final = "person.consents"


async def follow(uow: UnitOfWork, cipher: PartyCipher, told: Mapping[UUID, Sequence[Consent]]) -> None:
    """Tell of the consents that were not told so before. The parties are locked."""
    if not told:
        return
    ids = sorted(told)
    events = {
        party_id: PartyConsentsTold(party_id=party_id, consents=sorted(told[party_id], key=lambda one: one.kind))
        for party_id in ids
    }
    marks = [cipher.blind_index(_FIELD, events[party_id].model_dump_json()) for party_id in ids]
    for party_id in await store.keep(uow, dict(zip(ids, marks, strict=True))):
        uow.emit(
            NewEvent(
                type="party.consents_told", party_id=party_id, aggregate_id=party_id, data=events[party_id],
                time=uow.now,
            )
        )  # fmt: skip
