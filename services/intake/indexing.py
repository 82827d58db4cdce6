"""Blind indexes of people whom the core described before an index existed: learnt once from their own sealed cards.

Each page commits with the intent of the next. Whoever is described meanwhile is indexed with the card itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.intake.store import cards, readings
from services.intake.store.readings import Reading
from shared.database import UnitOfWork
from shared.messaging import Answer, Intent, NewIntent, TimerHandler
from shared.security.party_keys import PartyCipher

LEARN_INDEXES = "learn_indexes"
# Another one with each new kind of index: people are walked through once for each.
_INDEXES = "further_mobiles"
_READER = "/services/intake"


def learn_indexes(uow: UnitOfWork, *, after: UUID | None = None) -> NewIntent:
    """The intent that indexes people whose id lies after `after`. From the beginning it is one for ever."""
    return NewIntent(
        kind=LEARN_INDEXES,
        key=f"{_INDEXES}|{after or 'all'}",
        due_at=uow.real_now,
        payload={"after": None if after is None else str(after)},
    )


@dataclass(frozen=True)
class LearnIndexes(TimerHandler):
    """Intent handler: one page of people."""

    cipher: PartyCipher
    page: int
    kind: str = LEARN_INDEXES
    batch_size: int = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Index one page per intent, and intend the next."""
        for intent, _ in answered:
            after = intent.payload["after"]
            people = await cards.people(uow, after=None if after is None else UUID(after), limit=self.page)
            # Locked before the cards are read: a newer card has newer indexes.
            await uow.lock_parties(people)
            known = await cards.load(uow, self.cipher, people)
            await cards.index(uow, self.cipher, known)
            await readings.keep(
                uow, [Reading(party_id=one, caller=_READER, purpose="blind_index", what="card") for one in known]
            )
            if len(people) == self.page:
                uow.intend(learn_indexes(uow, after=people[-1]))
