"""Hours, compiled: what a rule allows on a date in a zone is worked out once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from services.compliance.domain.compiled.asked import Asked
from services.compliance.domain.local_time import Span, hours_on, intersection, local_date
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


class HoursJudge:
    """Inside the hours, or refused until the next opening; what the person agreed to goes to the plain function."""

    def __init__(self, rule: HoursRule) -> None:
        self.hours = Hours(rule)
        self._rule = rule
        self._inside: dict[tuple[str, ...], Ruling] = {}
        self._outside: dict[tuple[tuple[str, ...], date, datetime], Ruling] = {}
        # In one zone the next opening depends on the date, and on whether that date's is still to come.
        self._outside_of_one: dict[tuple[str, date, timedelta, bool], Ruling] = {}

    def __call__(self, asked: Asked) -> Ruling:
        """The rule's answer."""
        rule, zones, (start, end) = self._rule, asked.zones, asked.span
        if not zones or (rule.id in asked.facts.overrides and not self.hours.holds(start, end, zones)):
            return judge_hours(rule, asked.question, asked.facts)
        for day, zone in zip(asked.start_days, zones, strict=True):
            opening, closing = self.hours.on(day, zone)
            if start < opening or closing < end:
                return self._refused_in_one(asked, early=start < opening) if len(zones) == 1 else self._refused(asked)
        return self.inside(zones)

    def inside(self, zones: tuple[str, ...]) -> Ruling:
        """What it answers about a contact inside the hours of these zones."""
        ruling = self._inside.get(zones)
        if ruling is None:
            rule = self._rule
            ruling = allow(rule, opens=f"{rule.opens:%H:%M}", closes=f"{rule.closes:%H:%M}", zones=list(zones))
            remember(self._inside, zones, ruling)
        return ruling

    def _refused_in_one(self, asked: Asked, *, early: bool) -> Ruling:
        """Of a person in one zone; `early`: before the opening of the date on which the contact begins."""
        key = (asked.zones[0], asked.first_date, asked.first_question.duration, early)
        ruling = self._outside_of_one.get(key)
        if ruling is None:
            ruling = self._refused(asked)
            if ruling.earliest.at is not None:  # else the plain function was asked, which looks at more
                remember(self._outside_of_one, key, ruling)
        return ruling

    def _refused(self, asked: Asked) -> Ruling:
        rule = self._rule
        opening = self.hours.next_opening(asked, asked.first_question.duration)
        if opening is None:
            return judge_hours(rule, asked.question, asked.facts)
        key = (asked.zones, asked.start_days[0], opening)
        ruling = self._outside.get(key)
        if ruling is None:
            opens, closes = rule.hours_of(asked.start_days[0])
            detail = f"not wholly inside {opens:%H:%M}-{closes:%H:%M} in {', '.join(asked.zones)}"
            ruling = deny_until(rule, opening, detail, zones=list(asked.zones))
            remember(self._outside, key, ruling)
        return ruling


class HoursTogether:
    """All hours rules that are asked of one contact: inside what they share, none of them is asked by itself."""

    def __init__(self, judges: Sequence[tuple[int, HoursJudge]]) -> None:
        self._judges = judges
        self._shared: dict[tuple[date, str], Span] = {}
        self._inside: dict[str, tuple[tuple[int, Ruling], ...]] = {}

    def inside(self, asked: Asked) -> tuple[tuple[int, Ruling], ...] | None:
        """The rulings by their place, where the person is in one zone and the contact inside the hours of all rules;
        None: ask each."""
        if len(asked.zones) != 1:
            return None
        day, zone = asked.start_days[0], asked.zones[0]
        shared = self._shared.get((day, zone))
        if shared is None:
            shared = intersection(judge.hours.on(day, zone) for _, judge in self._judges)
            remember(self._shared, (day, zone), shared)
        if asked.span[0] < shared[0] or shared[1] < asked.span[1]:
            return None
        found = self._inside.get(zone)
        if found is None:
            found = tuple((place, judge.inside(asked.zones)) for place, judge in self._judges)
            remember(self._inside, zone, found)
        return found
