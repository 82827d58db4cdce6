"""Lawful windows for days ahead: advice that makes plans likely to be permitted, never a right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from services.compliance.domain.compiled.asked import Asked
from services.compliance.domain.compiled.plan import Plans, plans_of
from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rulings import Ruling


@dataclass(frozen=True, slots=True)
class Windows:
    """The lawful spans, one at most per day, and the first refusal of each rule that refused a day."""

    spans: tuple[Span, ...]
    refused: Mapping[str, Ruling]


def lawful_windows(question: Question, days: Iterable[date], facts: PartyFacts, book: RuleBook) -> Windows:
    """The lawful span of each local date, from the question's `now` on, long enough for the contact.

    The question's own span does not matter.
    """
    spans: list[Span] = []
    refused: dict[str, Ruling] = {}
    plans = plans_of(question, facts, book, "window")
    asking = Asked.of(question, facts, book)
    for day in sorted(set(days)):
        asked = _on(day, asking, plans)
        refusals = plans.of(asked).refusing(asked, timed=False)
        for ruling in refusals:
            refused.setdefault(ruling.rule.id, ruling)
        if not refusals:
            spans.append(asked.span)
    return Windows(tuple(spans), refused)


def _on(day: date, asking: Asked, plans: Plans) -> Asked:
    """The contact that takes the whole lawful span of the day.

    Where there is none, one that shows which rule refuses.
    """
    duration = asking.first_question.duration
    lawful = plans.lawful_on(day, asking)
    if lawful is None:
        noon = datetime.combine(day, time(12), tzinfo=UTC)
        return asking.during(Span(noon, noon + duration))
    rest = Span(max(lawful.start, asking.first_question.now), lawful.end)
    if rest.length >= duration and rest.length > timedelta():
        return asking.during(rest)
    return asking.during(Span(lawful.start, lawful.start + duration))
