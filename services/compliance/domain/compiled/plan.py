"""A plan: the rules that concern one sort of contact, compiled once and kept with the rule book."""

from __future__ import annotations

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
    on_no_hold,
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
    """All judges in the order of their rules, and those whose answer depends on when the contact is.

    Most people are on no hold, and half of the rules ask about nothing else: what those answer is known beforehand.
    """

    judges: tuple[Judge, ...]
    timed: tuple[Judge, ...]
    hours: tuple[HoursRule, ...]
    _on_no_hold: tuple[Ruling | None, ...]
    _other_judges: tuple[tuple[int, Judge], ...]
    _other_timed: tuple[Judge, ...]
    _lawful: dict[tuple[date, tuple[str, ...]], Span] = field(default_factory=dict)

    def rulings(self, asked: Asked) -> tuple[Ruling, ...]:
        """The ruling of every rule, in their order."""
        if asked.facts.holds:
            return tuple([judge(asked) for judge in self.judges])
        found = list(self._on_no_hold)
        for place, judge in self._other_judges:
            found[place] = judge(asked)
        return cast(tuple[Ruling, ...], tuple(found))

    def refusing(self, asked: Asked, *, timed: bool) -> list[Ruling]:
        """The rulings that stand in the way. `timed`: only the rules whose answer depends on when the contact is."""
        if not timed:
            return [ruling for ruling in self.rulings(asked) if ruling.answer is not Answer.ALLOW]
        judges = self.timed if asked.facts.holds else self._other_timed
        return [ruling for judge in judges if (ruling := judge(asked)).answer is not Answer.ALLOW]

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
    return plan_of(asked, stage).rulings(asked)


def _compiled(asked: Asked, stage: Stage, *, one_epoch: bool) -> Plan:
    rules = applicable(asked.question, asked.facts, asked.book, stage=stage)
    judges = [_compile(rule, asked.book, asked.facts.jurisdiction, one_epoch=one_epoch) for rule in rules]
    pairs = list(zip(rules, judges, strict=True))
    return Plan(
        tuple(judges),
        tuple(judge for rule, judge in pairs if not _is_timeless(rule)),
        tuple(hours_rules(rules, asked.question)),
        tuple(on_no_hold(rule) if isinstance(rule, HoldRule) else None for rule in rules),
        tuple((place, judge) for place, (rule, judge) in enumerate(pairs) if not isinstance(rule, HoldRule)),
        tuple(judge for rule, judge in pairs if not (_is_timeless(rule) or isinstance(rule, HoldRule))),
    )


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
