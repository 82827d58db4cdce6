"""Caps: at most so many contacts in a window of local dates. The window is the law's, not the programmer's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import product
from typing import Final

from services.compliance.domain.budget_keys import missing_fact, names_of
from services.compliance.domain.canonical import Json
from services.compliance.domain.facts import Counted, PartyFacts, Question
from services.compliance.domain.local_time import local_dates, midnight_after, window_start
from services.compliance.domain.packs import CapRule
from services.compliance.domain.rule_records import Key
from services.compliance.domain.rulings import NEVER, Ruling, allow, deny_after, deny_until, needs

_DAY = timedelta(days=1)
_LONGEST: Final = 3_700
_SHARERS: Final = "party.sharers_known_from"
_THREAD_BUSINESS_DAYS: Final = 2
_NO_KEYS: Final[Mapping[Key, frozenset[str]]] = {}


def judge_cap(rule: CapRule, question: Question, facts: PartyFacts) -> Ruling:
    """One more contact keeps every window at or under the limit.

    A look-back that reaches before the attested history counts as full: contacts nobody attests may have happened then.
    """
    zones = question.candidate_zones(facts)
    if not zones:
        return needs(rule, "party.time_zone", "the person's time zone is not known")
    if facts.history_known_from is None:
        return needs(rule, "party.history_known_from", "since when contacts are attested is not known")
    dates = local_dates(question.span.start, zones)
    if rule.counts_others and (missing := missing_fact(rule.key, facts.unresolved)) is not None:
        return needs(rule, missing, "who else shares the key that the rule counts on is not known")
    values: dict[str, Json] = {"limit": rule.limit, "window": rule.window, "unit": rule.unit}
    known_from = attested_from(rule, question, facts, facts.history_known_from)
    if known_from is None:
        return needs(rule, _SHARERS, "since when contacts with those who share the key are attested is not known")
    attested = attested_on(rule.window, min(dates), known_from)
    if attested is None:
        return deny_after(rule, NEVER, "the look-back reaches before the attested history: counted as full", **values)
    if attested > min(dates):
        moment = midnight_after(attested, zones)
        return deny_until(rule, moment, "the look-back reaches before the attested history: counted as full", **values)
    made = (*facts.counted, *facts.shared) if facts.shared else facts.counted
    counted = matching_each(rule, made, question)
    most = max(busiest(of_one, dates, rule.window) for of_one in counted)
    if most < rule.limit:
        return allow(rule, count=most, **values)
    detail = f"{most} of {rule.limit} in {rule.window} are used or reserved"
    free = next_free(rule.window, rule.limit, counted, max(dates))
    if free is None:
        return deny_after(rule, NEVER, detail, count=most, **values)
    return deny_until(rule, midnight_after(free, zones), detail, count=most, **values)


def several(rule: CapRule, question: Question) -> bool:
    """Whether the contact counts on more than one debt, number or home: the rule allows so many on each of them.

    Several keys of kind `person` are all of one person.
    """
    return any(len(question.keys.get(key, ())) > 1 for key in rule.key if key != "person")


def matching_each(rule: CapRule, counted: Sequence[Counted], question: Question) -> list[list[frozenset[date]]]:
    """What the rule counts on each debt (number, home …) of the contact alone: a limit is on each, not on all together.

    Counted together, two contacts about one debt each and one about both would pass the limit in one order only.
    """
    if not several(rule, question):
        return [matching(rule, counted, question)]
    of_rule = _counted_by(rule, counted)
    kinds = [kind for kind in rule.key if kind != "person" and question.keys.get(kind)]
    found = []
    for values in product(*(sorted(question.keys[kind]) for kind in kinds)):
        alone: dict[Key, frozenset[str]] = {kind: frozenset({value}) for kind, value in zip(kinds, values, strict=True)}
        found.append(_dates_on(rule, of_rule, {**question.keys, **alone}))
    return found


def attested_from(rule: CapRule, question: Question, facts: PartyFacts, own: date) -> date | None:
    """Since when all that the rule counts is attested: the person's own contacts, and those of whoever shares a key."""
    names = names_of({key: question.keys[key] for key in rule.key if rule.counts_others and key in question.keys})
    dates = [facts.sharers_known_from[name] for name in names if name in facts.sharers_known_from]
    known = [day for day in dates if day is not None]
    return max((own, *known)) if len(known) == len(dates) else None


def matching(rule: CapRule, counted: Sequence[Counted], question: Question | None = None) -> list[frozenset[date]]:
    """The local dates of each contact that the rule counts, for the debts, numbers … of the question."""
    return _dates_on(rule, _counted_by(rule, counted), _NO_KEYS if question is None else question.keys)


def _counted_by(rule: CapRule, counted: Sequence[Counted]) -> list[Counted]:
    """What the rule counts, whatever it is about."""
    channels, purposes, unit, uncounted = rule.channels, rule.purposes_blocked, rule.unit, rule.uncounted
    return [
        one
        for one in counted
        if one.channel in channels
        and one.purpose in purposes
        and one.counts_as(unit)
        and not ("consented" in uncounted and one.consented)
        and not ("not_connected" in uncounted and one.not_connected)
    ]


def _dates_on(rule: CapRule, of_rule: Sequence[Counted], keys: Mapping[Key, frozenset[str]]) -> list[frozenset[date]]:
    kept = [
        one
        for one in of_rule
        if (not keys or all(one.shares(key, keys.get(key)) for key in rule.key))
        and (not one.of_another or (rule.counts_others and one.surely_shares(rule.key, keys)))
    ]
    return [one.dates() for one in (_threads_once(kept) if rule.threads else kept)]


def busiest(counted: Sequence[frozenset[date]], dates: frozenset[date], window: str) -> int:
    """The highest count in any window that contains one of `dates`."""
    most = 0
    lasts = {max(one) for one in counted}
    for day in dates:
        for end in {day, *(last for last in lasts if last > day)}:
            first = window_start(window, end)
            if first <= day:
                most = max(most, sum(1 for one in counted if any(first <= date <= end for date in one)))
    return most


def attested_on(window: str, day: date, history_known_from: date) -> date | None:
    """The first date from `day` on whose whole window is attested; None when there is none."""
    for _ in range(_LONGEST):
        if window_start(window, day) >= history_known_from:
            return day
        if window_start(window, day) == date.min:
            return None
        day += _DAY
    return None


def next_free(window: str, limit: int, several: Sequence[Sequence[frozenset[date]]], after: date) -> date | None:
    """The first later date on which one more fits with each of `several`: at the latest when all that is counted has
    left the window."""
    last = max((max(one) for counted in several for one in counted), default=after)
    day = after + _DAY
    while any(busiest(counted, frozenset({day}), window) >= limit for counted in several):
        if window_start(window, day) > last or window_start(window, day) == date.min:
            return None
        day += _DAY
    return day


def _threads_once(counted: Sequence[Counted]) -> list[Counted]:
    """Messages of one exchange within two business days after the first that counts are one contact, if the person
    engaged in it."""
    kept: list[Counted] = []
    open_threads: dict[str, date] = {}
    for one in sorted(counted, key=lambda each: each.span.start):
        if one.thread is None or not one.conversation:
            kept.append(one)
            continue
        until = open_threads.get(one.thread)
        if until is None or max(one.dates()) > until:
            open_threads[one.thread] = _business_days_after(min(one.dates()), _THREAD_BUSINESS_DAYS)
            kept.append(one)
    return kept


def _business_days_after(day: date, count: int) -> date:
    """Saturdays and Sundays do not count; public holidays do, which makes the exchange shorter, never longer."""
    while count:
        day += _DAY
        count -= day.weekday() < 5
    return day
