"""A question about a person, with what most rules want to know of it worked out once."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from msgspec import structs

from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.local_time import Span, local_date, only_date
from services.compliance.domain.packs import RuleBook

_TICK: Final = timedelta(microseconds=1)
_UTC: Final = ("UTC",)


class Asked:
    """One contact on trial. `zones` is empty when the person's zone is not known; dates then are those of UTC."""

    __slots__ = (
        "_question", "book", "dates", "facts", "first_date", "first_question", "last_date", "span", "start_dates",
        "start_days", "zones",
    )  # fmt: skip

    def __init__(
        self, question: Question, facts: PartyFacts, book: RuleBook, *, span: Span, zones: tuple[str, ...]
    ) -> None:
        self.first_question = question
        self.facts = facts
        self.book = book
        self.span = span
        self.zones = zones
        self._question = question if span is question.span else None
        names = zones or _UTC
        day = only_date(span, names[0]) if len(names) == 1 else None
        if day is not None:
            self.start_days: tuple[date, ...]
            self.start_days, self.start_dates = _alone(day)
            self.dates = self.start_dates
            self.first_date = self.last_date = day
        else:
            start, end = span
            last = end - _TICK if end > start else start
            self.start_days = tuple(local_date(start, name) for name in names)
            self.start_dates = frozenset(self.start_days)
            self.dates = self.start_dates.union(local_date(last, name) for name in names)
            self.first_date = min(self.start_days)
            self.last_date = max(self.dates)

    @classmethod
    def of(cls, question: Question, facts: PartyFacts, book: RuleBook, *, span: Span | None = None) -> Asked:
        """The question of this person, at `span` instead of its own time."""
        return cls(
            question, facts, book, span=question.span if span is None else span, zones=question.candidate_zones(facts)
        )

    @property
    def question(self) -> Question:
        """The question as the plain functions take it."""
        if self._question is None:
            self._question = structs.replace(self.first_question, span=self.span)
        return self._question

    def during(self, span: Span) -> Asked:
        """The same contact at another time."""
        return Asked(self.first_question, self.facts, self.book, span=span, zones=self.zones)


@lru_cache(maxsize=4_096)
def _alone(day: date) -> tuple[tuple[date, ...], frozenset[date]]:
    """That date alone, in both forms that the rules want."""
    return (day,), frozenset((day,))
