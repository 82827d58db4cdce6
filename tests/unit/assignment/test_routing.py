"""The routing problem, the engine's answer, and what is offered to the customer."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assignment.domain.collectors import Pair, ReadyPair, Shift
from services.assignment.domain.policy import SelectionPolicy
from services.assignment.domain.routing import (
    Call,
    appointment,
    build_problem,
    figures,
    unassigned_reason,
    violations,
)
from services.assignment.domain.routing_problem import RoutingProblem, RoutingSolution
from services.assignment.domain.travel import CalibratedHaversine, TravelMatrix
from services.assignment.route_solver import RouteSolver, RoutingFailedError
from services.assignment.vroom_engine import solve
from shared.events.base import TimeWindow
from shared.geo import Point

DAY = date(2026, 3, 5)
POLICY = SelectionPolicy.load()
HOME = Point(lat=31.2304, lon=121.4737, crs="WGS84")
MIDNIGHT = datetime(2026, 3, 4, 16, tzinfo=UTC)  # 00:00 in Shanghai


def local(hour: int, minute: int = 0) -> datetime:
    return MIDNIGHT + timedelta(hours=hour, minutes=minute)


def window(first: int, last: int) -> TimeWindow:
    return TimeWindow(start=local(first), end=local(last))


def pair(*, languages: frozenset[str] = frozenset({"zh"}), home: Point = HOME, end: int = 18) -> ReadyPair:
    shift = Shift(start=time(9), end=time(end), time_zone="Asia/Shanghai")
    return ReadyPair(
        pair=Pair(pair_id=uuid4(), collectors=(uuid4(), uuid4()), device_id="dev-1", home=home, shift=shift),
        languages=languages,
    )


def call(*windows: TimeWindow, km_north: float = 1.0, language: str = "zh") -> Call:
    place = Point(lat=HOME.lat + km_north / 111.2, lon=HOME.lon, crs="WGS84")
    return Call(party_id=uuid4(), place=place, windows=windows or (window(9, 20),), language=language)


def problem(calls: list[Call], pairs: list[ReadyPair]) -> tuple[RoutingProblem, TravelMatrix]:
    points = [each.pair.home for each in pairs] + [each.place for each in calls]
    travel = CalibratedHaversine(POLICY.travel).matrix(points)
    return build_problem(calls, pairs, travel, day=DAY, policy=POLICY), travel


def test_latest_start_leaves_room_for_the_whole_stay() -> None:
    built, _ = problem([call(window(10, 11))], [pair()])
    assert built.jobs[0].starts == ((3600, 3600 + 1800),)


def test_window_shorter_than_the_stay_gives_no_start() -> None:
    too_short = TimeWindow(start=local(10), end=local(10, 20))
    built, _ = problem([call(too_short)], [pair()])
    assert built.jobs[0].starts == ()
    assert solve(built).unassigned == (0,)
    assert unassigned_reason(built, 0) == "window_unreachable"


def test_every_job_is_served_when_the_day_allows() -> None:
    built, travel = problem([call(km_north=km) for km in (1, 2, 3, 4)], [pair()])
    solution = solve(built)
    assert violations(built, solution) == []
    assert solution.unassigned == ()
    route = solution.routes[0]
    assert figures(built, route, travel).metres == round(8 * 1400, -2)
    assert route.rest_start is not None


def test_language_is_a_skill() -> None:
    built, _ = problem([call(language="ug"), call()], [pair()])
    solution = solve(built)
    assert solution.unassigned == (0,)
    assert unassigned_reason(built, 0) == "no_pair_speaks_language"


def test_window_after_the_shift_is_unreachable() -> None:
    built, _ = problem([call(window(19, 21))], [pair()])
    assert solve(built).unassigned == (0,)
    assert unassigned_reason(built, 0) == "window_unreachable"


def test_too_many_for_one_pair_is_capacity() -> None:
    built, _ = problem([call(window(9, 10)) for _ in range(4)], [pair()])
    solution = solve(built)
    assert len(solution.unassigned) >= 2
    assert {unassigned_reason(built, index) for index in solution.unassigned} == {"capacity"}


def test_short_shift_needs_no_break() -> None:
    built, _ = problem([call()], [pair(end=13)])
    assert built.vehicles[0].rest is None


def test_same_problem_gives_the_same_plan() -> None:
    built, _ = problem([call(km_north=km / 3) for km in range(1, 20)], [pair(), pair()])
    assert solve(built) == solve(built)


@pytest.mark.parametrize("broken", ["twice", "late", "no_rest", "too_early"])
def test_checker_finds_a_broken_plan(broken: str) -> None:
    from dataclasses import replace

    built, _ = problem([call(window(10, 12)), call(km_north=5)], [pair()])
    good = solve(built)
    route = good.routes[0]
    stops = {
        "twice": (*route.stops, route.stops[-1]),
        "late": tuple(replace(stop, start=stop.start + 36_000) for stop in route.stops),
        "too_early": tuple(replace(stop, start=0) for stop in route.stops),
    }.get(broken, route.stops)
    rest_start = None if broken == "no_rest" else route.rest_start
    bad = RoutingSolution(routes=(replace(route, stops=stops, rest_start=rest_start),), unassigned=good.unassigned)
    assert violations(built, good) == []
    assert violations(built, bad) != []


CALLS = st.lists(
    st.tuples(st.integers(8, 19), st.integers(1, 8), st.floats(0.1, 15), st.sampled_from(["zh", "ug"])).map(
        lambda t: call(window(t[0], min(21, t[0] + t[1])), km_north=t[2], language=t[3])
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=25, deadline=None)
@given(calls=CALLS, both=st.booleans())
def test_any_plan_of_the_engine_can_be_driven(calls: list[Call], both: bool) -> None:
    pairs = [pair(), pair(languages=frozenset({"zh", "ug"}) if both else frozenset({"zh"}))]
    built, _ = problem(calls, pairs)
    solution = solve(built)
    assert violations(built, solution) == []
    for route in solution.routes:
        for stop in route.stops:
            start = local(9) + timedelta(seconds=stop.start)
            offered = appointment(start, calls[stop.job].windows, POLICY.visit)
            lawful = calls[stop.job].windows[0]
            assert lawful.start <= offered.start <= start
            assert start + timedelta(minutes=30) <= offered.end <= lawful.end


def test_appointment_is_rounded_and_clipped() -> None:
    offered = appointment(local(9, 7), [window(9, 20)], POLICY.visit)
    assert (offered.start, offered.end) == (local(9), local(10, 45))


def test_stay_outside_the_law_is_never_offered() -> None:
    with pytest.raises(ValueError, match="lawful"):
        appointment(local(19, 45), [window(9, 20)], POLICY.visit)


async def test_solver_process_answers() -> None:
    built, _ = problem([call(), call(km_north=3)], [pair()])
    solution = await RouteSolver(max_processes=1).solve(built)
    assert solution == solve(built)


async def test_solver_that_takes_too_long_is_stopped() -> None:
    built, _ = problem([call()], [pair()])
    with pytest.raises(RoutingFailedError, match="too long"):
        await RouteSolver(timeout_seconds=0.01).solve(built)
