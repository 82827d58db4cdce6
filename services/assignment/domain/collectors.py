"""Collectors, their training and the pairs they work in. A certificate is a lock: without it nobody is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.events.base import TimeWindow
from shared.geo import Point

HOME_VISIT_TRAINING: Final = "home_visit"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Proof of a training: valid from the first to the last day, both included."""

    kind: str
    reference: str
    valid_from: date
    valid_to: date

    def valid_on(self, day: date) -> bool:
        """Whether it is valid on `day`."""
        return self.valid_from <= day <= self.valid_to


@dataclass(frozen=True, kw_only=True)
class Collector:
    """A member of staff who may visit. `languages` are ISO 639 codes."""

    collector_id: UUID
    staff_ref: str
    name: str
    languages: frozenset[str]
    certificates: tuple[Certificate, ...]
    active: bool = True

    def refusal_on(self, day: date) -> str | None:
        """Why the collector may not be sent out on `day`: `inactive`, `certificate_missing`, `certificate_expired`."""
        if not self.active:
            return "inactive"
        trainings = [held for held in self.certificates if held.kind == HOME_VISIT_TRAINING]
        if not trainings:
            return "certificate_missing"
        return None if any(held.valid_on(day) for held in trainings) else "certificate_expired"


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Working hours of one local day, in the pair's zone."""

    start: time
    end: time
    time_zone: str

    def span_on(self, day: date) -> TimeWindow:
        """The shift of `day` in UTC. Elapsed hours, not wall-clock hours, on days when the clocks change."""
        zone = ZoneInfo(self.time_zone)
        return TimeWindow(start=_utc(day, self.start, zone), end=_utc(day, self.end, zone))

    def moment_on(self, day: date, at: time) -> datetime:
        """A local time of `day` in UTC."""
        return _utc(day, at, ZoneInfo(self.time_zone))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two collectors who go out together, with one device, from one place, in one shift."""

    pair_id: UUID
    collectors: tuple[UUID, UUID]
    device_id: str
    home: Point
    shift: Shift
    active: bool = True


@dataclass(frozen=True, kw_only=True)
class ReadyPair:
    """A pair that passed the lock for a day, with what the router needs."""

    pair: Pair
    languages: frozenset[str]


def ready_pairs(
    pairs: list[Pair], collectors: dict[UUID, Collector], day: date
) -> tuple[list[ReadyPair], dict[UUID, str]]:
    """Pairs that may go out on `day`, and for each other pair the reason why not.

    A person can stand at one door at a time, so a collector who is in several active pairs goes with the first by id.
    """
    ready: list[ReadyPair] = []
    refused: dict[UUID, str] = {}
    taken: set[UUID] = set()
    for pair in sorted(pairs, key=lambda each: each.pair_id):
        reason = "inactive" if not pair.active else _crew_refusal(pair, collectors, taken, day)
        if reason is not None:
            refused[pair.pair_id] = reason
            continue
        taken.update(pair.collectors)
        languages = frozenset().union(*(collectors[member].languages for member in pair.collectors))
        ready.append(ReadyPair(pair=pair, languages=languages))
    return ready, refused


def _crew_refusal(pair: Pair, collectors: dict[UUID, Collector], taken: set[UUID], day: date) -> str | None:
    for member in pair.collectors:
        collector = collectors.get(member)
        if collector is None:
            return "collector_unknown"
        if member in taken:
            return "collector_in_another_pair"
        reason = collector.refusal_on(day)
        if reason is not None:
            return reason
    return None


def _utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
