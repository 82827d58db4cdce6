"""Homes of people whom the core described before homes were committed to: learnt once from their own sealed cards.

Each page commits with the intent of the next. Whoever's home becomes known so is announced like any other change of a
case; nobody else can know it until then, and rules that count per home refuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from msgspec.structs import replace

from services.intake.domain import groups
from services.intake.domain.book import Book
from services.intake.domain.conclusion import Circumstances, conclude
from services.intake.domain.trigger import Trigger
from services.intake.folding import OWN_NAMES, Folding
from services.intake.store import books, cards, days, readings
from services.intake.store.readings import Reading
from shared.database import UnitOfWork
from shared.messaging import Answer, Intent, NewIntent, TimerHandler

LEARN_HOMES = "learn_homes"
_READER = "/services/intake"


def learn_homes(uow: UnitOfWork, *, after: UUID | None = None) -> NewIntent:
    """The intent that learns the homes of people whose id lies after `after`. From the beginning it is one for ever."""
    return NewIntent(
        kind=LEARN_HOMES,
        key=str(after or "all"),
        due_at=uow.real_now,
        payload={"after": None if after is None else str(after)},
    )


@dataclass(frozen=True)
class LearnHomes(TimerHandler):
    """Intent handler: one page of people."""

    folding: Folding
    kind: str = LEARN_HOMES
    batch_size: int = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Learn one page per intent, and intend the next."""
        for intent, _ in answered:
            after = intent.payload["after"]
            await self._step(
                uow,
                after=None if after is None else UUID(after),
                trigger=Trigger(LEARN_HOMES, str(intent.id), uow.now, uow.real_now),
            )

    async def _step(self, uow: UnitOfWork, *, after: UUID | None, trigger: Trigger) -> None:
        limit = self.folding.settings.ageing_batch
        people = await cards.people_without_household(uow, after=after, limit=limit)
        await uow.lock_parties(people)
        addresses = {
            party_id: home
            for party_id, card in (await cards.load(uow, self.folding.cipher, people)).items()
            if (home := card.home_address) is not None
        }
        before = await books.load(uow, {party_id: core for party_id, core in people.items() if party_id in addresses})
        closed = await days.closed_dates(uow)
        learnt: dict[UUID, Book] = {}
        for party_id, book in before.items():
            if book.lead is not None:
                continue  # the home of who remains counts
            known = self._with_home(book, addresses[party_id])
            circumstances = Circumstances(self.folding.policy, closed.get(book.core), OWN_NAMES)
            learnt[party_id], events = conclude(book, known, trigger, circumstances)
            for event in events:
                uow.emit(event)
        await books.save(uow, before, learnt)
        await readings.keep(
            uow,
            [Reading(party_id=one, caller=_READER, purpose="household_commitment", what="card") for one in learnt],
        )
        if len(people) == limit:
            uow.intend(learn_homes(uow, after=max(people)))

    def _with_home(self, book: Book, address: str) -> Book:
        profile = book.person.profile
        if profile is None or profile.household is not None:
            return book
        household = cards.household_commitment(self.folding.cipher, address)
        own = groups.member(book, book.party_id) if book.members else book
        if own.person.profile is None:
            return book
        own = replace(own, person=replace(own.person, profile=replace(own.person.profile, household=household)))
        return groups.rejoined(book, own) if book.members else own
