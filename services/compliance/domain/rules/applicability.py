"""Which rules concern a contact. A rule whose applicability is unknown applies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, cast

from services.compliance.domain.facts import Circumstances, PartyFacts, Question
from services.compliance.domain.packs import (
    CapRule,
    CrewRule,
    EvidenceRule,
    HoldRule,
    HoursRule,
    Rule,
    RuleBook,
    remember,
)
from services.compliance.domain.rule_records import (
    EVERYWHERE,
    ClosedDaysRule,
    ConductRule,
    GateRule,
    LetterRule,
    PreferenceRule,
    RequiresRule,
)

AUDITED: Final = (
    CapRule, HoldRule, HoursRule, ClosedDaysRule, PreferenceRule, GateRule, CrewRule, RequiresRule, LetterRule,
    EvidenceRule, ConductRule,
)  # fmt: skip
"""The kinds of rules that are asked of a contact that was made."""


def concerned(question: Question, facts: PartyFacts, book: RuleBook) -> Sequence[Rule]:
    """The rules of the person's place, channel and purpose, in force on any date of the contact, whose circumstances
    (collector, product, place, recipient) are those of the contact or not known.

    Fallback hours only where no other hours rule concerns the contact.
    """
    days = question.local_dates(facts)
    place, circumstances = facts.jurisdiction, facts.circumstances
    key = (place, _epochs(book, days), question.channel, question.purpose, circumstances)
    found = cast("Sequence[Rule] | None", book.concerning.get(key))
    if found is None:
        found = _with_needed_fallbacks(_concerned(question, days, book, place, circumstances))
        remember(book.concerning, key, found)
    return found


def audited(question: Question, facts: PartyFacts, book: RuleBook) -> Sequence[Rule]:
    """Those of `concerned` that are asked of a contact that was made; the others are asked of a grant or of records."""
    days = question.local_dates(facts)
    place, circumstances = facts.jurisdiction, facts.circumstances
    key = ("audit", place, _epochs(book, days), question.channel, question.purpose, circumstances)
    found = cast("Sequence[Rule] | None", book.concerning.get(key))
    if found is None:
        found = [rule for rule in concerned(question, facts, book) if isinstance(rule, AUDITED)]
        remember(book.concerning, key, found)
    return found


def caps_on_others(
    question: Question, days: frozenset[date], book: RuleBook, *, place: str, circumstances: Circumstances
) -> Sequence[CapRule]:
    """The caps of that place and these circumstances that count contacts with whoever shares a key."""
    key = ("caps", place, _epochs(book, days), question.channel, question.purpose, circumstances)
    found = cast("Sequence[CapRule] | None", book.concerning.get(key))
    if found is None:
        rules = _concerned(question, days, book, place, circumstances)
        found = [rule for rule in rules if isinstance(rule, CapRule) and rule.counts_others]
        remember(book.concerning, key, found)
    return found


def _epochs(book: RuleBook, days: frozenset[date]) -> tuple[int, ...]:
    if len(days) == 1:
        return tuple(map(book.epoch, days))
    return tuple(sorted({book.epoch(day) for day in days}))


def _concerned(
    question: Question, days: frozenset[date], book: RuleBook, place: str | None, circumstances: Circumstances
) -> list[Rule]:
    attested = book.attested(place)
    rules = book.asked(jurisdiction=place, days=days, channel=question.channel, purpose=question.purpose)
    return [rule for rule in rules if not any(rule.bound) or circumstances.concern(rule, attested)]


def _with_needed_fallbacks(found: list[Rule]) -> list[Rule]:
    if any(isinstance(rule, HoursRule) and not rule.fallback and rule.jurisdiction != EVERYWHERE for rule in found):
        return [rule for rule in found if not (isinstance(rule, HoursRule) and rule.fallback)]
    return found
