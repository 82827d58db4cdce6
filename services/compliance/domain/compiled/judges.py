"""Closures for the usual case of each kind of rule. What is not usual goes to the plain function."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from services.compliance.domain.canonical import encoded, format_time
from services.compliance.domain.compiled.asked import Asked
from services.compliance.domain.facts import BALANCE_LIMIT
from services.compliance.domain.hold_scopes import covers
from services.compliance.domain.holds import HoldKind
from services.compliance.domain.packs import CrewRule, HoldRule, Rule, remember
from services.compliance.domain.rule_parts import FactName
from services.compliance.domain.rule_records import (
    ClosedDaysRule,
    FactRule,
    LetterRule,
    PreferenceRule,
    RequiresRule,
)
from services.compliance.domain.rules.crew import judge_crew
from services.compliance.domain.rules.holds import judge_hold
from services.compliance.domain.rules.hours import judge_closed_day, judge_preference
from services.compliance.domain.rules.known import judge_fact, seen
from services.compliance.domain.rulings import Ruling, allow
from shared.events.contact import Channel

Judge = Callable[[Asked], Ruling]
_ALWAYS: Final = "always"


class Usual(NamedTuple):
    """What a rule answers unless something is known of the person, which names it: `holds` by their kinds, facts
    `told` by their names; and for how long (local dates)."""

    ruling: Ruling
    holds: Sequence[HoldKind] = ()
    told: Sequence[FactName] = ()
    until: date = date.max


def usual_of(rule: Rule, channel: Channel, attested: Mapping[FactName, date]) -> Usual | None:
    """Most people are on no hold and told nothing; what half of the rules answer of them is known beforehand."""
    match rule:
        case HoldRule():
            return Usual(allow(rule, holds=0), holds=rule.hold_kinds)
        case LetterRule() if channel != "letter":
            return Usual(allow(rule))
        case RequiresRule() if rule.grace_days is None:
            names = (*rule.facts, *rule.unless)
            for name in rule.unless:
                if name in attested:
                    return Usual(allow(rule, facts=[name]), told=names, until=attested[name])
            if all(name in attested for name in rule.facts):
                until = min(attested[name] for name in rule.facts)
                return Usual(allow(rule, facts=list(rule.facts)), told=names, until=until)
    return None


def compile_hold(rule: HoldRule) -> Judge:
    """A hold that ended, or keeps other contacts away, is as good as none."""
    none, kinds = allow(rule, holds=0), frozenset(rule.hold_kinds)

    def judge(asked: Asked) -> Ruling:
        question = asked.first_question
        for hold in asked.facts.holds:
            if (
                hold.kind in kinds
                and covers(hold, question.channel, question.purpose, debts=question.debts, keys=question.keys)
                and hold.touches(asked.span)
            ):
                return judge_hold(rule, asked.question, asked.facts)
        return none

    return judge


def compile_crew(rule: CrewRule) -> Judge:
    """By the number of different collectors."""
    by_size: dict[int, Ruling] = {}

    def judge(asked: Asked) -> Ruling:
        size = len(set(asked.first_question.crew))
        if size not in by_size:
            by_size[size] = judge_crew(rule, asked.first_question, asked.facts)
        return by_size[size]

    return judge


def compile_closed_day(rule: ClosedDaysRule) -> Judge:
    """An ordinary day, known to the calendar."""
    calendar = rule.calendar
    ordinary = allow(rule, calendar=calendar.id)

    def judge(asked: Asked) -> Ruling:
        dates = asked.dates
        covered = calendar.first <= min(dates) and asked.last_date <= calendar.last
        if asked.zones and covered and dates.isdisjoint(calendar.days):
            return ordinary
        return judge_closed_day(rule, asked.question, asked.facts)

    return judge


def compile_preference(rule: PreferenceRule) -> Judge:
    """Nothing was called inconvenient."""
    nothing = allow(rule, preferences=0)

    def judge(asked: Asked) -> Ruling:
        if asked.zones and asked.facts.inconvenient is not None and not asked.facts.inconvenient:
            return nothing
        return judge_preference(rule, asked.question, asked.facts)

    return judge


def compile_fact(rule: FactRule, *, fixed_rules: bool) -> Judge:
    """By what the answer depends on. `fixed_rules`: the same rules are in force on all dates of the contact."""
    match rule.kind:
        case "party_known":
            return _recalled(rule, _party_key)
        case "case_open":
            return _recalled(rule, lambda asked: (asked.facts.known, asked.facts.case_open, asked.facts.case_version))
        case "jurisdiction_known":
            return _recalled(rule, lambda asked: asked.first_question.jurisdiction)
        case "zones_known":
            return _recalled(rule, lambda asked: asked.zones)
        case "versions_seen":
            return _recalled(rule, _versions_key)
        case "log_current":
            return _compile_log(rule)
        case "channel_has_hours" if fixed_rules:
            return _recalled(rule, lambda asked: _ALWAYS)
        case "balance_owed":
            return _compile_balance(rule)
        case "bound_to_place":
            return _recalled(rule, _place_key)
        case "facts_fresh":
            return _compile_fresh(rule)
        case "window_fits":
            return _compile_fits(rule)
    return lambda asked: judge_fact(rule, asked.question, asked.facts, asked.book)


def _recalled(rule: FactRule, key_of: Callable[[Asked], Hashable | None]) -> Judge:
    """The plain function's answer, recalled by all that it depends on; a key of None is not recalled."""
    recalled: dict[Hashable, Ruling] = {}

    def judge(asked: Asked) -> Ruling:
        key = key_of(asked)
        if key in recalled:
            return recalled[key]
        ruling = judge_fact(rule, asked.question, asked.facts, asked.book)
        if key is not None:
            remember(recalled, key, ruling)
        return ruling

    return judge


def _party_key(asked: Asked) -> Hashable:
    facts, case_id = asked.facts, asked.first_question.case_id
    return facts.known, facts.held, case_id is None or case_id == facts.case_id


def _versions_key(asked: Asked) -> Hashable | None:
    question, facts = asked.first_question, asked.facts
    for kind, version in question.versions.items():
        if seen(kind, question, facts) < version:
            return None
    return tuple(question.versions.items())


def _place_key(asked: Asked) -> Hashable:
    return asked.first_question.device_id is None, asked.first_question.place_cell is None


def _compile_fresh(rule: FactRule) -> Judge:
    """All decisions of one transaction look at the same watermarks at the same moment."""
    last: tuple[object, datetime | None, Ruling | None] = (None, None, None)

    def judge(asked: Asked) -> Ruling:
        nonlocal last
        freshness, real_now = asked.facts.freshness, asked.first_question.real_now
        if freshness.named_by or freshness.silent_feeds or freshness.suspended_feeds:
            return judge_fact(rule, asked.question, asked.facts, asked.book)
        watermarks, moment, ruling = last
        if ruling is None or watermarks is not freshness.watermarks or moment != real_now:
            ruling = judge_fact(rule, asked.question, asked.facts, asked.book)
            last = (freshness.watermarks, real_now, ruling)
        return ruling

    return judge


def _compile_log(rule: FactRule) -> Judge:
    """Nor does the oldest leaf that waits change within a transaction."""
    last: tuple[datetime | None, datetime | None, Ruling | None] = (None, None, None)

    def judge(asked: Asked) -> Ruling:
        nonlocal last
        waits_since, real_now = asked.facts.freshness.log_waits_since, asked.first_question.real_now
        since, moment, ruling = last
        if ruling is None or since != waits_since or (waits_since is not None and moment != real_now):
            ruling = judge_fact(rule, asked.question, asked.facts, asked.book)
            last = (waits_since, real_now, ruling)
        return ruling

    return judge


def _compile_fits(rule: FactRule) -> Judge:
    fits = allow(rule)

    def judge(asked: Asked) -> Ruling:
        (start, end), asking = asked.span, asked.first_question
        if asking.duration <= end - start and asking.duration <= end - max(start, asking.now):
            return fits
        return judge_fact(rule, asked.question, asked.facts, asked.book)

    return judge


def _compile_balance(rule: FactRule) -> Judge:
    """Something is owed, as intake said just now; the ruling's canonical bytes come from a form with two blanks."""
    form = allow(rule, as_of="AS-OF", answer_sha256="ANSWER").encoded()
    before, _, rest = form.partition(b'"ANSWER"')
    between, _, after = rest.partition(b'"AS-OF"')

    def judge(asked: Asked) -> Ruling:
        balance = asked.facts.balance
        if balance is None or not balance.owes or abs(asked.first_question.real_now - balance.as_of) > BALANCE_LIMIT:
            return judge_fact(rule, asked.question, asked.facts, asked.book)
        as_of = format_time(balance.as_of)
        ruling = allow(rule, as_of=as_of, answer_sha256=balance.digest)
        ruling.keep_bytes(b"".join((before, encoded(balance.digest), between, encoded(as_of), after)))
        return ruling

    return judge
