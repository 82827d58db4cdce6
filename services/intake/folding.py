"""One batch of the core's facts, whichever way it came: load the books, fold each party's facts in order, save once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.intake import consents, identifying, minors
from services.intake.cores_word import CoresWords
from services.intake.domain.book import Book
from services.intake.domain.calendar import check_business_date, latest_possible_date
from services.intake.domain.conclusion import Circumstances, fold
from services.intake.domain.merge import Names, binds_others
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.domain.trigger import Trigger
from services.intake.settings import IntakeSettings
from services.intake.store import books, cards, days, loan_facts
from services.intake.store.parties import Parties, key_of, reserve
from services.intake.strategy_desk import choose_later
from shared.database import UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.events.loan import (
    BusinessDayClosed,
    Consent,
    CreditPosted,
    IdentityFact,
    LoanFact,
    LoanOverdue,
    ObligorChanged,
    PartyUpdated,
    PaymentReceived,
    PaymentReversed,
    RecoveryReceived,
)
from shared.ids import entity_id_beside
from shared.messaging import InboxKey, NewIntent, Outcome
from shared.messaging.failures import RecordRefusedError
from shared.security.party_keys import PartyCipher

DAY_CLOSE = "day_close"
# Facts that can only reduce contact take effect even while the party is parked.
REDUCING = frozenset(
    {
        "loan.payment_received", "loan.credit_posted", "loan.hold_started", "loan.closed", "loan.written_off",
        "loan.transferred", "party.deceased",
    }
)  # fmt: skip
# Tuples are asked once per event: a union would be made anew each time.
_DATED = (LoanFact, BusinessDayClosed, IdentityFact)
_MONEY = (PaymentReceived, PaymentReversed, CreditPosted, RecoveryReceived)
_BINDING = (LoanOverdue, ObligorChanged)


class FoldRefusedError(RecordRefusedError):
    """A fact that fits the schema but cannot be true here. `pointer` names the field, `kind` is a closed code."""

    def __init__(self, pointer: str, kind: str) -> None:
        super().__init__(f"{pointer}: {kind}", detail=f"{pointer}: {kind}")
        self.pointer = pointer
        self.kind = kind


@dataclass(frozen=True)
class Folding:
    """Folds facts into books. Shared by the consumer and the HTTP route, so that both mean the same."""

    settings: IntakeSettings
    policy: DelinquencyPolicy
    cipher: PartyCipher

    async def fold(
        self, uow: UnitOfWork, events: Sequence[Event[EventData]], parties: Parties
    ) -> dict[InboxKey, Outcome]:
        """Fold `events` (in order; the parties in `parties` are locked); returns the outcomes other than applied.

        Raises FutureBusinessDateError and FoldRefusedError: the caller refuses the one record and repeats the others.
        """
        closed = await days.closed_dates(uow)
        facts: list[tuple[Event[EventData], UUID, str]] = []
        identities: list[Event[EventData]] = []
        today = self.settings.local_date(uow.now)
        for event in events:
            self.check(event.data, tenant=uow.tenant, closed=closed, today=today)
            if isinstance(event.data, BusinessDayClosed):
                await self._close_day(uow, event.data, closed)
            elif isinstance(event.data, IdentityFact):
                identities.append(event)
            else:
                facts.append((event, parties.ids[event.key], core_of(event.data)))
        outcomes = await self._fold(uow, facts, parties, closed, today) if facts else {}
        for event in identities:
            # After the facts, which do not care: each is in the book of its own reference either way.
            outcomes |= await identifying.follow(uow, self.policy, event, closed)
        return outcomes

    async def _fold(
        self, uow: UnitOfWork, facts: Sequence[tuple[Event[EventData], UUID, str]], parties: Parties,
        closed: Mapping[str, date], today: date,
    ) -> dict[InboxKey, Outcome]:  # fmt: skip
        bound = await _everyone_bound(uow, facts, parties)
        leads = await identifying.lock_leads(uow, {party_id for _, party_id, _ in facts} - parties.fresh)
        before = await self._load(uow, facts, parties.fresh, leads)
        after = dict(before)
        outcomes: dict[InboxKey, Outcome] = {}
        people: dict[UUID, PartyUpdated] = {}
        born: dict[UUID, minors.Birth] = {}
        consented: dict[UUID, list[Consent]] = {}
        told: list[loan_facts.Told] = []
        words = CoresWords()
        circumstances = {
            core: Circumstances(
                self.policy, closed.get(core), Names(entity_id_beside, bound.get(core, {}), self._household_commitment)
            )
            for core in {core for _, _, core in facts}
        }
        for event, party_id, core in facts:
            lead, trigger = leads.get(party_id, party_id), _trigger(event)
            book = after[lead]
            folded = fold(book, event.data, trigger, circumstances[core], told_of=party_id)
            after[lead], said = folded.book, folded.events
            if isinstance(event.data, LoanFact):
                after[lead], more = await words.hear(uow, book, folded.book, event.data, trigger, circumstances[core])
                said = [*said, *more] if more else said
            told.append(loan_facts.Told(event, party_id, folded.outcome))
            for announced in said:
                uow.emit(announced)
            if folded.outcome is not Outcome.APPLIED:
                outcomes[InboxKey(event.source, event.id)] = folded.outcome
            elif isinstance(event.data, PartyUpdated):
                people[party_id] = event.data
                if event.data.consents:
                    consented[party_id] = event.data.consents
                if event.data.born_on is not None:
                    # A later word without a birthday does not say that there is none.
                    born[party_id] = minors.Birth(event.data.born_on, event.data.jurisdiction)
        await books.save(uow, before, after)
        await cards.save(uow, self.cipher, people)
        await minors.follow(uow, born, today)
        await consents.follow(uow, self.cipher, consented)
        await words.save(uow)
        await loan_facts.keep(uow, told)
        changed = [party_id for party_id, book in after.items() if book is not before[party_id]]
        choose_later(uow, changed, seconds=self.settings.choose_after_seconds)
        return outcomes

    def _household_commitment(self, address: str) -> str:
        return cards.household_commitment(self.cipher, address)

    def check(self, fact: EventData, *, tenant: str, closed: Mapping[str, date], today: date) -> None:
        """Refuse what cannot be true; `today`: the tenant's date. Raises FutureBusinessDateError, FoldRefusedError."""
        if getattr(fact, "tenant", None) != tenant:
            raise FoldRefusedError("/data/tenant", "foreign_tenant")
        if isinstance(fact, LoanOverdue):
            for name in ("creditor", "servicer"):
                if "\x00" in getattr(fact, name):
                    raise FoldRefusedError(f"/data/{name}", "nul_character")
        if isinstance(fact, IdentityFact):
            if fact.merged_core not in (None, fact.core):
                raise FoldRefusedError("/data/merged_core", "another_core")
            if fact.merged_ref == fact.party_ref:
                raise FoldRefusedError("/data/merged_ref", "same_reference")
        if isinstance(fact, _DATED):
            latest = latest_possible_date(closed.get(fact.core), today, days_ahead=self.settings.days_ahead)
            check_business_date(fact.business_date, latest)

    async def _load(
        self, uow: UnitOfWork, facts: Sequence[tuple[Event[EventData], UUID, str]], fresh: frozenset[UUID],
        leads: Mapping[UUID, UUID],
    ) -> dict[UUID, Book]:  # fmt: skip
        cores = {leads.get(party_id, party_id): core for _, party_id, core in facts}
        transactions = [
            (leads.get(party_id, party_id), event.data.transaction_ref)
            for event, party_id, _ in facts
            if party_id not in fresh and isinstance(event.data, _MONEY)
        ]
        known = {party_id: core for party_id, core in cores.items() if party_id not in fresh}
        loaded = await books.load(uow, known, transactions=transactions)
        return loaded | {party_id: books.blank(party_id, cores[party_id]) for party_id in cores if party_id in fresh}

    async def _close_day(self, uow: UnitOfWork, fact: BusinessDayClosed, closed: dict[str, date]) -> None:
        """Remember the close and have the open cases aged, once per core and date."""
        known = closed.get(fact.core)
        if known is not None and known >= fact.business_date:
            return
        closed[fact.core] = fact.business_date
        await days.close(uow, fact)
        uow.intend(day_close_intent(uow, core=fact.core, closed_on=fact.business_date))


async def _everyone_bound(
    uow: UnitOfWork, facts: Sequence[tuple[Event[EventData], UUID, str]], parties: Parties
) -> dict[str, dict[str, UUID]]:
    """Our ids of everyone bound by the loans that bind several, by core and the core's reference.

    Somebody of whom the core has told us nothing yet gets the id that they will have.
    """
    wanted = {
        key_of(uow.tenant, core, party_ref): (core, party_ref)
        for event, _, core in facts
        for party_ref in _bound_by(event.data)
    }
    # A replay of a parked record; whoever reads a batch has resolved them with its own parties.
    missing = [key for key in wanted if key not in parties.ids]
    ids = {**parties.ids, **((await reserve(uow, missing)).ids if missing else {})}
    found: dict[str, dict[str, UUID]] = {}
    for key, (core, party_ref) in wanted.items():
        found.setdefault(core, {})[party_ref] = ids[key]
    return found


def _bound_by(fact: EventData) -> list[str]:
    """The core's references of everyone bound by the loan, where somebody else than the party of the case is."""
    if not isinstance(fact, _BINDING) or not binds_others(fact.obligors, fact.party_ref):
        return []
    return [one.party_ref for one in fact.obligors]


def keys_bound(event: Event[EventData]) -> list[str]:
    """The keys of everyone whom the fact names beside its own party."""
    if isinstance(event.data, IdentityFact):
        return [key_of(event.tenant, event.data.core, one) for one in (event.data.party_ref, event.data.merged_ref)]
    return [key_of(event.tenant, core_of(event.data), party_ref) for party_ref in _bound_by(event.data)]


def day_close_intent(uow: UnitOfWork, *, core: str, closed_on: date, after: UUID | None = None) -> NewIntent:
    """The intent that ages the open cases of `core` whose party id lies after `after`."""
    return NewIntent(
        kind=DAY_CLOSE,
        key=f"{uow.tenant}|{core}|{closed_on}|{after or ''}",
        due_at=uow.real_now,
        payload={"core": core, "closed_on": closed_on.isoformat(), "after": None if after is None else str(after)},
    )


def core_of(fact: EventData) -> str:
    """The core that states a fact."""
    return str(getattr(fact, "core", ""))


def _trigger(event: Event[EventData]) -> Trigger:
    corrects = getattr(event.data, "corrects", None) is not None
    return Trigger(event.type, event.id, event.time, event.recorded_time, is_correction=corrects)


OWN_NAMES = Names(entity_id_beside)
"""Where no fact of the core is at hand."""
