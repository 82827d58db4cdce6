"""What was past due on a day, by what had been told until a moment: the facts folded again, nothing remembered.

A later record about an earlier day is a correction: it holds from its own date (`value_date` and its like), so a day's
state changes with what is learnt of it, and what was known before can still be told.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final
from uuid import UUID

from services.intake.domain.assessment import Assessment, assess, suspensions
from services.intake.domain.book import NOBODY, Book
from services.intake.domain.merge import Names, merge
from services.intake.domain.policy import DelinquencyPolicy
from shared.events.base import EventData
from shared.events.loan import LoanOverdue, ObligorChanged
from shared.ids import derived_id

# What hindsight cannot know: these depend on the person, not on what the core said of loans.
_OF_THE_PERSON: Final = frozenset({"facts_incomplete", "core_differs"})


def refold(party_id: UUID, core: str, facts: Iterable[EventData]) -> Book:
    """The book that the facts alone make, in whatever order they are given.

    Ids of loans and of others who are bound are made up: nobody's name is needed for what is due.
    """
    book = Book(party_id=party_id, core=core, person=NOBODY, loans={}, movements={}, case=None)
    for fact in facts:
        others = fact.obligors if isinstance(fact, LoanOverdue | ObligorChanged) else ()
        names = Names(lambda owner: owner, {one.party_ref: derived_id("obligor", one.party_ref) for one in others})
        book, _ = merge(book, fact, names)
    return book


def state_on(book: Book, as_of: date, policy: DelinquencyPolicy) -> tuple[Assessment, tuple[str, ...]]:
    """What is past due on `as_of`, and what of the core's own words kept everybody from acting on it."""
    state = assess(book, as_of, policy)
    return state, tuple(cause for cause in suspensions(book, state) if cause not in _OF_THE_PERSON)
