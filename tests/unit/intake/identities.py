"""A bank core's people without any database: facts under several references, merges among them, in any order."""

from typing import Any
from uuid import UUID

from msgspec.structs import replace

from services.intake.domain import groups
from services.intake.domain.book import NOBODY, Book, matters
from services.intake.domain.conclusion import conclude, fold
from services.intake.domain.groups import Alias
from services.intake.domain.identity import Word, regrouped
from services.intake.domain.position import Position
from shared.events.base import EventData
from shared.events.loan import IdentityFact, PartyMerged, PartyUnmerged
from shared.ids import derived_id
from tests.unit.intake.facts import DAY
from tests.unit.intake.folding import circumstances, trigger

REFERENCES = ("P-1", "P-2", "P-3")
IDS = {reference: derived_id("test", reference) for reference in (*REFERENCES, "P-9")}


def merged(sequence: int, into: str, given_up: str, **more: Any) -> PartyMerged:
    """`given_up` is `into`."""
    return PartyMerged(**_identity(sequence, into, given_up), **more)


def unmerged(sequence: int, into: str, given_up: str, **more: Any) -> PartyUnmerged:
    """They are two people after all."""
    return PartyUnmerged(**_identity(sequence, into, given_up), **more)


def _identity(sequence: int, into: str, given_up: str) -> dict[str, Any]:
    return {
        "tenant": "bank", "core": "core-a", "party_ref": into, "merged_ref": given_up, "business_date": DAY,
        "core_sequence": sequence,
    }  # fmt: skip


class People:
    """The books of everybody as they are stored, and every event published."""

    def __init__(self) -> None:
        self.told = {party_id: Book(party_id, "core-a", NOBODY, {}, {}, None) for party_id in IDS.values()}
        self.aliases: dict[UUID, Alias] = {}
        self.events: list[Any] = []

    def hear(self, fact: EventData) -> None:
        """One fact, under its own reference."""
        if isinstance(fact, IdentityFact):
            self._identify(fact)
        else:
            self._fold(fact)

    def settle(self) -> None:
        """The second step of every merge."""
        for party_id, alias in self.aliases.items():
            self.aliases[party_id] = replace(alias, settled=True)
        for party_id in self.leads():
            book = self.book(party_id)
            if book.case is not None:
                after, events = conclude(book, replace(book), trigger(merged(1, "P-1", "P-2")), circumstances())
                self._keep(after, events)

    def leads(self) -> list[UUID]:
        """Everybody who stands for themselves."""
        return [party_id for party_id in self.told if self._lead(party_id) == party_id]

    def lead_of(self, reference: str) -> Book:
        """The book in which a reference is found now."""
        return self.book(self._lead(IDS[reference]))

    def book(self, lead: UUID, named: str | None = None) -> Book:
        """The book of somebody as a store would load it."""
        members = [party_id for party_id in self.told if self._lead(party_id) == lead]
        ordered = [lead, *sorted(one for one in members if one != lead)]
        sides = {
            side for one in self.aliases.values() if not one.settled for side in (one.party_id, one.lead, one.other)
        }
        return groups.joined([_loaded(self.told[one], named) for one in ordered], merging=lead in sides)

    def events_of(self, reference: str) -> list[str]:
        """The types of what was published under a key."""
        return [event.type for event in self.events if event.party_id == IDS[reference]]

    def _lead(self, party_id: UUID) -> UUID:
        alias = self.aliases.get(party_id)
        return party_id if alias is None else alias.lead

    def _fold(self, fact: Any) -> None:
        party_id = IDS[fact.party_ref]
        book = self.book(self._lead(party_id), getattr(fact, "transaction_ref", None))
        folded = fold(book, fact, trigger(fact), circumstances(parties=IDS), told_of=party_id)
        self._keep(folded.book, folded.events)

    def _identify(self, fact: IdentityFact) -> None:
        merged_id, into = IDS[fact.merged_ref], IDS[fact.party_ref]
        said = Alias(
            merged_id, into, isinstance(fact, PartyMerged), Position(fact.business_date, fact.core_sequence),
            lead=merged_id, other=into,
        )  # fmt: skip
        if merged_id in self.aliases and self.aliases[merged_id].rank >= said.rank:
            return
        everybody = {merged_id, into} | {
            side for one in self.aliases.values() for side in (one.party_id, one.into, one.lead)
        }
        told = {party_id: _loaded(self.told[party_id], None) for party_id in everybody}
        word = Word(core=fact.core, business_date=fact.business_date, trigger=trigger(fact))
        after = regrouped(told, self.aliases, said, word, circumstances())
        self.aliases |= {one.party_id: one for one in after.aliases}
        for book in after.books.values():
            self._keep(book, [])
        self.events += after.events

    def _keep(self, book: Book, events: list[Any]) -> None:
        for one in groups.parted(book) or (replace(book, merging=False),):
            kept = self.told[one.party_id].movements | one.movements
            self.told[one.party_id] = replace(one, movements=kept)
        for event in events:  # made without validation: what is published must be what the contract says
            assert type(event.data).model_validate_json(event.data.model_dump_json()) == event.data
        self.events += events


def _loaded(book: Book, named: str | None) -> Book:
    kept = {
        reference: movement
        for reference, movement in book.movements.items()
        if reference == named or matters(movement, book.loans.get(movement.loan_ref))
    }
    return replace(book, movements=kept)
