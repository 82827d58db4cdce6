"""What people have consented to, by the core's word: told to compliance, whose rules ask for it, when it is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from shared.database import UnitOfWork
from shared.events import NewEvent
from shared.events.case import PartyConsentsTold
from shared.events.loan import Consent
from shared.security.party_keys import PartyCipher

_FIELD: Final = "person.consents"
_NEW = """
INSERT INTO told_consent AS t (tenant, party_id, commitment)
SELECT $1, n.party_id, n.commitment FROM unnest($2::uuid[], $3::bytea[]) AS n(party_id, commitment)
ON CONFLICT (tenant, party_id) DO UPDATE SET commitment = excluded.commitment
WHERE t.commitment <> excluded.commitment
RETURNING party_id
"""


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
    for (party_id,) in await uow.sql.fetch(_NEW, uow.tenant, ids, marks):
        uow.emit(
            NewEvent(
                type="party.consents_told", party_id=party_id, aggregate_id=party_id, data=events[party_id],
                time=uow.now,
            )
        )  # fmt: skip
