"""`test` and `lint`, and what `bench` can measure."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from shared.embedded.home import PROJECT_FOLDER

console = Console(soft_wrap=True)
MOST_WORKERS = 8


@dataclass(frozen=True)
class Check:
    """One step of `lint`: what it looks at, its command, and how to mend what it finds."""

    name: str
    command: tuple[str, ...]
    hint: str


CHECKS = (
    Check("style", ("ruff", "check", ".", "doorstep"), "many are mended by: .venv/bin/ruff check --fix . doorstep"),
    Check("format", ("ruff", "format", "--check", ".", "doorstep"), "mend with: .venv/bin/ruff format . doorstep"),
    Check("types", ("mypy",), "each line names file, line and rule; write the type, do not silence it"),
    Check(
        "borders",
        ("lint-imports",),
        "a service imports no other service, shared/ imports none (pyproject.toml, importlinter): "
        "let an event or an HTTP call carry it, or move it to shared/ if it holds no domain",
    ),
)


def run_tests(arguments: Sequence[str]) -> int:
    """pytest on all cores, with `arguments` passed through; returns its exit code."""
    command = [sys.executable, "-m", "pytest"]
    if not any(argument.startswith(("-n", "--numprocesses", "--pdb")) for argument in arguments):
        command += ["-n", str(worker_count(os.cpu_count())), "--dist", "worksteal"]
    # Paths are given from the project's folder, wherever the person stands.
    return subprocess.run([*command, *arguments], cwd=PROJECT_FOLDER, check=False).returncode


def worker_count(cores: int | None) -> int:
    """One more than cores: tests wait for disk and for timers. Eight at most: the servers are shared."""
    return min((cores or 1) + 1, MOST_WORKERS)


def run_lint(checks: Sequence[Check] = CHECKS) -> int:
    """Runs every check, prints the findings of those that fail with a hint; returns 0 when all pass, else 1."""
    failed = 0
    for check in checks:
        started = time.monotonic()
        with console.status(check.name):
            done = subprocess.run(
                [str(Path(sys.executable).parent / check.command[0]), *check.command[1:]],
                cwd=PROJECT_FOLDER,
                capture_output=True,
                text=True,
                check=False,
            )
        seconds = time.monotonic() - started
        if done.returncode == 0:
            console.print(f"[green]ok[/]    {check.name} ({seconds:.1f} s)")
            continue
        failed += 1
        console.print(f"[red]fails[/] {check.name} ({seconds:.1f} s)")
        console.print((done.stdout + done.stderr).strip(), markup=False, highlight=False)
        console.print(f"      {check.hint}\n", markup=False)
    return 1 if failed else 0


def benchmarks() -> list[str]:
    """What `bench` can measure: the modules of benchmarks/ that can be run, in order of name."""
    modules = (PROJECT_FOLDER / "benchmarks").glob("*.py")
    return sorted(module.stem for module in modules if "\ndef main(" in module.read_text())
