"""The routing problem of one area and day, what the solver answered, and what both mean.

Times are whole seconds after `origin`. Libraries bound the *start* of a service, the law bounds the whole visit: the
latest start is the legal end less the stay (routing.md 3d). The solver gives no reason for what it leaves out, so the
reason is computed here, and every plan is checked here before anybody acts on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from services.assignment.domain.collectors import ReadyPair
from services.assignment.domain.policy import BreakPolicy, SelectionPolicy, VisitPolicy
from services.assignment.domain.routing_problem import (
    Job,
    Rest,
    Route,
    RoutingProblem,
    RoutingSolution,
    Span,
    Vehicle,
)
from services.assignment.domain.travel import TravelMatrix
from shared.events.base import TimeWindow
from shared.geo import Point


@dataclass(frozen=True, kw_only=True)
class Call:
    """One person who may be visited: exact place, lawful spans (arrival to departure), language."""

    party_id: UUID
    place: Point
    windows: tuple[TimeWindow, ...]
    language: str


@dataclass(frozen=True, kw_only=True)
class RouteFigures:
    """Kilometres and minutes of one route, in metres and seconds."""

    metres: int
    travel_seconds: int
    service_seconds: int
    duration_seconds: int


def origin_of(pairs: Sequence[ReadyPair], day: date) -> datetime:
    """Second zero of the area's plan: the earliest shift start."""
    return min(each.pair.shift.span_on(day).start for each in pairs)


def build_problem(
    calls: Sequence[Call], pairs: Sequence[ReadyPair], travel: TravelMatrix, *, day: date, policy: SelectionPolicy
) -> RoutingProblem:
    """The problem of `calls` (best first) and `pairs`; the matrix covers the pairs' homes, then the calls' places."""
    origin = origin_of(pairs, day)
    languages = sorted({call.language for call in calls} | {one for each in pairs for one in each.languages})
    skill = {language: number for number, language in enumerate(languages)}
    service_seconds = policy.visit.duration_minutes * 60
    capacity = len(pairs) * policy.day.visits_per_pair
    jobs = tuple(
        Job(
            site=len(pairs) + index,
            service_seconds=service_seconds,
            starts=_starts(call.windows, service_seconds, origin),
            skills=(skill[call.language],),
            # Lexicographic in the solver (before cost), so only one step: chosen before reserve (routing.md 3d).
            priority=10 if index < capacity else 0,
        )
        for index, call in enumerate(calls)
    )
    vehicles = tuple(
        Vehicle(
            site=index,
            shift=_span(each.pair.shift.span_on(day), origin),
            skills=tuple(sorted(skill[one] for one in each.languages)),
            rest=_rest(each, day, origin, policy.break_),
        )
        for index, each in enumerate(pairs)
    )
    return RoutingProblem(
        seconds=travel.seconds, jobs=jobs, vehicles=vehicles, exploration_level=policy.day.exploration_level
    )


def violations(problem: RoutingProblem, solution: RoutingSolution) -> list[str]:
    """Everything wrong with a plan; empty when it can be driven as planned."""
    found: list[str] = []
    served = [stop.job for route in solution.routes for stop in route.stops]
    if sorted([*served, *solution.unassigned]) != list(range(len(problem.jobs))):
        found.append("not every job is exactly once on a route or unassigned")
    if len({route.vehicle for route in solution.routes}) != len(solution.routes):
        found.append("a vehicle drives two routes")
    for route in solution.routes:
        found += [f"vehicle {route.vehicle}: {text}" for text in _route_violations(problem, route)]
    return found


def _route_violations(problem: RoutingProblem, route: Route) -> list[str]:
    vehicle = problem.vehicles[route.vehicle]
    found: list[str] = []
    site, free_at, rested = vehicle.site, route.departs, vehicle.rest is None
    if route.departs < vehicle.shift[0] or route.returns > vehicle.shift[1]:
        found.append("outside the shift")
    for stop in route.stops:
        job = problem.jobs[stop.job]
        needed = problem.seconds[site][job.site]
        if not rested and _rest_before(vehicle, route, stop.start):
            needed, rested = needed + _rest_seconds(vehicle), True
            if (route.rest_start or 0) < free_at:
                found.append("rest during a visit")
        if free_at + needed > stop.start:
            found.append(f"job {stop.job} cannot be reached in time")
        if not any(first <= stop.start <= last for first, last in job.starts):
            found.append(f"job {stop.job} begins outside its windows")
        if not set(job.skills) <= set(vehicle.skills):
            found.append(f"job {stop.job} needs a skill that the pair lacks")
        site, free_at = job.site, stop.start + job.service_seconds
    home = problem.seconds[site][vehicle.site] + (0 if rested else _rest_seconds(vehicle))
    if free_at + home > route.returns:
        found.append("cannot be home in time")
    rest = vehicle.rest
    if rest is not None and (route.rest_start is None or not rest.starts[0] <= route.rest_start <= rest.starts[1]):
        found.append("rest is missing or outside its hours")
    return found


def _rest_before(vehicle: Vehicle, route: Route, moment: int) -> bool:
    return route.rest_start is not None and route.rest_start + _rest_seconds(vehicle) <= moment


def _rest_seconds(vehicle: Vehicle) -> int:
    return vehicle.rest.seconds if vehicle.rest is not None else 0


def figures(problem: RoutingProblem, route: Route, travel: TravelMatrix) -> RouteFigures:
    """Kilometres and minutes of a route, way out and way home included."""
    sites = [problem.vehicles[route.vehicle].site]
    sites += [problem.jobs[stop.job].site for stop in route.stops]
    sites.append(sites[0])
    legs = list(pairwise(sites))
    return RouteFigures(
        metres=sum(travel.metres[a][b] for a, b in legs),
        travel_seconds=sum(travel.seconds[a][b] for a, b in legs),
        service_seconds=sum(problem.jobs[stop.job].service_seconds for stop in route.stops),
        duration_seconds=route.returns - route.departs,
    )


def unassigned_reason(problem: RoutingProblem, job_index: int) -> str:
    """Why a job could not be placed: `no_pair_speaks_language`, `window_unreachable` or `capacity`.

    Unreachable: no pair can be there in its lawful hours and home within the shift, even with nothing else to do.
    """
    job = problem.jobs[job_index]
    able = [vehicle for vehicle in problem.vehicles if set(job.skills) <= set(vehicle.skills)]
    if not able:
        return "no_pair_speaks_language"
    return "capacity" if any(_reachable(problem, job, vehicle) for vehicle in able) else "window_unreachable"


def _reachable(problem: RoutingProblem, job: Job, vehicle: Vehicle) -> bool:
    earliest = vehicle.shift[0] + problem.seconds[vehicle.site][job.site]
    latest = vehicle.shift[1] - problem.seconds[job.site][vehicle.site] - job.service_seconds
    return any(max(first, earliest) <= min(last, latest) for first, last in job.starts)


def appointment(start: datetime, lawful: Sequence[TimeWindow], visit: VisitPolicy) -> TimeWindow:
    """The span offered to the customer: the planned stay with slack, rounded outwards, inside the lawful hours.

    Raises ValueError when the stay lies in none of the lawful windows: such a plan must never be offered.
    """
    stay_end = start + timedelta(minutes=visit.duration_minutes)
    inside = next((w for w in lawful if w.start <= start and stay_end <= w.end), None)
    if inside is None:
        raise ValueError("the planned stay is outside the lawful hours")
    step = timedelta(minutes=visit.rounding_minutes)
    first = start - timedelta(minutes=visit.slack_before_minutes)
    last = stay_end + timedelta(minutes=visit.slack_after_minutes)
    epoch = datetime(1970, 1, 1, tzinfo=start.tzinfo)
    rounded_first = epoch + (first - epoch) // step * step
    rounded_last = epoch + -((epoch - last) // step) * step
    return TimeWindow(start=max(rounded_first, inside.start), end=min(rounded_last, inside.end))


def _starts(windows: Sequence[TimeWindow], service_seconds: int, origin: datetime) -> tuple[Span, ...]:
    """Inclusive spans for the start of a stay that lies wholly inside one window; none before second zero."""
    spans = (_span(window, origin) for window in windows)
    starts = ((max(first, 0), last - service_seconds) for first, last in spans)
    return tuple(sorted((first, last) for first, last in starts if first <= last))


def _span(window: TimeWindow, origin: datetime) -> Span:
    """Whole seconds inside the window: start rounded up, end rounded down."""
    return -((origin - window.start) // timedelta(seconds=1)), (window.end - origin) // timedelta(seconds=1)


def _rest(each: ReadyPair, day: date, origin: datetime, policy: BreakPolicy) -> Rest | None:
    shift = each.pair.shift
    span = shift.span_on(day)
    if policy.minutes == 0 or span.end - span.start < timedelta(hours=policy.needed_from_shift_hours):
        return None
    first = max(shift.moment_on(day, policy.earliest_start), span.start)
    last = min(shift.moment_on(day, policy.latest_start), span.end - timedelta(minutes=policy.minutes))
    if first > last:
        return None
    return Rest(starts=_span(TimeWindow(start=first, end=last), origin), seconds=policy.minutes * 60)
