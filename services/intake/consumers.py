"""Which events intake listens to, and what each means for a book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from uuid import UUID
from weakref import WeakKeyDictionary

from services.intake.domain.timeline import told_types
from services.intake.folding import REDUCING, Folding, keys_bound
from services.intake.following import Following
from services.intake.store.erasing import erase
from services.intake.store.parties import Parties, names_a_person, reserve
from services.intake.strategy_feedback import CONTACT_TYPES, HOLD_TYPES, PLAN_TYPES, VISIT_TYPES
from shared.database import UnitOfWork
from shared.events import Received
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE
from shared.messaging import InboxKey, Outcome, Subscription
from shared.messaging.erasing import with_erasure
from shared.security.party_keys import PartyCipher

_CORE_TYPES = frozenset(name for name, event_type in CATALOGUE.items() if "loan" in event_type.topics)


class CoreFacts:
    """Handler of `loan` and `loan-urgent`. The core's references become our ids before the locks are taken."""

    def __init__(self, folding: Folding) -> None:
        self._folding = folding
        # Between `parties_of` and `handle` of one transaction; gone with it.
        self._resolved: WeakKeyDictionary[UnitOfWork, Parties] = WeakKeyDictionary()

    async def parties_of(self, uow: UnitOfWork, keys: Sequence[str]) -> Mapping[str, UUID]:
        """Party ids of Kafka keys; keys of no possible party are left out."""
        return (await self._reserve(uow, keys)).ids

    async def handle(self, uow: UnitOfWork, batch: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        """Fold the facts of a batch."""
        events = [received.event for received in batch]
        parties = await self._reserve(uow, {event.key for event in events})
        return await self._folding.fold(uow, events, parties)

    async def _reserve(self, uow: UnitOfWork, keys: Iterable[str]) -> Parties:
        known = self._resolved.get(uow) or Parties({}, frozenset())
        missing = [key for key in keys if key not in known.ids and names_a_person(key, uow.tenant)]
        if not missing:
            return known
        found = await reserve(uow, missing)
        known = Parties({**known.ids, **found.ids}, known.fresh | found.fresh)
        self._resolved[uow] = known
        return known


def subscriptions(folding: Folding, following: Following) -> list[Subscription]:
    """Everything intake reads."""
    facts = CoreFacts(folding)
    return [
        *(
            Subscription(
                topic=topic,
                types=_CORE_TYPES,
                handle=facts.handle,
                monotone_types=REDUCING,
                parties_of=facts.parties_of,
                others_named=keys_bound,
            )
            for topic in ("loan", "loan-urgent")
        ),
        Subscription(
            topic="stop",
            types=told_types("stop"),
            handle=following.handle,
            monotone_types=frozenset({"party.parked", "party.stopped"}),
        ),
        Subscription(topic="plan", types=PLAN_TYPES | told_types("plan"), handle=following.handle),
        Subscription(topic="visit", types=VISIT_TYPES | told_types("visit"), handle=following.handle),
        Subscription(topic="contact", types=CONTACT_TYPES | told_types("contact"), handle=following.handle),
        with_erasure(
            Subscription(
                topic="compliance",
                types=HOLD_TYPES | told_types("compliance"),
                handle=following.handle,
            ),
            partial(_erase, folding.cipher),
        ),
    ]


async def _erase(cipher: PartyCipher, uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
    await erase(uow, cipher, party_ids)
