"""Holds: no contact while a fact keeps it away."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.compliance.domain.canonical import format_time
from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.hold_scopes import covers
from services.compliance.domain.packs import HoldRule
from services.compliance.domain.rule_parts import Silence
from services.compliance.domain.rulings import Answer, Earliest, Ruling, allow, deny_after, deny_until


def judge_hold(rule: HoldRule, question: Question, facts: PartyFacts) -> Ruling:
    """Refused when a hold of the rule's kinds stands at any moment of the contact.

    The last one to end decides when it may be.
    """
    standing = [
        hold
        for hold in facts.holds
        if hold.kind in rule.hold_kinds
        and covers(hold, question.channel, question.purpose, debts=question.debts, keys=question.keys)
        and hold.touches(question.span)
    ]
    if not standing:
        return allow(rule, holds=0)
    ready = None if rule.silence is None else _passed_over_from(rule.silence, question, facts)
    if ready is not None and ready <= question.span.start:
        return allow(rule, holds=len(standing), passed_over_from=format_time(ready))
    kinds = sorted({hold.kind for hold in standing})
    detail = f"on hold: {', '.join(kinds)}"
    if rule.needs_fact:
        return Ruling(rule, Answer.NEEDS_FACT, detail, {"holds": len(standing)}, Earliest(after=rule.lifted_by))
    ends = [hold.until for hold in standing if hold.until is not None]
    over = [max(ends)] if len(ends) == len(standing) and max(ends) > question.span.start else []
    over += [] if ready is None else [ready]
    if over:
        return deny_until(rule, min(over), detail, holds=len(standing))
    return deny_after(rule, rule.lifted_by, detail, holds=len(standing))


def _passed_over_from(silence: Silence, question: Question, facts: PartyFacts) -> datetime | None:
    """From when a silent representative may be passed over, as far as is known when the contact begins; None: not."""
    silent, warned = facts.told.get(silence.silent), facts.told.get(silence.warned)
    start = question.span.start
    for told in (silent, warned):
        if told is None or not told.value or told.as_of > start or (told.until is not None and start > told.until):
            return None
    if silent is None or warned is None or warned.as_of < silent.as_of + timedelta(days=silence.silent_days):
        return None
    return warned.as_of + timedelta(days=silence.warned_days)
