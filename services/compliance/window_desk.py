"""Lawful windows for days ahead: advice that makes plans likely to be permitted, never a right."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from services.compliance.decision_desk import reason
from services.compliance.domain.decisions import decide
from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rules.applicability import concerned
from services.compliance.domain.rules.hours import hours_rules, lawful_span
from services.compliance.schemas.permits import Reason, WindowsAnswer, WindowsItem
from shared.database import UnitOfWork
from shared.events.base import TimeWindow


def windows_of(item: WindowsItem, facts: PartyFacts, book: RuleBook, uow: UnitOfWork) -> WindowsAnswer:
    """The lawful span of each local date, from now on, long enough for the contact."""
    windows: list[TimeWindow] = []
    refused: dict[str, Reason] = {}
    for day in sorted(set(item.days)):
        question = _question(item, day, facts, book, uow)
        decision = decide(question, facts, book, stage="window")
        if decision.refusals:
            for ruling in decision.refusals:
                refused.setdefault(ruling.rule.id, reason(ruling.document(), ruling.earliest))
        else:
            windows.append(TimeWindow(start=question.span.start, end=question.span.end))
    return WindowsAnswer(party_id=item.party_id, windows=windows, refused=list(refused.values()))


def _question(item: WindowsItem, day: date, facts: PartyFacts, book: RuleBook, uow: UnitOfWork) -> Question:
    """The contact that takes the whole lawful span of the day.

    Where there is none, one that shows which rule refuses.
    """
    duration = timedelta(minutes=item.duration_minutes)
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    question = Question(
        party_id=item.party_id,
        case_id=None,
        subject_id=item.party_id,
        channel=item.channel,
        purpose=item.purpose,
        jurisdiction=item.jurisdiction,
        zones=tuple(item.time_zones),
        span=Span(noon, noon + duration),
        duration=duration,
        now=uow.now,
        real_now=uow.real_now,
    )
    rules = hours_rules(concerned(question, facts, book), question)
    zones = question.candidate_zones(facts)
    if not rules or not zones:
        return question
    lawful = lawful_span(rules, day, zones)
    rest = Span(max(lawful.start, uow.now), lawful.end)
    span = (
        rest if rest.length >= duration and rest.length > timedelta() else Span(lawful.start, lawful.start + duration)
    )
    return replace(question, span=span)
