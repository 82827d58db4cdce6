"""Closures for the usual case of each kind of rule. What is not usual goes to the plain function."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from datetime import date, datetime
from typing import Final

from services.compliance.domain.canonical import Json
from services.compliance.domain.compiled.asked import Asked
from services.compliance.domain.history import Counter, Kept
from services.compliance.domain.local_time import midnight_after, window_start
from services.compliance.domain.packs import CapRule, CrewRule, HoldRule, remember
from services.compliance.domain.rule_records import (
    ClosedDaysRule,
    FactName,
    FactRule,
    LetterRule,
    PreferenceRule,
    RequiresRule,
)
from services.compliance.domain.rules.caps import attested_from, judge_cap, matching
from services.compliance.domain.rules.crew import judge_crew
from services.compliance.domain.rules.holds import judge_hold
from services.compliance.domain.rules.hours import judge_closed_day, judge_preference
from services.compliance.domain.rules.known import judge_fact, versions_behind
from services.compliance.domain.rules.required import judge_letter, judge_required
from services.compliance.domain.rulings import NEVER, Ruling, allow, deny_after, deny_until

Judge = Callable[[Asked], Ruling]
_ALWAYS: Final = "always"
_LOG_COVERED: Final = "covered"


def on_no_hold(rule: HoldRule) -> Ruling:
    """What the rule answers about a person on no hold."""
    return allow(rule, holds=0)


def compile_hold(rule: HoldRule) -> Judge:
    """A hold of another kind is as good as none."""
    none = on_no_hold(rule)
    kinds = frozenset(rule.hold_kinds)

    def judge(asked: Asked) -> Ruling:
        for hold in asked.facts.holds:
            if hold.kind in kinds:
                return judge_hold(rule, asked.question, asked.facts)
        return none

    return judge


def compile_cap(rule: CapRule) -> Judge:
    """What the rule counts of a history is counted once per history, not once per question."""
    window, limit = rule.window, rule.limit
    keys = tuple(key for key in rule.key if key not in ("person", "institution"))
    counts_others = rule.counts_others
    values: dict[str, Json] = {"limit": limit, "window": window, "unit": rule.unit}
    free: dict[int, Ruling] = {}

    def counter_of(asked: Asked, since: date) -> Counter | None:
        history, wanted = asked.facts.history, asked.first_question.keys
        shared = asked.facts.shared if counts_others else ()
        place: object = (id(rule), id(shared), *(wanted.get(key) for key in keys)) if wanted and keys else id(rule)
        kept = history.counters.get(place)
        if kept is None or since < kept.since:
            # An exchange is counted by its first message, however long ago.
            recent = history if rule.threads else history.recent(since)
            counted = matching(rule, (*recent, *shared) if shared else recent, asked.first_question)
            kept = history.counters[place] = Kept(rule, shared, since, Counter.of(counted, window))
        return kept.counter

    def judge(asked: Asked) -> Ruling:
        known_from = asked.facts.history_known_from
        since = window_start(window, min(asked.start_dates))
        unresolved = counts_others and asked.facts.unresolved
        if known_from is not None and counts_others and asked.facts.sharers_known_from:
            known_from = attested_from(rule, asked.first_question, asked.facts, known_from)
        if not asked.zones or known_from is None or since < known_from or unresolved:
            return judge_cap(rule, asked.question, asked.facts)
        counter = counter_of(asked, since)
        if counter is None:
            return judge_cap(rule, asked.question, asked.facts)
        most = counter.busiest(asked.start_dates)
        if most < limit:
            if most not in free:
                free[most] = allow(rule, count=most, **values)
            return free[most]
        detail = f"{most} of {limit} in {window} are used or reserved"
        day = counter.next_free(limit, max(asked.start_dates))
        if day is None:
            return deny_after(rule, NEVER, detail, count=most, **values)
        return deny_until(rule, midnight_after(day, asked.zones), detail, count=most, **values)

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


def compile_required(rule: RequiresRule, *, attested: Mapping[FactName, date]) -> Judge:
    """All is attested by the bank and nothing else was told."""
    names = frozenset((*rule.facts, *rule.unless))
    instead = [(attested[name], allow(rule, facts=[name])) for name in rule.unless if name in attested]
    until = min(attested.get(name, date.min) for name in rule.facts)
    satisfied = allow(rule, facts=list(rule.facts))
    immediate = rule.grace_days is None

    def judge(asked: Asked) -> Ruling:
        told = asked.facts.told
        if immediate and (not told or names.isdisjoint(told)):
            for last, ruling in instead:
                if asked.last_date <= last:
                    return ruling
            if asked.last_date <= until:
                return satisfied
        return judge_required(rule, asked.question, asked.facts, asked.book)

    return judge


def compile_letter(rule: LetterRule) -> Judge:
    """No letter, nothing to contain."""
    none = allow(rule)

    def judge(asked: Asked) -> Ruling:
        if asked.first_question.channel != "letter":
            return none
        return judge_letter(rule, asked.question, asked.facts)

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
            return _recalled(
                rule, lambda asked: _LOG_COVERED if asked.facts.freshness.log_waits_since is None else None
            )
        case "channel_has_hours" if fixed_rules:
            return _recalled(rule, lambda asked: _ALWAYS)
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
    versions = asked.first_question.versions
    if not versions:
        return ()
    return None if versions_behind(asked.first_question, asked.facts) else tuple(versions.items())


def _place_key(asked: Asked) -> Hashable:
    return asked.first_question.device_id is None, asked.first_question.place_cell is None


def _compile_fresh(rule: FactRule) -> Judge:
    """All decisions of one transaction look at the same watermarks at the same moment."""
    last: tuple[object, datetime | None, Ruling | None] = (None, None, None)

    def judge(asked: Asked) -> Ruling:
        nonlocal last
        freshness, real_now = asked.facts.freshness, asked.first_question.real_now
        if freshness.named_by or freshness.silent_feeds:
            return judge_fact(rule, asked.question, asked.facts, asked.book)
        watermarks, moment, ruling = last
        if ruling is None or watermarks is not freshness.watermarks or moment != real_now:
            ruling = judge_fact(rule, asked.question, asked.facts, asked.book)
            last = (freshness.watermarks, real_now, ruling)
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
