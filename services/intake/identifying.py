"""Who is who, as the core says it: two references become one person, and two again.

A merge is a saga. The first step is one transaction under the locks of everybody concerned: both are stopped on the
express topic, the alias is kept, the survivor's case is concluded anew over the books of both and suspended
(`merging`), the other case ends, and both keys are told. The second, an intent, releases the case. A process killed
between them leaves a suspended case and an intent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from services.intake.domain.book import Book
from services.intake.domain.conclusion import Circumstances, conclude
from services.intake.domain.groups import Alias
from services.intake.domain.identity import Word, regrouped
from services.intake.domain.merge import Names
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.domain.position import Position
from services.intake.domain.trigger import Trigger
from services.intake.settings import IntakeSettings
from services.intake.store import books, days
from services.intake.store import groups as store
from services.intake.store.parties import key_of, reserve
from services.intake.strategy_desk import choose_later
from shared.database import UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.events.loan import IdentityFact, PartyMerged
from shared.ids import entity_id_beside
from shared.messaging import Answer, InboxKey, Intent, NewIntent, Outcome, TimerHandler

SETTLE_IDENTITY: Final = "settle_identity"
SETTLING: Final = timedelta(seconds=5)
"""What was on its way under the old key when the merge was told has come by then; what comes later finds the alias."""


async def lock_leads(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Who stands for those of the locked `party_ids` that are somebody else, locked as well.

    Read again under the lock, for only who holds it knows that the lead is still the lead.
    """
    ids = sorted(set(party_ids))
    if not ids:
        return {}
    leads = await store.leads(uow, ids)
    while missing := set(leads.values()) - uow.locked:
        await uow.lock_parties(missing)
        leads = await store.leads(uow, ids)
    return leads


async def follow(
    uow: UnitOfWork, policy: DelinquencyPolicy, event: Event[EventData], closed: Mapping[str, date]
) -> dict[InboxKey, Outcome]:
    """One statement of the core about who is who. An older or repeated one changes nothing."""
    fact = event.data
    if not isinstance(fact, IdentityFact):
        raise LookupError(f"{event.type} says nothing about who is who")
    keys = [key_of(uow.tenant, fact.core, reference) for reference in (fact.merged_ref, fact.party_ref)]
    ids = (await reserve(uow, keys)).ids
    merged_id, into = ids[keys[0]], ids[keys[1]]
    known = await _locked_component(uow, {merged_id, into})
    said = Alias(
        party_id=merged_id, into=into, is_merged=isinstance(fact, PartyMerged), lead=merged_id, other=into,
        position=Position(fact.business_date, fact.core_sequence),
    )  # fmt: skip
    if merged_id in known and known[merged_id].rank >= said.rank:
        return {InboxKey(event.source, event.id): Outcome.IGNORED}
    trigger = Trigger(event.type, event.id, event.time, event.recorded_time)
    word = Word(core=fact.core, business_date=fact.business_date, trigger=trigger)
    await _regroup(uow, known, said, word, Circumstances(policy, closed.get(fact.core), Names(entity_id_beside)))
    return {}


async def _locked_component(uow: UnitOfWork, party_ids: set[UUID]) -> dict[UUID, Alias]:
    """All aliases among the groups of these parties, with everybody in them locked."""
    while True:
        found = {one.party_id: one for one in await store.component(uow, party_ids)}
        wanted = party_ids | {party_id for one in found.values() for party_id in (one.party_id, one.into, one.lead)}
        if wanted <= uow.locked:
            return found
        await uow.lock_parties(wanted)


async def _regroup(
    uow: UnitOfWork, known: Mapping[UUID, Alias], said: Alias, word: Word, circumstances: Circumstances
) -> None:
    everybody = {party_id for one in (*known.values(), said) for party_id in (one.party_id, one.into)}
    told = await books.load_own(uow, dict.fromkeys(everybody, word.core))
    after = regrouped(told, known, said, word, circumstances)
    await store.save(uow, after.aliases)
    for event in after.events:
        uow.emit(event)
    await books.save(uow, told, after.books)
    for alias in after.moved:
        uow.intend(_settle(uow, alias, core=word.core))


def _settle(uow: UnitOfWork, alias: Alias, *, core: str) -> NewIntent:
    """The intent that releases both sides of a change."""
    return NewIntent(
        kind=SETTLE_IDENTITY,
        key=f"{uow.tenant}|{alias.party_id}|{alias.version}",
        due_at=uow.real_now + SETTLING,
        payload={"party_id": str(alias.party_id), "version": alias.version, "core": core},
        party_id=alias.party_id,
    )


@dataclass(frozen=True)
class SettleIdentity(TimerHandler):
    """Intent handler: the second step of a merge or unmerge. A later word about the same person has its own."""

    settings: IntakeSettings
    kind: str = SETTLE_IDENTITY
    batch_size: int = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Release the cases that nothing else suspends."""
        for intent, _ in answered:
            party_id = UUID(intent.payload["party_id"])
            known = await _locked_component(uow, {party_id})
            alias = known.get(party_id)
            if alias is None or alias.version != intent.payload["version"] or alias.settled:
                continue
            await store.save(uow, [replace(alias, settled=True)])
            await self._release(uow, intent, alias)

    async def _release(self, uow: UnitOfWork, intent: Intent, alias: Alias) -> None:
        sides = {alias.lead, alias.other}
        await uow.lock_parties(sides - uow.locked)
        before = await books.load(uow, dict.fromkeys(sides, intent.payload["core"]))
        closed = await days.closed_dates(uow)
        trigger = Trigger(SETTLE_IDENTITY, str(intent.id), uow.now, uow.real_now, silent=True)
        after: dict[UUID, Book] = {}
        for party_id, book in before.items():
            if book.lead is None and book.case is not None:
                circumstances = Circumstances(self.settings.policy(), closed.get(book.core), Names(entity_id_beside))
                after[party_id], events = conclude(book, replace(book), trigger, circumstances)
                for event in events:
                    uow.emit(event)
        await books.save(uow, before, after)
        choose_later(uow, sorted(after), seconds=self.settings.choose_after_seconds)
