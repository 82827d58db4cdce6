"""Outstanding permits judged again: what is learnt late, or a new rule, revokes what would no longer be granted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.compliance import third_person_desk
from services.compliance.domain.budget_keys import joined
from services.compliance.domain.permits import Permit
from services.compliance.domain.reconsidering import outstanding, refused_now
from services.compliance.instruments import Instruments
from services.compliance.recalls import Recall, recall
from services.compliance.store.facts import load_facts
from services.compliance.store.permits import load_active, load_permits
from shared.database import UnitOfWork


async def reconsider(
    uow: UnitOfWork, instruments: Instruments, party_ids: Iterable[UUID], *, arrived_real: datetime | None = None
) -> list[Permit]:
    """Revoke the parties' permits that would no longer be granted; returns them. The parties are locked.

    A permit whose window is over is left alone. `arrived_real`: real time at which the new fact reached us (None: now).
    """
    active = await load_active(uow, instruments.cipher, party_ids)
    judged = [permit for permit in active if outstanding(permit, now=uow.now)]
    if not judged:
        return []
    of_party: dict[UUID, list[Permit]] = {permit.party_id: [] for permit in judged}
    for permit in active:
        if permit.party_id in of_party:
            of_party[permit.party_id].append(permit)
    named = {party_id: joined(*(permit.keys for permit in permits)) for party_id, permits in of_party.items()}
    facts = await load_facts(uow, instruments.cipher, of_party, named=named)
    inquiries = await third_person_desk.reconsidered(uow, active, facts)
    shared = {one.permit_id for known in facts.values() for one in known.shared if one.permit_id is not None}
    others = await load_permits(uow, instruments.cipher, shared)
    refused = {
        permit.permit_id: ruling
        for party_id, permits in of_party.items()
        for permit, ruling in refused_now(
            permits,
            facts[party_id],
            instruments.book,
            now=uow.now,
            real_now=uow.real_now,
            third_persons={one: known.third_person for one, known in inquiries.items()},
            others=others.values(),
        )
    }
    recalls = [
        Recall(
            party_id=permit.party_id,
            cause=refused[permit.permit_id].rule.id,
            citation=refused[permit.permit_id].rule.citation,
            fact_arrived_real=arrived_real or uow.real_now,
            permit_ids=frozenset({permit.permit_id}),
        )
        for permit in judged
        if permit.permit_id in refused
    ]
    return await recall(uow, instruments, recalls)
