"""Hours: the whole contact lies inside the allowed hours in every zone where the person may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.local_time import Span, hours_on, intersection, local_date
from services.compliance.domain.packs import HoursRule, Rule
from services.compliance.domain.rulings import NEVER, Ruling, allow, deny_after, deny_until, needs

_SEARCH_DAYS = 8


def judge_hours(rule: HoursRule, question: Question, facts: PartyFacts) -> Ruling:
    """Arrival to departure inside [opens, closes) in every candidate zone; unknown zones need the fact."""
    zones = question.candidate_zones(facts)
    if not zones:
        return needs(rule, "party.time_zone", "the person's time zone is not known")
    if within_hours(rule, question.span, zones):
        return allow(rule, opens=f"{rule.opens:%H:%M}", closes=f"{rule.closes:%H:%M}", zones=list(zones))
    detail = f"not wholly inside {rule.opens:%H:%M}-{rule.closes:%H:%M} in {', '.join(zones)}"
    opening = _next_opening(rule, question, zones)
    if opening is None:
        return deny_after(rule, NEVER, detail, zones=list(zones))
    return deny_until(rule, opening, detail, zones=list(zones))


def within_hours(rule: HoursRule, span: Span, zones: Iterable[str]) -> bool:
    """Whether `span` lies inside the hours of its own local date in each zone."""
    return all(_hours(rule, local_date(span.start, zone), zone).holds(span) for zone in zones)


def lawful_span(rules: Sequence[HoursRule], day: date, zones: Sequence[str]) -> Span:
    """The part of the local date `day` that every rule allows in every zone.

    Of no positive length when there is none.
    """
    return intersection(_hours(rule, day, zone) for rule in rules for zone in zones)


def hours_rules(rules: Iterable[Rule], question: Question) -> list[HoursRule]:
    """The hours rules that speak of the question's channel."""
    return [rule for rule in rules if isinstance(rule, HoursRule) and question.channel in rule.channels]


def _hours(rule: HoursRule, day: date, zone: str) -> Span:
    return hours_on(day, opens=rule.opens, closes=rule.closes, zone_name=zone)


def _next_opening(rule: HoursRule, question: Question, zones: Sequence[str]) -> datetime | None:
    """The first moment after the question's start from which a contact of its duration fits in all zones.

    Candidates are the openings of each zone: the common span, if any, begins with one of them.
    """
    start = question.span.start
    openings = {
        _hours(rule, local_date(start, zone) + timedelta(days=days), zone).start
        for zone in zones
        for days in range(_SEARCH_DAYS)
    }
    for moment in sorted(openings):
        if moment > start and within_hours(rule, Span(moment, moment + question.duration), zones):
            return moment
    return None
