"""Every rule asked in turn, by its plain function: the reference that the compiled rules are held against."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, Literal

from services.compliance.domain.facts import Override, PartyFacts, Question
from services.compliance.domain.packs import CapRule, CrewRule, FactRule, HoldRule, HoursRule, Rule, RuleBook
from services.compliance.domain.rule_records import (
    ClosedDaysRule,
    ConductRule,
    DutyRule,
    EvidenceRule,
    GateRule,
    LetterRule,
    NotAsked,
    PlanTermsRule,
    PreferenceRule,
    RequiresRule,
    RetainRule,
    ScopeRule,
    ThirdPersonRule,
)
from services.compliance.domain.rules.applicability import concerned
from services.compliance.domain.rules.caps import judge_cap
from services.compliance.domain.rules.crew import judge_crew
from services.compliance.domain.rules.gates import judge_gate
from services.compliance.domain.rules.holds import judge_hold
from services.compliance.domain.rules.hours import judge_closed_day, judge_hours, judge_preference
from services.compliance.domain.rules.known import judge_fact
from services.compliance.domain.rules.required import judge_letter, judge_required, judge_third_person
from services.compliance.domain.rules.sharers import caps_of_sharers, not_asked, strictest
from services.compliance.domain.rulings import Ruling, allow

# What only the moment of a grant can answer; a window asked for days ahead is advice, not a right.
_ONLY_AT_GRANT: Final = frozenset(
    {
        "facts_fresh", "log_current", "versions_seen", "balance_owed", "bound_to_place", "crew", "requires", "letter",
        "third_person",
    }
)  # fmt: skip
Stage = Literal["window", "grant"]


def judge(question: Question, facts: PartyFacts, book: RuleBook, *, stage: Stage) -> Iterable[Ruling]:
    """The ruling of every rule that applies; a rule whose applicability is unknown applies."""
    rules = applicable(question, facts, book, stage=stage)
    for rule in rules:
        yield judge_rule(rule, question, facts, book)
    yield from judge_sharers(question, facts, book, besides={rule.id for rule in rules})


def judge_sharers(
    question: Question, facts: PartyFacts, book: RuleBook, *, besides: Collection[str]
) -> Iterable[Ruling]:  # fmt: skip
    """The rulings of the caps that the laws of those who share a key add; `besides`: rules that are asked anyway.

    Of those whose law is not known it is said why nobody is asked.
    """
    if not facts.has_sharers:
        return ()
    caps = caps_of_sharers(question, facts, book, besides=besides)
    rulings = strictest(judge_rule(rule, narrowed, facts, book) for rule, narrowed in caps)
    return [*rulings, *not_asked(facts.sharers_without_case)]


def applicable(question: Question, facts: PartyFacts, book: RuleBook, *, stage: Stage) -> list[Rule]:
    """The rules of the person's place, channel and purpose in force on the dates of the contact, as far as they can be
    asked beforehand."""
    return [
        rule
        for rule in concerned(question, facts, book)
        if not isinstance(rule, NotAsked) and not (stage == "window" and rule.kind in _ONLY_AT_GRANT)
    ]


def judge_rule(rule: Rule, question: Question, facts: PartyFacts, book: RuleBook) -> Ruling:
    """One rule's answer, with the person's consent or a supervisor's decision where the rule can be passed so.

    Raises TypeError for a rule that is judged of a record, not of a question.
    """
    ruling = _judged(rule, question, facts, book)
    passing = passed(rule, question, facts) if ruling.refuses else None
    return ruling if passing is None else allow(rule, overridden_by=passing.by, evidence=str(passing.evidence))


def passed(rule: Rule, question: Question, facts: PartyFacts) -> Override | None:
    """The person's consent or a supervisor's decision by which such a contact passes the rule, whatever it answers.

    Consent to hours of the day is none: `judge_hours` looks at those.
    """
    if rule.override == "none":
        return None
    given = facts.overrides.get(rule.id, ())
    return next(
        (one for one in given if one.by == rule.override and one.opens is None and one.valid.holds(question.span)), None
    )


def _judged(rule: Rule, question: Question, facts: PartyFacts, book: RuleBook) -> Ruling:
    match rule:
        case HoursRule():
            return judge_hours(rule, question, facts)
        case ClosedDaysRule():
            return judge_closed_day(rule, question, facts)
        case PreferenceRule():
            return judge_preference(rule, question, facts)
        case CapRule():
            return judge_cap(rule, question, facts)
        case GateRule():
            return judge_gate(rule, question, facts)
        case ThirdPersonRule():
            return judge_third_person(rule, question, facts)
        case RequiresRule():
            return judge_required(rule, question, facts, book)
        case HoldRule():
            return judge_hold(rule, question, facts)
        case CrewRule():
            return judge_crew(rule, question, facts)
        case LetterRule():
            return judge_letter(rule, question, facts)
        case FactRule():
            return judge_fact(rule, question, facts, book)
        case EvidenceRule() | ConductRule() | RetainRule() | PlanTermsRule() | DutyRule() | ScopeRule():
            raise TypeError(f"{rule.id} is not judged of a question")
