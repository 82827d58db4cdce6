"""One routing problem, solved by VROOM (BSD-2) in a process of its own: `python -m services.assignment.vroom_engine`.

Reads a `RoutingProblem` as JSON from standard input, writes a `RoutingSolution` to standard output. A process, because
the solver computes for seconds without giving other tasks a turn and loads libraries that the service must not carry.
It ends by itself when its parent dies, for it does nothing but this one problem.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import msgspec

from services.assignment.domain.routing_problem import Route, RoutedStop, RoutingProblem, RoutingSolution

_PROFILE = "car"


def _vroom() -> Any:
    """VROOM without pandas, which it names as the type of a property that nobody asks for, at half a second a start."""
    stand_in: Any = ModuleType("pandas")
    stand_in.DataFrame = object
    loaded = sys.modules.setdefault("pandas", stand_in)
    try:
        import vroom
    finally:
        if loaded is stand_in:
            del sys.modules["pandas"]
    return vroom


vroom = _vroom()


def solve(problem: RoutingProblem) -> RoutingSolution:
    """Solve one area. Deterministic: no time limit, one thread, one processor."""
    model = vroom.Input()
    model.set_durations_matrix(_PROFILE, problem.seconds)
    for index, vehicle in enumerate(problem.vehicles):
        rest = vehicle.rest
        model.add_vehicle(
            vroom.Vehicle(
                index,
                start=vehicle.site,
                end=vehicle.site,
                profile=_PROFILE,
                time_window=vroom.TimeWindow(*vehicle.shift),
                skills=set(vehicle.skills),
                breaks=[]
                if rest is None
                else [vroom.Break(index, time_windows=[vroom.TimeWindow(*rest.starts)], service=rest.seconds)],
            )
        )
    placeable = [index for index, job in enumerate(problem.jobs) if job.starts]
    for index in placeable:
        job = problem.jobs[index]
        model.add_job(
            vroom.Job(
                index,
                location=job.site,
                default_service=job.service_seconds,
                time_windows=[vroom.TimeWindow(first, last) for first, last in job.starts],
                skills=set(job.skills),
                priority=job.priority,
            )
        )
    if not placeable:
        return RoutingSolution(routes=(), unassigned=tuple(range(len(problem.jobs))))
    with _one_processor():
        answer = model.solve(exploration_level=problem.exploration_level, nb_threads=1).to_dict()
    routes = tuple(_route(route) for route in answer["routes"])
    served = {stop.job for route in routes for stop in route.stops}
    return RoutingSolution(
        routes=routes, unassigned=tuple(index for index in range(len(problem.jobs)) if index not in served)
    )


@contextmanager
def _one_processor() -> Iterator[None]:
    """For the calling thread and those it starts.

    VROOM gives each search a thread and lets one of them compute at a time; of equally good solutions the first one
    wins. On several busy processors their order is luck: one solution in twenty was another.
    """
    if not hasattr(os, "sched_setaffinity"):  # it is Linux's
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[os.getpid() % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _route(answer: dict[str, Any]) -> Route:
    steps = answer["steps"]
    rests = [_begin(step) for step in steps if step["type"] == "break"]
    return Route(
        vehicle=answer["vehicle"],
        departs=steps[0]["arrival"],
        returns=steps[-1]["arrival"],
        stops=tuple(RoutedStop(job=step["id"], start=_begin(step)) for step in steps if step["type"] == "job"),
        rest_start=rests[0] if rests else None,
    )


def _begin(step: dict[str, Any]) -> int:
    return int(step["arrival"]) + int(step["waiting_time"])


def main() -> None:
    """Read, solve, write."""
    problem = msgspec.json.decode(sys.stdin.buffer.read(), type=RoutingProblem)
    sys.stdout.buffer.write(msgspec.json.encode(solve(problem)))


if __name__ == "__main__":
    main()
