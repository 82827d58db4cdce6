"""What the other services say: who is parked, which arrangements pause a case, which permits stand, what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from msgspec.structs import replace

from services.intake import identifying, timeline_desk, write_backs
from services.intake.domain import groups
from services.intake.domain.book import Book, Person
from services.intake.domain.conclusion import Circumstances, conclude
from services.intake.domain.delinquency import Pause
from services.intake.domain.trigger import Trigger
from services.intake.folding import OWN_NAMES, Folding
from services.intake.store import books, cases, days, permits, strategy
from services.intake.strategy_desk import Deciding
from services.intake.strategy_feedback import facts_of, hold_of
from services.intake.strategy_timers import intend_turns
from shared.database import UnitOfWork
from shared.events import Event, Received
from shared.events.base import EventData
from shared.events.compliance import PermitGranted, PermitReleased, PermitRevoked
from shared.events.plan import PlanBroken, PlanCompleted, PlanImported, PlanSigned
from shared.events.stop import PartyParked, PartyUnparked
from shared.messaging import InboxKey, Outcome
from shared.messaging.subscription import inbox_key


@dataclass(frozen=True)
class Following:
    """Handler of the internal topics. Handlers of different topics commute: each touches its own part of the book."""

    folding: Folding
    deciding: Deciding
    writes_back: bool = False
    """Whether there is a core that takes what is told back."""

    async def handle(self, uow: UnitOfWork, batch: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        """Apply a batch; events without a party of ours are ignored."""
        events = [received.event for received in batch]
        await permits.note(uow, [event.data for event in events if isinstance(event.data, PermitGranted)])
        await permits.void(
            uow, [event.data for event in events if isinstance(event.data, PermitRevoked | PermitReleased)]
        )
        await timeline_desk.hear(uow, events)
        outcomes = await self._change_people(uow, events)
        await self._choose_anew(uow, events)
        if self.writes_back:
            await write_backs.note(uow, events)
        return outcomes

    async def _choose_anew(self, uow: UnitOfWork, events: Sequence[Event[EventData]]) -> None:
        """What the field and the others say counts in the next choice at once, in the same transaction."""
        facts = [fact for event in events for fact in facts_of(event)]
        holds = [hold for event in events if (hold := hold_of(event)) is not None]
        await strategy.add_facts(uow, facts)
        await strategy.set_holds(uow, holds)
        intend_turns(uow, holds, self.deciding.time_zone)
        concerned = {fact.party_id for fact in facts} | {hold.party_id for hold in holds}
        causes = {
            event.party_id: event.id
            for event in events
            if event.party_id is not None and (event.party_id in concerned or isinstance(event.data, _CHANGING))
        }
        leads = await identifying.lock_leads(uow, causes)
        await self.deciding.decide(uow, {leads.get(party_id, party_id): cause for party_id, cause in causes.items()})

    async def _change_people(self, uow: UnitOfWork, events: Sequence[Event[EventData]]) -> dict[InboxKey, Outcome]:
        changes = [event for event in events if isinstance(event.data, _CHANGING) and event.party_id is not None]
        if not changes:
            return {}
        ids = [event.party_id for event in changes if event.party_id is not None]
        # A party may be parked before its case opens: nothing but its person is written then, and needs no core.
        leads = await identifying.lock_leads(uow, ids)
        ids = sorted({leads.get(party_id, party_id) for party_id in ids})
        before = await books.load(uow, dict.fromkeys(ids, "") | await cases.cores(uow, ids))
        closed = await days.closed_dates(uow)
        after = dict(before)
        outcomes: dict[InboxKey, Outcome] = {}
        for event in changes:
            book = None if event.party_id is None else after.get(leads.get(event.party_id, event.party_id))
            changed = None if book is None else self._changed(book, event)
            if book is None or changed is None:
                outcomes[inbox_key(event)] = Outcome.IGNORED
                continue
            trigger = Trigger(event.type, event.id, event.time, event.recorded_time)
            circumstances = Circumstances(self.folding.policy, closed.get(book.core), OWN_NAMES)
            concluded, announced = conclude(book, changed, trigger, circumstances)
            after[book.party_id] = groups.settled(concluded)
            for new_event in announced:
                uow.emit(new_event)
        await books.save(uow, before, after)
        return outcomes

    def _changed(self, book: Book, event: Event[EventData]) -> Book | None:
        """The book after the event; None when it changes nothing. In a group it changes whom it is about."""
        about = event.party_id
        own = groups.member(book, about) if book.members and about is not None else book
        person = _changed(own.person, event, self.folding.settings.local_date(event.time))
        if person is None or person == own.person:
            return None
        changed = replace(own, person=person)
        return groups.rejoined(book, changed) if book.members else changed


_CHANGING = PartyParked | PartyUnparked | PlanSigned | PlanImported | PlanCompleted | PlanBroken


def _changed(person: Person, event: Event[EventData], today: date) -> Person | None:
    match event.data:
        case PartyParked(service=service):
            return replace(person, parked_by=tuple(sorted({*person.parked_by, service})))
        case PartyUnparked(service=service):
            return replace(person, parked_by=tuple(name for name in person.parked_by if name != service))
        case (
            PlanSigned(kind="pause", plan_id=plan_id, instalments=instalments)
            | PlanImported(kind="pause", plan_id=plan_id, instalments=instalments)
        ):
            last = max((instalment.due_date for instalment in instalments), default=today)
            pauses = {*person.pauses, Pause(today, last, str(plan_id))}
            return replace(person, pauses=tuple(sorted(pauses)))
        case PlanCompleted(plan_id=plan_id) | PlanBroken(plan_id=plan_id):
            return replace(person, pauses=_cut(person.pauses, str(plan_id), today))
        case _:
            return None


def _cut(pauses: tuple[Pause, ...], reference: str, today: date) -> tuple[Pause, ...]:
    """The pauses with those of one arrangement ended before `today`."""
    cut = (
        Pause(pause.first, min(pause.last, today), pause.reference) if pause.reference == reference else pause
        for pause in pauses
    )
    return tuple(sorted(pause for pause in cut if pause.first <= pause.last))
