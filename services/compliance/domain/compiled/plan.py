"""A plan: the rules that concern one sort of contact, compiled once and kept with the rule book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple, cast

from services.compliance.domain.compiled.asked import Asked
from services.compliance.domain.compiled.caps import compile_cap
from services.compliance.domain.compiled.hours import HoursJudge, HoursTogether
from services.compliance.domain.compiled.judges import (
    Judge,
    Usual,
    compile_closed_day,
    compile_crew,
    compile_fact,
    compile_hold,
    compile_preference,
    usual_of,
)
from services.compliance.domain.compiled.standing import OF_STANDING, Judges, Standing
from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.frames import Frame
from services.compliance.domain.judging import Stage, applicable, judge_rule, judge_sharers
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import CapRule, CrewRule, HoldRule, HoursRule, Rule, RuleBook, remember
from services.compliance.domain.rule_records import ClosedDaysRule, FactRule, PreferenceRule
from services.compliance.domain.rules.hours import hours_rules, lawful_span
from services.compliance.domain.rulings import Answer, Ruling, allow
from shared.events.contact import Channel, Purpose

# Answered alike whenever the contact begins, and never by "not before": they need not be asked of a later moment.
_TIMELESS: Final = frozenset(
    {
        "party_known", "case_open", "jurisdiction_known", "zones_known", "facts_fresh", "log_current", "versions_seen",
        "balance_owed", "bound_to_place", "crew",
    }
)  # fmt: skip
_ALLOW: Final = Answer.ALLOW
_Key = tuple[str | None, Channel, Purpose, Stage, str | None, str | None, str | None, str | None]


class _Compiled(NamedTuple):
    """One rule of a plan. `judge` does not look at overrides; `passing` does."""

    place: int
    rule: Rule
    judge: Judge
    usual: Usual | None
    passing: Judge | None

    @property
    def timeless(self) -> bool:
        return self.rule.kind in _TIMELESS and self.rule.override == "none"


class Unusual:
    """Which rules of a list must be asked by themselves about a contact; the others answer as usual."""

    def __init__(self, compiled: Sequence[_Compiled], *, besides: Sequence[_Compiled] = ()) -> None:
        """`besides`: those that were asked already, and are asked again only where somebody may have passed them."""
        usual = [(one, one.usual) for one in compiled if one.usual is not None]
        hours = [(one.place, one.judge) for one in compiled if isinstance(one.judge, HoursJudge)]
        self._always: Judges = tuple(
            (one.place, one.judge)
            for one in compiled
            if one.usual is None and not isinstance(one.judge, HoursJudge) and one not in besides
        )
        self._hours: Judges = tuple(hours)
        self._hours_together = HoursTogether([(place, judge) for place, judge in hours]) if hours else None
        self._of_hold = _named((kind, one) for one, known in usual for kind in known.holds)
        self._of_told = _named((name, one) for one, known in usual for name in known.told)
        self._passing = {one.rule.id: ((one.place, one.passing),) for one in compiled if one.passing is not None}
        self._dated: Judges = tuple((one.place, one.judge) for one, known in usual if known.until < date.max)
        self._until = min((known.until for _, known in usual), default=date.max)

    def judge(self, asked: Asked, found: list[Ruling], refused: Sequence[int] = ()) -> list[Ruling]:
        """Put the rulings that are not as usual into their places in `found`.

        Returns those that refuse, in order; `refused`: places of rulings in `found` that do so already.
        """
        refusing = list(refused)
        for place, judge in self._judges(asked, found):
            ruling = found[place] = judge(asked)
            if ruling.answer is not _ALLOW:
                refusing.append(place)
        if not refusing:
            return []
        # A rule may have been asked twice: the second answer counts.
        return [ruling for place in sorted(set(refusing)) if (ruling := found[place]).answer is not _ALLOW]

    def refusing(self, asked: Asked) -> list[Ruling]:
        """Those that refuse, in order, where nobody asks for the others."""
        together = self._hours_together
        judges = self._always
        if together is not None and together.inside(asked) is None:
            judges += self._hours
        refusing = {}
        for place, judge in self._besides(asked, judges):
            ruling = judge(asked)
            if ruling.answer is not _ALLOW:
                refusing[place] = ruling
            else:
                refusing.pop(place, None)  # asked twice: the second answer counts
        return [ruling for _, ruling in sorted(refusing.items())] if len(refusing) > 1 else [*refusing.values()]

    def _judges(self, asked: Asked, found: list[Ruling]) -> Iterable[tuple[int, Judge]]:
        judges = self._always
        if self._hours_together is not None:
            inside = self._hours_together.inside(asked)
            if inside is None:
                judges += self._hours
            else:
                for place, ruling in inside:
                    found[place] = ruling
        return self._besides(asked, judges)

    def _besides(self, asked: Asked, judges: Judges) -> Iterable[tuple[int, Judge]]:
        """These judges, and those that something known of the person names."""
        facts = asked.facts
        if not (facts.holds or facts.told or facts.overrides or asked.last_date > self._until):
            return judges
        more: dict[int, Judge] = {}
        for hold in facts.holds:
            more.update(self._of_hold.get(hold.kind, ()))
        for name in facts.told:
            more.update(self._of_told.get(name, ()))
        if asked.last_date > self._until:
            more.update(self._dated)
        for rule_id in facts.overrides:
            more.update(self._passing.get(rule_id, ()))
        return (*judges, *more.items())


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules of one sort of contact with their usual answers, and those whose answer depends on when it is."""

    hours: tuple[HoursRule, ...]
    _usual: tuple[Ruling, ...]
    _standing: Standing
    _unusual: Unusual
    _timed: Unusual
    frame: Frame
    """What the records of its decisions have in common."""

    def judge(self, asked: Asked) -> tuple[tuple[Ruling, ...], list[Ruling]]:
        """The ruling of every rule, in their order, and of these the ones that stand in the way.

        Last come the caps of those who share a key.
        """
        standing = self._standing.of(asked)
        found = list(standing.rulings)
        refusing = self._unusual.judge(asked, found, standing.refusing)
        if asked.facts.has_sharers:
            of_sharers = self._of_sharers(asked)
            found += of_sharers
            refusing = [*refusing, *(ruling for ruling in of_sharers if ruling.refuses)]
        return tuple(found), refusing

    def refusing(self, asked: Asked, *, timed: bool) -> list[Ruling]:
        """The rulings that stand in the way. `timed`: only the rules whose answer depends on when the contact is."""
        if not timed:
            return self.judge(asked)[1]
        refusing = self._timed.refusing(asked)
        if asked.facts.has_sharers:
            refusing += [ruling for ruling in self._of_sharers(asked) if ruling.refuses]
        return refusing

    def _of_sharers(self, asked: Asked) -> Iterable[Ruling]:
        own = {ruling.rule.id for ruling in self._usual}
        return judge_sharers(asked.question, asked.facts, asked.book, besides=own)


class Plans:
    """The plans of one sort of contact at one place and in the same circumstances, by the dates that it touches."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._by_dates: dict[frozenset[date], Plan] = {}
        self._by_epochs: dict[tuple[int, ...], Plan] = {}
        self._lawful: dict[tuple[date, tuple[str, ...], timedelta], Span | None] = {}

    def of(self, asked: Asked) -> Plan:
        """The plan for this contact, which is of their sort."""
        plan = self._by_dates.get(asked.dates)
        if plan is None:
            epochs = tuple(sorted({asked.book.epoch(day) for day in asked.dates}))
            plan = self._by_epochs.get(epochs)
            if plan is None:
                plan = self._by_epochs[epochs] = _compiled(asked, self._stage, one_epoch=len(epochs) == 1)
            remember(self._by_dates, asked.dates, plan)
        return plan

    def lawful_on(self, day: date, asked: Asked) -> Span | None:
        """What the hours rules allow on that local date; None where none applies, or the person's zone is not known."""
        duration = asked.first_question.duration
        key = (day, asked.zones, duration)
        if key not in self._lawful:
            noon = datetime.combine(day, time(12), tzinfo=UTC)
            plan = self.of(asked.during(Span(noon, noon + duration)))
            remember(
                self._lawful, key, lawful_span(plan.hours, day, asked.zones) if plan.hours and asked.zones else None
            )
        return self._lawful[key]


def plans_of(question: Question, facts: PartyFacts, book: RuleBook, stage: Stage) -> Plans:
    """The plans for the person's place and circumstances, the contact's channel and purpose."""
    # The circumstances by their fields: hashing and comparing a dataclass is as dear as all the rest here.
    of = facts.circumstances
    key = (
        facts.jurisdiction, question.channel, question.purpose, stage, of.collector, of.product, of.place, of.recipient,
    )  # fmt: skip
    kept = cast(dict[_Key, Plans], book.plans)
    plans = kept.get(key)
    if plans is None:
        plans = Plans(stage)
        remember(kept, key, plans)
    return plans


def _compiled(asked: Asked, stage: Stage, *, one_epoch: bool) -> Plan:
    rules = applicable(asked.question, asked.facts, asked.book, stage=stage)
    attested = asked.book.attested(asked.facts.jurisdiction).facts
    windows = [rule.window for rule in rules if isinstance(rule, CapRule)]
    compiled = [
        _Compiled(
            place, rule, judge, usual_of(rule, asked.first_question.channel, attested), _passing(rule, judge),
        )
        for place, rule in enumerate(rules)
        for judge in [_compile(rule, windows=windows, one_epoch=one_epoch)]
    ]  # fmt: skip
    usual = tuple(
        _blank(rule) if one.usual is None else one.usual.ruling for rule, one in zip(rules, compiled, strict=True)
    )
    standing = [one for one in compiled if one.rule.kind in OF_STANDING]
    return Plan(
        tuple(hours_rules(rules, asked.question)),
        usual,
        Standing(usual, tuple((one.place, one.judge) for one in standing)),
        Unusual(compiled, besides=standing),
        Unusual([one for one in compiled if not one.timeless]),
        Frame(rules, [_expected(one, asked.facts.jurisdiction) for one in compiled]),
    )


def _blank(rule: Rule) -> Ruling:
    """Stands where a rule is asked each time, until it has answered."""
    return Ruling(rule, Answer.NEEDS_FACT)


def _expected(one: _Compiled, place: str | None) -> Ruling | None:
    """What the rule nearly always answers. That it does so costs a record nothing; it is not taken for granted."""
    if one.usual is not None:
        return one.usual.ruling
    match one.rule:
        case CrewRule() as rule:
            return allow(rule, crew=rule.minimum, minimum=rule.minimum)
        case ClosedDaysRule() as rule:
            return allow(rule, calendar=rule.calendar.id)
        case FactRule(kind="party_known" | "window_fits" | "bound_to_place") as rule:
            return allow(rule)
        case FactRule(kind="jurisdiction_known") as rule if place is not None:
            return allow(rule, asked=place, jurisdiction=place)
        case FactRule(kind="log_current") as rule:
            return allow(rule, uncovered_since=None)
    return None


def _named(pairs: Iterable[tuple[str, _Compiled]]) -> Mapping[str, Judges]:
    found: dict[str, Judges] = {}
    for name, one in pairs:
        found[name] = (*found.get(name, ()), (one.place, one.judge))
    return found


def _passing(rule: Rule, judge: Judge) -> Judge | None:
    """The judge of a rule that somebody may have passed: such a refusal goes to the plain function."""
    if rule.override == "none":
        return None

    def passing(asked: Asked) -> Ruling:
        ruling = judge(asked)
        return ruling if ruling.answer is _ALLOW else judge_rule(rule, asked.question, asked.facts, asked.book)

    return passing


def _compile(rule: Rule, *, windows: Sequence[str], one_epoch: bool) -> Judge:
    match rule:
        case HoursRule():
            return HoursJudge(rule)
        case CapRule():
            return compile_cap(rule, windows=windows)
        case HoldRule():
            return compile_hold(rule)
        case ClosedDaysRule():
            return compile_closed_day(rule)
        case PreferenceRule():
            return compile_preference(rule)
        case CrewRule():
            return compile_crew(rule)
        case FactRule():
            return compile_fact(rule, fixed_rules=one_epoch)
        case _:
            return lambda asked: judge_rule(rule, asked.question, asked.facts, asked.book)
