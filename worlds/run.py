"""Make worlds and judge them: one by its seed, or many on all cores."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context

from worlds.changing import Changing
from worlds.checker import Breach, Checked, check
from worlds.collectors import Collectors
from worlds.merging import Merging
from worlds.moving import Moving
from worlds.stops import Stops
from worlds.takeover import Takeover
from worlds.truth import History
from worlds.world import World

_WORLDS_PER_TASK = 50
_MOST_BREACHES = 40
Told = Callable[[int], None]


@dataclass(slots=True)
class Tally:
    """What became of many worlds. `cpu_seconds` is the processors' time, `slowest` the longest of one world."""

    worlds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    breaches: list[tuple[int, Breach]] = field(default_factory=list)
    cpu_seconds: float = 0.0
    slowest: float = 0.0

    def add(self, other: Tally) -> None:
        """Take in what another process judged."""
        self.worlds += other.worlds
        self.counts.update(other.counts)
        self.breaches = sorted([*self.breaches, *other.breaches])[:_MOST_BREACHES]
        self.cpu_seconds += other.cpu_seconds
        self.slowest = max(self.slowest, other.slowest)


def live(seed: int) -> History:
    """The history of the world of that seed: always the same."""
    world = World(seed)
    Merging(world).plan()
    for person in world.people:
        Changing(world, person).plan()
    for person in world.people:
        stops = Stops(world, person)
        stops.plan()
        Moving(world, person).plan()
        Takeover(world, person).plan()
        Collectors(world, person, stops).plan()
    return world.run()


def judge(seed: int) -> Checked:
    """What the checker says of the world of that seed."""
    return check(live(seed))


def judge_range(first: int, count: int) -> Tally:
    """Judge worlds in this process. One that cannot be lived to its end is a breach too, and stops nothing."""
    tally = Tally(worlds=count)
    for seed in range(first, first + count):
        started = time.process_time()
        try:
            checked = judge(seed)
        except Exception:  # the edge: whatever a defect raises, its seed is what we want to know
            checked = Checked(breaches=[Breach("the world broke", traceback.format_exc(limit=-3))])
        seconds = time.process_time() - started
        tally.counts.update(checked.counts)
        tally.breaches += [(seed, one) for one in checked.breaches]
        tally.cpu_seconds += seconds
        tally.slowest = max(tally.slowest, seconds)
    return tally


def judge_many(first: int, count: int, *, on_progress: Told, processes: int | None = None) -> Tally:
    """Judge the worlds `first` … `first + count - 1` on all cores; `on_progress` hears how many more are done.

    Ends early once there are breaches enough to look at.
    """
    total = Tally()
    tasks = list(_tasks(first, count))
    if len(tasks) == 1:
        total.add(judge_range(first, count))
        on_progress(count)
        return total
    # A fork of this process would inherit the locks that its other threads hold.
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    # Ctrl-C is this process's to hear: leaving the block ends the others.
    with context.Pool(processes or os.cpu_count(), signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        for one in pool.imap(_judge_task, tasks):
            total.add(one)
            on_progress(one.worlds)
            if len(total.breaches) >= _MOST_BREACHES:
                break
    return total


def _judge_task(task: tuple[int, int]) -> Tally:
    return judge_range(*task)


def _tasks(first: int, count: int) -> Iterator[tuple[int, int]]:
    for start in range(first, first + count, _WORLDS_PER_TASK):
        yield start, min(_WORLDS_PER_TASK, first + count - start)
