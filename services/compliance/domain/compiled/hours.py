"""Hours, compiled: what a rule allows on a date in a zone is worked out once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Final

from services.compliance.domain.compiled.asked import Asked
from services.compliance.domain.local_time import Span, hours_on, local_date
from services.compliance.domain.packs import HoursRule, remember
from services.compliance.domain.rules.hours import SEARCH_DAYS, judge_hours
from services.compliance.domain.rulings import Ruling, allow, deny_until

_DAYS: Final = tuple(timedelta(days=days) for days in range(SEARCH_DAYS))


class Hours:
    """The hours of one rule by date and zone."""

    def __init__(self, rule: HoursRule) -> None:
        self.rule = rule
        self._spans: dict[tuple[date, str], Span] = {}

    def on(self, day: date, zone: str) -> Span:
        """What the rule allows there on that local date."""
        span = self._spans.get((day, zone))
        if span is None:
            opens, closes = self.rule.hours_of(day)
            span = hours_on(day, opens=opens, closes=closes, zone_name=zone)
            remember(self._spans, (day, zone), span)
        return span

    def holds(self, start: datetime, end: datetime, zones: tuple[str, ...]) -> bool:
        """Whether [start, end) lies inside the hours of its own local date in each zone."""
        for zone in zones:
            opening, closing = self.on(local_date(start, zone), zone)
            if start < opening or closing < end:
                return False
        return True

    def next_opening(self, asked: Asked, duration: timedelta) -> datetime | None:
        """The first opening after the contact's start from which `duration` fits in all zones."""
        start, zones = asked.span.start, asked.zones
        openings: Iterable[datetime]
        if len(zones) == 1:  # then later dates open later
            openings = (self.on(asked.start_days[0] + later, zones[0]).start for later in _DAYS)
        else:
            first_days = zip(asked.start_days, zones, strict=True)
            openings = sorted({self.on(day + later, zone).start for day, zone in first_days for later in _DAYS})
        for moment in openings:
            if moment > start and self.holds(moment, moment + duration, zones):
                return moment
        return None


def compile_hours(rule: HoursRule) -> Callable[[Asked], Ruling]:
    """Inside the hours, or refused until the next opening; what the person agreed to goes to the plain function."""
    hours = Hours(rule)
    inside: dict[tuple[str, ...], Ruling] = {}
    outside: dict[tuple[tuple[str, ...], date, datetime], Ruling] = {}

    def judge(asked: Asked) -> Ruling:
        zones, (start, end) = asked.zones, asked.span
        if not zones or (rule.id in asked.facts.overrides and not hours.holds(start, end, zones)):
            return judge_hours(rule, asked.question, asked.facts)
        for day, zone in zip(asked.start_days, zones, strict=True):
            opening, closing = hours.on(day, zone)
            if start < opening or closing < end:
                return refused(asked)
        ruling = inside.get(zones)
        if ruling is None:
            ruling = allow(rule, opens=f"{rule.opens:%H:%M}", closes=f"{rule.closes:%H:%M}", zones=list(zones))
            remember(inside, zones, ruling)
        return ruling

    def refused(asked: Asked) -> Ruling:
        opening = hours.next_opening(asked, asked.first_question.duration)
        if opening is None:
            return judge_hours(rule, asked.question, asked.facts)
        key = (asked.zones, asked.start_days[0], opening)
        ruling = outside.get(key)
        if ruling is None:
            opens, closes = rule.hours_of(asked.start_days[0])
            detail = f"not wholly inside {opens:%H:%M}-{closes:%H:%M} in {', '.join(asked.zones)}"
            ruling = deny_until(rule, opening, detail, zones=list(asked.zones))
            remember(outside, key, ruling)
        return ruling

    return judge
