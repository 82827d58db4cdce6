"""People who were erased: nothing is decided or kept about them any more; what is told of them is only counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from services.compliance.store import told_of_erased
from services.compliance.store.leaves import load_erased
from shared.database import UnitOfWork
from shared.events import Received
from shared.events.base import EventData
from shared.messaging import InboxKey, Outcome, Subscription
from shared.security.party_keys import PartyCipher
from shared.telemetry.metrics import count
from shared.web.problems import PartyErased

__all__ = ["PartyErased", "pass_over", "refuse_erased", "unless_erased"]


async def refuse_erased(uow: UnitOfWork, cipher: PartyCipher, party_ids: Sequence[UUID]) -> None:
    """Raises PartyErased."""
    erased = await load_erased(uow, cipher, party_ids)
    if erased:
        positions = [position for position, party_id in enumerate(party_ids) if party_id in erased]
        raise PartyErased("ask again without these items", positions=positions)


async def pass_over(uow: UnitOfWork, told_by: Sequence[str]) -> None:
    """Count records about erased people, one name of a teller for each; nothing else of them is kept."""
    for name in told_by:
        count("doorstep.records.erased", owner=name)
    await told_of_erased.count(uow, Counter(told_by))


def unless_erased(subscription: Subscription, cipher: PartyCipher) -> Subscription:
    """The subscription without the events about people who were erased: they are ignored, and counted."""

    async def handle(uow: UnitOfWork, batch: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        named = {one.event.party_id for one in batch if one.event.party_id is not None}
        erased = await load_erased(uow, cipher, named) if named else set()
        kept = [one for one in batch if one.event.party_id not in erased]
        passed = [one.event for one in batch if one.event.party_id in erased]
        await pass_over(uow, [event.source for event in passed])
        outcomes = await subscription.handle(uow, kept) if kept else {}
        return {**outcomes, **{InboxKey(event.source, event.id): Outcome.IGNORED for event in passed}}

    return replace(subscription, handle=handle)
