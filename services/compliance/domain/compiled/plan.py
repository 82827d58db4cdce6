"""A plan: the rules that concern one sort of contact, compiled once and kept with the rule book."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, cast

from services.compliance.domain.compiled.asked import Asked
from services.compliance.domain.compiled.hours import compile_hours
from services.compliance.domain.compiled.judges import (
    Judge,
    compile_cap,
    compile_closed_day,
    compile_crew,
    compile_fact,
    compile_hold,
    compile_letter,
    compile_preference,
    compile_required,
)
from services.compliance.domain.facts import Circumstances
from services.compliance.domain.judging import Stage, applicable, judge_rule
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import CapRule, CrewRule, HoldRule, HoursRule, Rule, RuleBook, remember
from services.compliance.domain.rule_records import (
    ClosedDaysRule,
    FactRule,
    LetterRule,
    PreferenceRule,
    RequiresRule,
)
from services.compliance.domain.rules.hours import hours_rules, lawful_span
from services.compliance.domain.rulings import Answer, Ruling
from shared.events.contact import Channel, Purpose

# Answered alike whenever the contact begins, and never by "not before": they need not be asked of a later moment.
_TIMELESS: Final = frozenset(
    {
        "party_known", "case_open", "jurisdiction_known", "zones_known", "facts_fresh", "log_current", "versions_seen",
        "balance_owed", "bound_to_place",
    }
)  # fmt: skip
_Key = tuple[str | None, tuple[int, ...], Channel, Purpose, Stage, Circumstances]


@dataclass(frozen=True, slots=True)
class Plan:
    """All judges in the order of their rules, and those whose answer depends on when the contact is."""

    judges: tuple[Judge, ...]
    timed: tuple[Judge, ...]
    hours: tuple[HoursRule, ...]
    _lawful: dict[tuple[date, tuple[str, ...]], Span] = field(default_factory=dict)

    def lawful_span(self, day: date, zones: tuple[str, ...]) -> Span:
        """What all hours rules allow on that date in all zones. The plan has hours rules and zones are not empty."""
        if (day, zones) not in self._lawful:
            remember(self._lawful, (day, zones), lawful_span(self.hours, day, zones))
        return self._lawful[day, zones]


def plan_of(asked: Asked, stage: Stage) -> Plan:
    """The plan for the person's place and circumstances, the contact's dates, channel and purpose."""
    book, question, facts = asked.book, asked.first_question, asked.facts
    epochs = tuple(sorted({book.epoch(day) for day in asked.dates}))
    key = (facts.jurisdiction, epochs, question.channel, question.purpose, stage, facts.circumstances)
    plans = cast(dict[_Key, Plan], book.plans)
    plan = plans.get(key)
    if plan is None:
        plan = _compiled(asked, stage, one_epoch=len(epochs) == 1)
        remember(plans, key, plan)
    return plan


def judge_all(asked: Asked, *, stage: Stage) -> tuple[Ruling, ...]:
    """The ruling of every rule that applies, in the order of the plain functions."""
    return tuple([judge(asked) for judge in plan_of(asked, stage).judges])


def refusing(judges: Sequence[Judge], asked: Asked) -> list[Ruling]:
    """The rulings that stand in the way."""
    return [ruling for judge in judges if (ruling := judge(asked)).answer is not Answer.ALLOW]


def _compiled(asked: Asked, stage: Stage, *, one_epoch: bool) -> Plan:
    rules = applicable(asked.question, asked.facts, asked.book, stage=stage)
    judges = [_compile(rule, asked.book, asked.facts.jurisdiction, one_epoch=one_epoch) for rule in rules]
    timed = [judge for rule, judge in zip(rules, judges, strict=True) if not _is_timeless(rule)]
    return Plan(tuple(judges), tuple(timed), tuple(hours_rules(rules, asked.question)))


def _is_timeless(rule: Rule) -> bool:
    return rule.kind in _TIMELESS and rule.override == "none"


def _compile(rule: Rule, book: RuleBook, place: str | None, *, one_epoch: bool) -> Judge:
    """The rule's closure; a refusal that somebody has passed goes to the plain function."""
    judge = _usual_case(rule, book, place, one_epoch=one_epoch)
    if rule.override == "none":
        return judge

    def overridable(asked: Asked) -> Ruling:
        ruling = judge(asked)
        if ruling.answer is Answer.ALLOW or rule.id not in asked.facts.overrides:
            return ruling
        return judge_rule(rule, asked.question, asked.facts, asked.book)

    return overridable


def _usual_case(rule: Rule, book: RuleBook, place: str | None, *, one_epoch: bool) -> Judge:
    match rule:
        case HoursRule():
            return compile_hours(rule)
        case CapRule():
            return compile_cap(rule)
        case HoldRule():
            return compile_hold(rule)
        case RequiresRule():
            return compile_required(rule, attested=book.attested(place).facts)
        case ClosedDaysRule():
            return compile_closed_day(rule)
        case PreferenceRule():
            return compile_preference(rule)
        case CrewRule():
            return compile_crew(rule)
        case LetterRule():
            return compile_letter(rule)
        case FactRule():
            return compile_fact(rule, fixed_rules=one_epoch)
        case _:
            return lambda asked: judge_rule(rule, asked.question, asked.facts, asked.book)
