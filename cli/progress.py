"""How the command line shows slow steps."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class StepProgress:
    """One bar per family of steps ("Kafka: …"); a line per finished family where there is no terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, message: str, done: int, total: int, /) -> None:
        family = message.partition(":")[0]
        if family not in self._tasks:
            self._tasks[family] = self._bars.add_task(message, total=total)
        self._bars.update(self._tasks[family], description=message, completed=done, total=total)  # type: ignore[arg-type]
        if done == total and not self._console.is_terminal:
            self._console.print(message, markup=False, highlight=False)
