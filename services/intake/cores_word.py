"""The core's own days past due, oldest due date and bucket against ours, with each record that tells them (ADR 0153).

A difference is a finding from the first look on, and suspends its case until a newer record agrees. More than 0.5 % of
a core's loans, when its books are compared after a day close, is one incident that suspends its feed. Once so many
findings are open that it must be one, further records are only counted.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace

from services.intake.domain import cores_word, groups
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

    async def hear(
        self, uow: UnitOfWork, book: Book, fact: LoanFact, trigger: Trigger, circumstances: Circumstances
    ) -> tuple[Book, list[NewEvent[Any]]]:
        """The book with its loan marked or freed, and what is to be told of it; `fact` is folded already."""
        differing = cores_word.differences(book, fact, circumstances.policy)
        if differing is None:
            return book, []
        if differing:
            metrics.count("doorstep.core.words", outcome="differs")
        else:
            self._agreeing += cores_word.says_days(fact)
        key = book.party_id, fact.loan_ref
        was_marked = bool(stated_fields(book.loans[fact.loan_ref]))
        if not differing and not was_marked:
            return book, []
        if differing and not was_marked and not await self._has_room(uow):
            return book, []
        self._differing[key], self._on[key] = differing, fact.business_date
        heard = cores_word.with_word(book, fact, differing)
        if heard is book:
            return book, []
        after, events = conclude(book, heard, replace(trigger, silent=True), circumstances)
        return groups.settled(after), events

    async def save(self, uow: UnitOfWork) -> None:
        """Open and renew the findings, close those that are settled."""
        if self._agreeing:
            metrics.count("doorstep.core.words", self._agreeing, outcome="agrees")
        if not self._differing:
            return
        await findings.see_stated(uow, _RUN, self._differing, on=self._on)

    async def _has_room(self, uow: UnitOfWork) -> bool:
        if self._room is None:
            self._room = MOST_OPEN - await findings.count_stated(uow, limit=MOST_OPEN)
        self._room -= 1
        return self._room >= 0


async def contradicting(uow: UnitOfWork, core: str, *, loans: int) -> str | None:
    """In words, that so many of a core's loans contradict themselves that its feed cannot be relied on; None: not."""
    found = await findings.count_stated(uow, limit=MOST_OPEN, core=core)
    if found < MOST_OPEN and not is_incident(compared=loans, differing=found):
        return None
    return f"of {found} loans the core's own days past due contradict the amounts"
