"""Holds: no contact while a fact keeps it away."""

from __future__ import annotations

from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.packs import HoldRule
from services.compliance.domain.rulings import Answer, Earliest, Ruling, allow, deny_after, deny_until


def judge_hold(rule: HoldRule, question: Question, facts: PartyFacts) -> Ruling:
    """Refused when a hold of the rule's kinds stands at any moment of the contact.

    The last one to end decides when it may be.
    """
    standing = [
        hold
        for hold in facts.holds
        if hold.kind in rule.hold_kinds
        and hold.covers(question.channel, question.purpose)
        and hold.touches(question.span)
    ]
    if not standing:
        return allow(rule, holds=0)
    kinds = sorted({hold.kind for hold in standing})
    detail = f"on hold: {', '.join(kinds)}"
    if rule.needs_fact:
        return Ruling(rule, Answer.NEEDS_FACT, detail, {"holds": len(standing)}, Earliest(after=rule.lifted_by))
    ends = [hold.until for hold in standing if hold.until is not None]
    if len(ends) == len(standing) and max(ends) > question.span.start:
        return deny_until(rule, max(ends), detail, holds=len(standing))
    return deny_after(rule, rule.lifted_by, detail, holds=len(standing))
