"""A decision: every rule asked, the joint earliest lawful moment, and the record of why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal
from uuid import UUID

from services.compliance.domain.canonical import Json, format_time
from services.compliance.domain.facts import PartyFacts, Question
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
from services.compliance.domain.rulings import NEVER, Answer, Earliest, Ruling, allow, earliest_document

# Each step moves past at least one rule's refusal; hours and caps alternate at most once a day inside a cap's window.
_MAX_STEPS: Final = 100
_HORIZON: Final = timedelta(days=400)
# What only the moment of a grant can answer; a window asked for days ahead is advice, not a right.
_ONLY_AT_GRANT: Final = frozenset(
    {
        "facts_fresh", "log_current", "versions_seen", "balance_owed", "bound_to_place", "crew", "requires", "letter",
        "third_person",
    }
)  # fmt: skip
Stage = Literal["window", "grant"]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer with all rulings. `earliest` is None for an allow."""

    answer: Answer
    rulings: tuple[Ruling, ...]
    earliest: Earliest | None

    @property
    def refusals(self) -> tuple[Ruling, ...]:
        """The rulings that stand in the way."""
        return tuple(ruling for ruling in self.rulings if ruling.refuses)


def decide(question: Question, facts: PartyFacts, book: RuleBook, *, stage: Stage = "grant") -> Decision:
    """Ask every applicable rule. One deny denies; else one missing fact needs that fact; else it is allowed.

    When the asker has seen more than compliance, no deny counts either: it may rest on what is out of date.
    """
    rulings = tuple(judge(question, facts, book, stage=stage))
    refusals = [ruling for ruling in rulings if ruling.refuses]
    if not refusals:
        return Decision(Answer.ALLOW, rulings, None)
    denied = any(ruling.answer is Answer.DENY for ruling in refusals) and not behind(refusals)
    answer = Answer.DENY if denied else Answer.NEEDS_FACT
    return Decision(answer, rulings, _earliest(question, facts, book, stage, refusals))


def behind(refusals: Iterable[Ruling]) -> bool:
    """Whether compliance has seen less than the asker."""
    return any(ruling.rule.kind == "versions_seen" for ruling in refusals)


def judge(question: Question, facts: PartyFacts, book: RuleBook, *, stage: Stage) -> Iterable[Ruling]:
    """The ruling of every rule that applies; a rule whose applicability is unknown applies."""
    for rule in applicable(question, facts, book, stage=stage):
        yield judge_rule(rule, question, facts, book)


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
    if not ruling.refuses or rule.override == "none" or rule.id not in facts.overrides:
        return ruling
    for one in facts.overrides[rule.id]:
        if one.by == rule.override and one.opens is None and one.valid.holds(question.span):
            return allow(rule, overridden_by=rule.override, evidence=str(one.evidence))
    return ruling


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


def _earliest(
    question: Question, facts: PartyFacts, book: RuleBook, stage: Stage, refusals: Sequence[Ruling]
) -> Earliest:
    """The first moment at which all rules allow.

    Move to the latest of their moments and ask all again, until none refuses.
    """
    moment = question.span.start
    for _ in range(_MAX_STEPS):
        open_ended = [ruling.earliest for ruling in refusals if ruling.earliest.at is None]
        if open_ended:
            return next((one for one in open_ended if one.after == NEVER), open_ended[0])
        later = max(ruling.earliest.at for ruling in refusals if ruling.earliest.at is not None)
        if (later <= moment and moment != question.span.start) or later > question.span.start + _HORIZON:
            break
        moment = later
        refusals = [ruling for ruling in judge(question.at(moment), facts, book, stage=stage) if ruling.refuses]
        if not refusals:
            return Earliest(at=moment)
    return Earliest(after=NEVER)


def record(
    decision: Decision,
    *,
    question: Question,
    facts: PartyFacts,
    book: RuleBook,
    decision_id: UUID,
    request: dict[str, Json],
) -> dict[str, Json]:
    """The decision record: what was asked, every rule with citation and values, the facts' versions, both times."""
    return {
        "decision_id": str(decision_id),
        "party_id": str(question.party_id),
        "answer": decision.answer.value,
        "request": request,
        "rules": [ruling.document() for ruling in decision.rulings],
        "earliest_lawful": None if decision.earliest is None else earliest_document(decision.earliest),
        "facts": {
            "case_version": facts.case_version,
            "zones": list(question.candidate_zones(facts)),
            "history_known_from": None if facts.history_known_from is None else facts.history_known_from.isoformat(),
            "holds": sorted(f"{hold.kind}:{hold.hold_id}" for hold in facts.holds),
            "counted": len(facts.counted),
        },
        "rule_set": book.rule_set,
        "decided_at": format_time(question.now),
        "recorded_at": format_time(question.real_now),
    }
