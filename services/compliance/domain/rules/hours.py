"""Hours: the whole contact lies inside the allowed hours in every zone where the person may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from services.compliance.domain.facts import Inconvenient, Override, PartyFacts, Question
from services.compliance.domain.local_time import Span, hours_on, intersection, local_date, midnight_after
from services.compliance.domain.packs import HoursRule, Rule
from services.compliance.domain.rule_records import ClosedDaysRule, PreferenceRule
from services.compliance.domain.rulings import NEVER, Ruling, allow, deny_after, deny_until, needs

SEARCH_DAYS = 8
_DAY = timedelta(days=1)


def judge_hours(rule: HoursRule, question: Question, facts: PartyFacts) -> Ruling:
    """Arrival to departure inside [opens, closes) in every candidate zone; unknown zones need the fact.

    Where the rule lets the person consent, hours that the person agreed to are lawful as well.
    """
    zones = question.candidate_zones(facts)
    if not zones:
        return needs(rule, "party.time_zone", "the person's time zone is not known")
    if within_hours(rule, question.span, zones):
        return allow(rule, opens=f"{rule.opens:%H:%M}", closes=f"{rule.closes:%H:%M}", zones=list(zones))
    agreed = agreed_hours(rule, facts)
    for one in agreed:
        if _inside_agreed(one, question.span, zones):
            return allow(rule, consent=str(one.evidence), zones=list(zones))
    opens, closes = rule.hours_of(local_date(question.span.start, zones[0]))
    detail = f"not wholly inside {opens:%H:%M}-{closes:%H:%M} in {', '.join(zones)}"
    opening = _next_opening(rule, agreed, question, zones)
    if opening is None:
        return deny_after(rule, NEVER, detail, zones=list(zones))
    return deny_until(rule, opening, detail, zones=list(zones))


def judge_closed_day(rule: ClosedDaysRule, question: Question, facts: PartyFacts) -> Ruling:
    """Not on a day off, in any zone; beyond the calendar nobody knows which days are off."""
    zones = question.candidate_zones(facts)
    if not zones:
        return needs(rule, "party.time_zone", "the person's time zone is not known")
    dates = question.local_dates(facts)
    calendar = rule.calendar
    if min(dates) < calendar.first or max(dates) > calendar.last:
        day = min(dates) if min(dates) < calendar.first else max(dates)
        detail = f"the calendar {calendar.id} does not cover the date"
        return needs(rule, "calendar.loaded", detail, calendar=calendar.id, day=day.isoformat())
    if dates.isdisjoint(calendar.days):
        return allow(rule, calendar=calendar.id)
    day = max(dates) + _DAY
    while day in calendar.days:
        day += _DAY
    return deny_until(rule, midnight_after(day, zones), "a day off", calendar=calendar.id)


def judge_preference(rule: PreferenceRule, question: Question, facts: PartyFacts) -> Ruling:
    """Not at a time or on a channel that the person called inconvenient. What is recorded as such wins over consent."""
    if facts.inconvenient is None:
        return needs(rule, "preferences.read", "what the person called inconvenient is not known")
    zones = question.candidate_zones(facts)
    if not zones:
        return needs(rule, "party.time_zone", "the person's time zone is not known")
    touched = [
        span
        for one in facts.inconvenient
        if question.channel in one.channels
        for span in _inconvenient_spans(one, question, facts, zones)
        if span is None or (span.start < question.span.end and question.span.start < span.end)
    ]
    if not touched:
        return allow(rule, preferences=len(facts.inconvenient))
    ends = [span.end for span in touched if span is not None]
    if len(ends) < len(touched):
        return deny_after(rule, "customer.requested", "the person wants no contact on this channel")
    return deny_until(rule, max(ends), "at a time that the person called inconvenient")


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


def agreed_hours(rule: HoursRule, facts: PartyFacts) -> list[Override]:
    """Hours that the person agreed to beyond the rule's, if the rule can be passed so."""
    if rule.override != "consent":
        return []
    return [one for one in facts.overrides.get(rule.id, ()) if one.by == "consent" and one.opens and one.closes]


def _hours(rule: HoursRule, day: date, zone: str) -> Span:
    opens, closes = rule.hours_of(day)
    return hours_on(day, opens=opens, closes=closes, zone_name=zone)


def _agreed_on(one: Override, day: date, zone: str) -> Span:
    if one.opens is None or one.closes is None:
        return one.valid
    return intersection([hours_on(day, opens=one.opens, closes=one.closes, zone_name=zone), one.valid])


def _inside_agreed(one: Override, span: Span, zones: Sequence[str]) -> bool:
    return all(_agreed_on(one, local_date(span.start, zone), zone).holds(span) for zone in zones)


def _inconvenient_spans(
    one: Inconvenient, question: Question, facts: PartyFacts, zones: Sequence[str]
) -> list[Span | None]:
    """Spans of the contact's dates; None: always. Read wide: from the earlier to the later reading of each clock."""
    if one.opens is None or one.closes is None:
        return [None]
    return [
        hours_on(day, opens=one.opens, closes=one.closes, zone_name=zone, widest=True)
        for day in question.local_dates(facts)
        for zone in zones
    ]


def _next_opening(
    rule: HoursRule, agreed: Sequence[Override], question: Question, zones: Sequence[str]
) -> datetime | None:
    """The first moment after the question's start from which a contact of its duration fits in all zones.

    Candidates are the openings of each zone: the common span, if any, begins with one of them.
    """
    start = question.span.start
    days = [(local_date(start, zone) + timedelta(days=days), zone) for zone in zones for days in range(SEARCH_DAYS)]
    openings = {_hours(rule, day, zone).start for day, zone in days}
    openings |= {_agreed_on(one, day, zone).start for one in agreed for day, zone in days}
    for moment in sorted(openings):
        span = Span(moment, moment + question.duration)
        if moment > start and (
            within_hours(rule, span, zones) or any(_inside_agreed(one, span, zones) for one in agreed)
        ):
            return moment
    return None
