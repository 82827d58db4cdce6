"""What a core's records say beside and against each other: its own days past due, oldest due date and bucket against
ours, with each record that tells them (ADR 0153), and two records under one number that contradict each other (0161).

A difference is a finding from the first look on, and suspends its case until a newer record agrees. More than 0.5 % of
a core's loans, when its books are compared after a day close, is one incident that suspends its feed. Once so many
findings are open that it must be one, further records are only counted.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace

from services.intake.domain import cores_word, groups, one_number
from services.intake.domain.book import Book
from services.intake.domain.comparison import FieldDifference, is_incident, stated_fields
from services.intake.domain.conclusion import Circumstances, conclude
from services.intake.domain.trigger import Trigger
from services.intake.store import findings
from shared.database import UnitOfWork
from shared.events import NewEvent
from shared.events.loan import LoanFact
from shared.ids import derived_id
from shared.telemetry import metrics

MOST_OPEN: Final = 10_000
_RUN: Final = derived_id("reconciliation", "what the core states beside the amounts")


class CoresWords:
    """What the records of one batch say, gathered while they are folded."""

    def __init__(self) -> None:
        self._room: int | None = None
        self._differing: dict[tuple[UUID, str], list[FieldDifference]] = {}
        self._on: dict[tuple[UUID, str], date] = {}
        self._agreeing = 0
        self._doubted: dict[tuple[UUID, str], tuple[FieldDifference, date]] = {}
        self._proved: set[tuple[UUID, str]] = set()

    async def hear(
        self, uow: UnitOfWork, before: Book, book: Book, fact: LoanFact, trigger: Trigger, circumstances: Circumstances
    ) -> tuple[Book, list[NewEvent[Any]]]:
        """The book with its loan marked or freed, and what is to be told of it; `fact` is folded already, into
        `before`.
        """
        heard = await self._word(uow, self._order(before, book, fact), fact, circumstances)
        if heard is book:
            return book, []
        after, events = conclude(book, heard, replace(trigger, silent=True), circumstances)
        return groups.settled(after), events

    def _order(self, before: Book, book: Book, fact: LoanFact) -> Book:
        """In doubt where another record of the same number says something else; until a newer one, or the core when it
        is asked, settles it.
        """
        key = book.party_id, fact.loan_ref
        found = one_number.contradiction(before, fact)
        if found is not None:
            metrics.count("doorstep.core.words", outcome="differs")
            self._doubted[key] = found, fact.business_date
            self._proved.discard(key)
            return one_number.with_mark(book, fact.loan_ref, fact.business_date)
        if not one_number.settles(before, book, fact.loan_ref):
            return book
        self._doubted.pop(key, None)
        self._proved.update((party_id, fact.loan_ref) for party_id in _everybody(book))
        return one_number.without_mark(book, fact.loan_ref, fact.business_date)

    async def _word(self, uow: UnitOfWork, book: Book, fact: LoanFact, circumstances: Circumstances) -> Book:
        differing = cores_word.differences(book, fact, circumstances.policy)
        if differing is None:
            return book
        if differing:
            metrics.count("doorstep.core.words", outcome="differs")
        else:
            self._agreeing += cores_word.says_days(fact)
        key = book.party_id, fact.loan_ref
        was_marked = bool(stated_fields(book.loans[fact.loan_ref]))
        if not differing and not was_marked:
            return book
        if differing and not was_marked and not await self._has_room(uow):
            return book
        # What was found of somebody before they were merged is settled with what is found of who stands for them.
        self._differing |= {(party_id, fact.loan_ref): [] for party_id in _everybody(book)}
        self._differing[key], self._on[key] = differing, fact.business_date
        return cores_word.with_word(book, fact, differing)

    async def save(self, uow: UnitOfWork) -> None:
        """Open and renew the findings, close those that are settled."""
        if self._agreeing:
            metrics.count("doorstep.core.words", self._agreeing, outcome="agrees")
        if self._differing:
            await findings.see_stated(uow, _RUN, self._differing, on=self._on)
        for (party_id, _), (found, day) in sorted(self._doubted.items()):
            await findings.see_unresolved(uow, _RUN, {party_id: [found]}, business_date=day)
        await findings.resolve(uow, self._proved, field="order")

    async def _has_room(self, uow: UnitOfWork) -> bool:
        if self._room is None:
            self._room = MOST_OPEN - await findings.count_stated(uow, limit=MOST_OPEN)
        self._room -= 1
        return self._room >= 0


def _everybody(book: Book) -> set[UUID]:
    return {book.party_id, *(one.party_id for one in book.members)}


async def contradicting(uow: UnitOfWork, core: str, *, loans: int) -> str | None:
    """In words, that so many of a core's loans contradict themselves that its feed cannot be relied on; None: not."""
    found = await findings.count_stated(uow, limit=MOST_OPEN, core=core)
    if found < MOST_OPEN and not is_incident(compared=loans, differing=found):
        return None
    return f"of {found} loans the core's own days past due contradict the amounts"
