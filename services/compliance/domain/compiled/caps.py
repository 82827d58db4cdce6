"""Caps, compiled: what a rule counts of a history is counted once per history, not once per question."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Final

from services.compliance.domain.canonical import Json
from services.compliance.domain.compiled.asked import Asked
from services.compliance.domain.facts import Counted
from services.compliance.domain.history import Counter, Kept, first_moment
from services.compliance.domain.local_time import midnight_after, window_start
from services.compliance.domain.packs import CapRule, remember
from services.compliance.domain.rules.caps import attested_from, judge_cap, matching, several
from services.compliance.domain.rulings import NEVER, Ruling, allow, deny_after, deny_until

_OF_THE_PERSON: Final = ("person", "institution")


def compile_cap(rule: CapRule, *, windows: Iterable[str]) -> Callable[[Asked], Ruling]:
    """`windows`: those of all caps that are asked together; one look through the history serves them all."""
    window, limit = rule.window, rule.limit
    keyed = any(key not in _OF_THE_PERSON for key in rule.key)
    counts_others, looked_at = rule.counts_others, frozenset(rule.key)
    values: dict[str, Json] = {"limit": limit, "window": window, "unit": rule.unit}
    free: dict[int, Ruling] = {}
    counter_of, refused = _counting(rule, windows), _refusing(rule, values)

    def judge(asked: Asked) -> Ruling:
        facts = asked.facts
        known_from = facts.history_known_from
        since = window_start(window, asked.first_date)
        unresolved = counts_others and facts.unresolved and not looked_at.isdisjoint(facts.unresolved)
        if known_from is not None and counts_others and facts.sharers_known_from:
            known_from = attested_from(rule, asked.first_question, facts, known_from)
        plainly = unresolved or (keyed and several(rule, asked.first_question))
        if not asked.zones or known_from is None or since < known_from or plainly:
            return judge_cap(rule, asked.question, facts)
        counter = counter_of(asked, since)
        if counter is None:
            return judge_cap(rule, asked.question, facts)
        most = counter.busiest(asked.start_dates)
        if most < limit:
            ruling = free.get(most)
            if ruling is None:
                ruling = free[most] = allow(rule, count=most, **values)
            return ruling
        return refused(asked, counter, most)

    return judge


def _counting(rule: CapRule, windows: Iterable[str]) -> Callable[[Asked, date], Counter | None]:
    """What the rule counts of a history since a date, kept with the history as long as it reaches back far enough."""
    together = tuple({rule.window, *windows} - {"ever"})
    looked_at = frozenset(rule.key)
    keys = tuple(key for key in rule.key if key not in _OF_THE_PERSON)
    counts_others = rule.counts_others
    usual = _usually_matching(rule)

    def counter_of(asked: Asked, since: date) -> Counter | None:
        history, wanted = asked.facts.history, asked.first_question.keys
        shared = asked.facts.shared if counts_others else ()
        place: object = (id(rule), id(shared), *(wanted.get(key) for key in keys)) if wanted and keys else id(rule)
        kept = history.counters.get(place)
        if kept is None or since < kept.since:
            # An exchange is counted by its first message, however long ago.
            recent = history if rule.threads else history.recent(min(since, _begin(together, asked.first_date)))
            if usual is None or shared or not looked_at.isdisjoint(wanted):
                matched = matching(rule, (*recent, *shared) if shared else recent, asked.first_question)
                counter = Counter.of(matched, rule.window)
            else:
                counter = Counter.of_contacts(usual(recent, since), rule.window)
            kept = history.counters[place] = Kept(rule, shared, since, counter)
        return kept.counter

    return counter_of


def _refusing(rule: CapRule, values: dict[str, Json]) -> Callable[[Asked, Counter, int], Ruling]:
    """The refusal of a cap that is full, until the first date on which it is not."""
    full: dict[tuple[int, date, tuple[str, ...]], Ruling] = {}

    def refused(asked: Asked, counter: Counter, most: int) -> Ruling:
        detail = f"{most} of {rule.limit} in {rule.window} are used or reserved"
        day = counter.next_free(rule.limit, max(asked.start_dates))
        if day is None:
            return deny_after(rule, NEVER, detail, count=most, **values)
        key = (most, day, asked.zones)
        ruling = full.get(key)
        if ruling is None:
            ruling = deny_until(rule, midnight_after(day, asked.zones), detail, count=most, **values)
            remember(full, key, ruling)
        return ruling

    return refused


@lru_cache(maxsize=4_096)
def _begin(windows: tuple[str, ...], last: date) -> date:
    """The first local date of the longest of the windows that end with `last`."""
    return min((window_start(one, last) for one in windows), default=last)


def _usually_matching(rule: CapRule) -> Callable[[Iterable[Counted], date], list[Counted]] | None:
    """`rules.caps.matching` of contacts that may fall on a date or later, where no key of the rule is asked for; None
    for a rule that looks at more than channel, purpose and outcome."""
    if rule.uncounted or rule.threads:
        return None
    channels, purposes = frozenset(rule.channels), frozenset(rule.purposes_blocked)
    counts: Callable[[Counted], bool] = attrgetter(rule.unit)

    def usual(counted: Iterable[Counted], since: date) -> list[Counted]:
        first = first_moment(since)
        return [
            one
            for one in counted
            if one.channel in channels
            and one.span[1] >= first
            and one.purpose in purposes
            and counts(one)
            and not one.of_another
        ]

    return usual
