"""What is seen while the demo runs: progress bars, and a live table of the funnel read from the services."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from simulation.api import Api
from simulation.figures import read_summaries

_LINES_KEPT: Final = 8


class Display:
    """Bars, funnel and last lines on a terminal; plain lines where there is none."""

    def __init__(self, api: Api, console: Console) -> None:
        self._api = api
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=28), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self._tasks: dict[str, Any] = {}
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._funnel: RenderableType = ""
        self._live = Live(self._view(), console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def step(self, what: str, done: int, total: int) -> None:
        """One more step of something; what stands before a colon names the bar."""
        family = what.partition(":")[0]
        if family not in self._tasks:
            self._tasks[family] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[family], description=what, completed=done, total=total)
        if not self._console.is_terminal:
            self._console.print(f"{what} ({done}/{total})", highlight=False)
        self._draw()

    def say(self, line: str) -> None:
        """One line of what happens."""
        self._lines.append(line)
        if not self._console.is_terminal:
            self._console.print(f"  {line}", highlight=False, markup=False)
        self._draw()

    async def refresh(self) -> None:
        """Read the funnel anew. Raises UnexpectedAnswer."""
        if self._console.is_terminal:
            self._funnel = funnel_table(await read_summaries(self._api))
            self._draw()

    def _draw(self) -> None:
        self._live.update(self._view())

    def _view(self) -> RenderableType:
        return Group(self._bars, self._funnel, Panel("\n".join(self._lines) or " ", title="now", border_style="dim"))


def funnel_table(summaries: dict[str, dict[str, Any]]) -> Table:
    """From loans to cures, as the services count."""
    table = Table("step", "count", title="Funnel", min_width=48)
    for name, count in funnel(summaries):
        table.add_row(name, f"{count:,}")
    return table


def funnel(summaries: dict[str, dict[str, Any]]) -> list[tuple[str, int]]:
    """The funnel's steps and counts from the five summaries."""
    states, plans = summaries["visits"]["visits_by_state"], summaries["plans"]["plans"]
    intake = summaries["intake"]
    return [
        ("cases opened", intake["cases_open"] + intake["cases_cured"]),
        ("visits planned", sum(states.values())),
        ("offers handed to the gateway", summaries["visits"]["offers_handed_over"]),
        ("permits granted (offers and visits)", summaries["compliance"]["permits_granted"]),
        ("visits begun", summaries["visits"]["check_ins"]),
        ("plans signed", plans.get("signed", 0) + plans.get("completed", 0)),
        ("cases cured", intake["cases_cured"]),
    ]
