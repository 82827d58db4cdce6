"""`worlds`: random histories of several people, judged by a checker that shares no code with the services."""

from __future__ import annotations

import time
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from worlds.checker import check
from worlds.run import Tally, judge_many, live

console = Console(soft_wrap=True, highlight=False, markup=False)
_LINES_WITHOUT_TERMINAL = 10


def tell_story(seed: int) -> int:
    """Live one world and print what happened, then what the checker says; 0 when every promise was kept."""
    history = live(seed)
    checked = check(history)
    for moment, text in sorted(history.events, key=lambda one: one[0]):
        console.print(f"{moment:%Y-%m-%d %H:%M:%S}Z  {text}")
    console.print()
    for contact in sorted(history.contacts.values(), key=lambda one: one.start):
        verdict = history.verdicts.get(contact.contact_id)
        said = (
            "was never told" if verdict is None else "lawful" if not verdict.harm else ", ".join(sorted(verdict.harm))
        )
        person = history.people[contact.party_id]
        console.print(f"{contact.start:%Y-%m-%d %H:%M:%S}Z  {contact.channel} to {person.name}: {said}")
    console.print()
    for promise, detail in checked.breaches:
        console.print(f"BROKEN  {promise}: {detail}")
    if not checked.breaches:
        console.print(f"World {seed}: every promise was kept. {_figures(checked.counts)}")
    return 1 if checked.breaches else 0


def judge_worlds(*, first: int, count: int) -> int:
    """Live and judge many worlds on all cores; 0 when every promise was kept in every one."""
    started = time.monotonic()
    screen = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(), console=screen, disable=not screen.is_terminal,
    )  # fmt: skip
    done = 0
    with bars:
        task = bars.add_task("random worlds", total=count)

        def on_progress(more: int) -> None:
            nonlocal done
            before, done = done, done + more
            bars.update(task, completed=done)
            step = max(count // _LINES_WITHOUT_TERMINAL, 1)
            if not screen.is_terminal and done // step > before // step:
                screen.print(f"random worlds: {done} of {count}", highlight=False)

        try:
            tally = judge_many(first, count, on_progress=on_progress)
        except KeyboardInterrupt:
            screen.print(f"Stopped; {done} worlds were judged. Go on with --first {first + done}.", highlight=False)
            return 130
    _print(tally, seconds=time.monotonic() - started)
    return 1 if tally.breaches else 0


def _print(tally: Tally, *, seconds: float) -> None:
    each = 1_000 * tally.cpu_seconds / max(tally.worlds, 1)
    console.print(
        f"{tally.worlds:,} worlds in {timedelta(seconds=round(seconds))}, {each:.1f} ms of a core each"
        f" (slowest {1_000 * tally.slowest:.0f} ms): {_figures(tally.counts)}"
    )
    for seed, (promise, detail) in tally.breaches:
        console.print(f"BROKEN in world {seed}: {promise}: {detail}")
    if tally.breaches:
        console.print(f"Read its story: ./doorstep worlds --seed {tally.breaches[0][0]}")
    else:
        console.print("Every promise was kept.")


def _figures(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in sorted(counts.items()))
