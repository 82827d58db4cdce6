"""`serve` and `down`."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.approving import released_for_development
from cli.platform import ISSUER, Platform
from cli.processes import ProcessFailedError
from cli.progress import StepProgress
from cli.running import running_serve, say_ended, say_running
from shared.clock import SystemClock
from shared.embedded.home import (
    PROJECT_FOLDER,
    EmbeddedServerError,
    Home,
    ProcessIdentity,
    tail,
)
from shared.embedded.servers import EmbeddedServers
from shared.events.topics import SERVICES

console = Console(soft_wrap=True)
START_TIMEOUT_SECONDS = 300
STOP_TIMEOUT_SECONDS = 60


def serve(prefix: str) -> int:
    """Starts everything, prints the addresses, waits for Ctrl-C or SIGTERM; returns the exit code."""
    if running := running_serve(Home()):
        console.print(f"It is running already (process {running['process']['pid']}); ./doorstep down stops it.")
        return 1
    try:
        return asyncio.run(_serve(prefix))
    except (EmbeddedServerError, ProcessFailedError) as error:
        Console(stderr=True).print(f"serve: {error}", markup=False, highlight=False, soft_wrap=True)
        return 1


async def _serve(prefix: str) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    home = Home()
    environment = _kept_clock(home, prefix) | _released_rules(home, prefix)
    async with Platform(prefix=prefix, environment=environment, fixed_ports=True) as platform:
        addresses = {name: platform.url(name) for name in (*SERVICES, ISSUER)}
        say_running(home, prefix, addresses, ready=False)
        try:
            with StepProgress() as platform.on_progress:
                interrupted = await _first(platform.start(), stopping)
            if not interrupted:
                say_running(home, prefix, addresses, ready=True)
                console.print(address_table(platform))
                console.print(f"Try: {_example(platform)}", markup=False, highlight=False, soft_wrap=True)
                console.print("Ctrl-C stops it.", highlight=False)
                await _first(platform.keep_running(_say), stopping)
        finally:
            console.print("Stopping.")
            say_ended(home)
    return 0


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False)


async def _first(work: Any, stopping: asyncio.Event) -> bool:
    """Does `work` until it ends or a signal comes; true when the signal came first. Raises what the work raises."""
    task, signalled = asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait())
    await asyncio.wait([task, signalled], return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    if task.done():
        task.result()
        return False
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return True


def serve_detached(prefix: str) -> int:
    """`serve` in the background; returns when it is ready, with its exit code when it failed."""
    home = Home()
    if running_serve(home):
        console.print("It is running already; ./doorstep down stops it.")
        return 1
    log = home.folder / "logs" / "serve.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "serve", *(["--prefix", prefix] if prefix else [])],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=PROJECT_FOLDER,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    with console.status("starting"):
        while time.monotonic() < deadline and process.poll() is None:
            state = running_serve(home)
            if state and state["ready"]:
                console.print(log.read_text(), markup=False, highlight=False, soft_wrap=True)
                console.print("It runs in the background; ./doorstep down stops it.")
                return 0
            time.sleep(0.1)
    Console(stderr=True).print(f"serve did not start. The end of {log}:\n{tail(log)}", markup=False, soft_wrap=True)
    return process.poll() or 1


def down() -> int:
    """Stops a running `serve`, and servers that nobody holds; returns the exit code."""
    home = Home()
    state = running_serve(home)
    if state:
        process = ProcessIdentity(**state["process"])
        os.kill(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        with console.status("stopping"):
            while process.is_alive() and time.monotonic() < deadline:
                time.sleep(0.1)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            console.print(f"It did not stop within {STOP_TIMEOUT_SECONDS} s and was killed.")
    if home.folder.exists() and not home.holders():
        EmbeddedServers().stop()
    console.print("Stopped." if state else "Nothing was running.")
    return 0


def address_table(platform: Platform) -> Table:
    """What runs where."""
    table = Table(title="Doorstep is running")
    for name in ("what", "address", "log"):
        table.add_column(name, no_wrap=name == "address", overflow="fold")
    for service in SERVICES:
        log = platform.processes[service].log
        table.add_row(service, f"{platform.url(service)}/docs", os.path.relpath(log))
    table.add_row("issuer (development)", platform.url(ISSUER), os.path.relpath(platform.processes[ISSUER].log))
    table.add_row("Kafka", platform.kafka.bootstrap, "")
    table.add_row("PostgreSQL", platform.admin_url.rpartition("@")[2], "")
    return table


def _example(platform: Platform) -> str:
    return f'curl -H "Authorization: Bearer $(./doorstep token)" {platform.url("intake")}/v1/cases'


def _kept_clock(home: Home, prefix: str) -> dict[str, str]:
    """A demo that was kept stands still at its last business time; anything else runs on the system's clock."""
    clock_file = home.folder / "runs" / (prefix.rstrip("_") or "default") / "business-clock"
    return {"DOORSTEP_CLOCK_FILE": str(clock_file)} if clock_file.exists() else {}


def _released_rules(home: Home, prefix: str) -> dict[str, str]:
    """The bank's own packs where it names some; else the shipped ones, released by the development approvers."""
    if os.environ.get("DOORSTEP_PACK_FOLDER"):
        return {}
    folder = home.folder / "runs" / (prefix.rstrip("_") or "default")
    rules = released_for_development(folder, on=SystemClock().real_now().date())
    return {"DOORSTEP_PACK_FOLDER": str(rules)}
