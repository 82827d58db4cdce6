"""Folding facts into a book without any database."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from services.intake.domain.book import NOBODY, Book, matters
from services.intake.domain.conclusion import Circumstances, Folded, fold
from services.intake.domain.merge import Names
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.domain.trigger import Trigger
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE
from shared.ids import derived_id, entity_id

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
PARTY = entity_id(7, unix_ms=0)
_NAMES = {event_type.model: name for name, event_type in CATALOGUE.items()}


def nobody() -> Book:
    """The book of a party of which nothing is known."""
    return Book(party_id=PARTY, core="core-a", person=NOBODY, loans={}, movements={}, case=None)


def circumstances(
    *, closed: date | None = None, policy: DelinquencyPolicy | None = None, parties: Mapping[str, UUID] | None = None
) -> Circumstances:
    """The default policy, and ids that are the same in every run."""
    return Circumstances(policy or DelinquencyPolicy(), closed, Names(_same_id, dict(parties or {}), commitment))


def commitment(address: str) -> str:
    """A commitment to a home that is the same in every run."""
    return derived_id("home", address).hex


def step(book: Book, fact: EventData, **options: Any) -> Folded:
    """Fold one fact; as a store would, forget movements that no longer matter unless the fact names them."""
    named = getattr(fact, "transaction_ref", None)
    kept = {
        reference: movement
        for reference, movement in book.movements.items()
        if reference == named or matters(movement, book.loans.get(movement.loan_ref))
    }
    loaded = book if len(kept) == len(book.movements) else _with(book, kept)
    folded = fold(loaded, fact, trigger(fact), circumstances(**options))
    for event in folded.events:  # made without validation: what is published must be what the contract says
        assert type(event.data).model_validate_json(event.data.model_dump_json()) == event.data
    return Folded(_with(folded.book, book.movements | folded.book.movements), folded.outcome, folded.events)


def fold_all(facts: Iterable[EventData], **options: Any) -> tuple[Book, list[Any]]:
    """Fold facts in the order given; the book and all events."""
    book, events = nobody(), []
    for fact in facts:
        folded = step(book, fact, **options)
        book = folded.book
        events += folded.events
    return book, events


def names(events: Iterable[Any]) -> list[str]:
    """The events' types."""
    return [event.type for event in events]


def trigger(fact: EventData) -> Trigger:
    """The fact as a trigger."""
    return Trigger(_NAMES[type(fact)], "e-1", NOW, NOW, is_correction=getattr(fact, "corrects", None) is not None)


def _with(book: Book, movements: dict[str, Any]) -> Book:
    return Book(book.party_id, book.core, book.person, book.loans, movements, book.case)


def _same_id(party_id: UUID) -> UUID:
    return derived_id("test", str(party_id))
