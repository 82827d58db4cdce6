"""The routing problem of one area and day as the solver sees it, and what the solver answers.

By itself, for the solver's process reads nothing else: the words of the events would be half of what its start costs.
"""

from __future__ import annotations

from dataclasses import dataclass

Span = tuple[int, int]
Matrix = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A visit as the solver sees it; `starts` are inclusive spans in which the service may begin."""

    site: int
    service_seconds: int
    starts: tuple[Span, ...]
    skills: tuple[int, ...]
    priority: int


@dataclass(frozen=True, kw_only=True)
class Rest:
    """The one floating break; `starts` bounds its beginning."""

    starts: Span
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Vehicle:
    """A pair as the solver sees it: leaves from and returns to its site within the shift."""

    site: int
    shift: Span
    skills: tuple[int, ...]
    rest: Rest | None


@dataclass(frozen=True, kw_only=True)
class RoutingProblem:
    """One area and day. Sites index the matrix: first the vehicles' in order, then the jobs'."""

    seconds: Matrix
    jobs: tuple[Job, ...]
    vehicles: tuple[Vehicle, ...]
    exploration_level: int


@dataclass(frozen=True, kw_only=True)
class RoutedStop:
    """A job on a route and when its service begins."""

    job: int
    start: int


@dataclass(frozen=True, kw_only=True)
class Route:
    """One vehicle's day."""

    vehicle: int
    departs: int
    returns: int
    stops: tuple[RoutedStop, ...]
    rest_start: int | None


@dataclass(frozen=True, kw_only=True)
class RoutingSolution:
    """What the solver answered; `unassigned` are job indexes."""

    routes: tuple[Route, ...]
    unassigned: tuple[int, ...]
