"""Which rules concern a contact. A rule whose applicability is unknown applies."""

from __future__ import annotations

from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.packs import HoursRule, Rule, RuleBook
from services.compliance.domain.rule_records import EVERYWHERE


def concerned(question: Question, facts: PartyFacts, book: RuleBook) -> list[Rule]:
    """The rules of the person's place, channel and purpose, in force on any date of the contact, whose circumstances
    (collector, product, place, recipient) are those of the contact or not known.

    Fallback hours only where no other hours rule concerns the contact.
    """
    attested = book.attested(facts.jurisdiction)
    rules = book.asked(
        jurisdiction=facts.jurisdiction,
        days=question.local_dates(facts),
        channel=question.channel,
        purpose=question.purpose,
    )
    found = [rule for rule in rules if not any(rule.bound) or facts.circumstances.concern(rule, attested)]
    if any(isinstance(rule, HoursRule) and not rule.fallback and rule.jurisdiction != EVERYWHERE for rule in found):
        return [rule for rule in found if not (isinstance(rule, HoursRule) and rule.fallback)]
    return found
