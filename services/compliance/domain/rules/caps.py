"""Caps: at most so many contacts in so many consecutive local dates. The window is the law's, not the programmer's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from services.compliance.domain.canonical import Json
from services.compliance.domain.facts import Counted, PartyFacts, Question
from services.compliance.domain.local_time import local_dates, midnight_after
from services.compliance.domain.packs import CapRule
from services.compliance.domain.rulings import NEVER, Ruling, allow, deny_after, deny_until, needs

_DAY = timedelta(days=1)


def judge_cap(rule: CapRule, question: Question, facts: PartyFacts) -> Ruling:
    """One more contact keeps every window of `window_days` local dates at or under the limit.

    A look-back that reaches before the attested history counts as full: contacts nobody attests may have happened then.
    """
    zones = question.candidate_zones(facts)
    if not zones:
        return needs(rule, "party.time_zone", "the person's time zone is not known")
    if facts.history_known_from is None:
        return needs(rule, "party.history_known_from", "since when contacts are attested is not known")
    dates = local_dates(question.span.start, zones)
    counted = matching(rule, facts.counted)
    values: dict[str, Json] = {"limit": rule.limit, "window_days": rule.window_days, "unit": rule.unit}
    attested_from = facts.history_known_from + _DAY * (rule.window_days - 1)
    if min(dates) < attested_from:
        moment = midnight_after(attested_from, zones)
        return deny_until(rule, moment, "the look-back reaches before the attested history: counted as full", **values)
    most = busiest(counted, dates, rule.window_days)
    if most < rule.limit:
        return allow(rule, count=most, **values)
    detail = f"{most} of {rule.limit} in {rule.window_days} local dates are used or reserved"
    free = _next_free(rule, counted, max(dates))
    if free is None:
        return deny_after(rule, NEVER, detail, count=most, **values)
    return deny_until(rule, midnight_after(free, zones), detail, count=most, **values)


def matching(rule: CapRule, counted: Sequence[Counted]) -> list[frozenset[date]]:
    """The local dates of each contact that the rule counts."""
    return [
        one.dates()
        for one in counted
        if one.channel in rule.channels and one.purpose in rule.purposes_blocked and one.counts_as(rule.unit)
    ]


def busiest(counted: Sequence[frozenset[date]], dates: frozenset[date], window_days: int) -> int:
    """The highest count in any window of `window_days` dates that contains one of `dates`."""
    reach = _DAY * (window_days - 1)
    ends = {end for day in dates for end in (day, *(max(one) for one in counted)) if day <= end <= day + reach}
    return max(sum(1 for one in counted if any(end - reach <= day <= end for day in one)) for end in ends)


def _next_free(rule: CapRule, counted: Sequence[frozenset[date]], after: date) -> date | None:
    """The first later date on which one more fits: at the latest when every counted contact has left the window."""
    last = max((max(one) for one in counted), default=after)
    day = after + _DAY
    while day <= last + _DAY * rule.window_days:
        if busiest(counted, frozenset({day}), rule.window_days) < rule.limit:
            return day
        day += _DAY
    return None
