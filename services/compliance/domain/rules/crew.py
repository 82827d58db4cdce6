"""Who goes to the door."""

from __future__ import annotations

from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.packs import CrewRule
from services.compliance.domain.rulings import Ruling, allow, deny_after


def judge_crew(rule: CrewRule, question: Question, _facts: PartyFacts) -> Ruling:
    """At least `minimum` different collectors; the same one named twice is one."""
    size = len(set(question.crew))
    if size >= rule.minimum:
        return allow(rule, crew=size, minimum=rule.minimum)
    return deny_after(
        rule, "crew.completed", f"{size} collectors, at least {rule.minimum} needed", crew=size, minimum=rule.minimum
    )
