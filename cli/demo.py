"""`demo`: a platform of its own, the simulated bank, customers and field days on it, and the verdict."""

import asyncio
import contextlib
import json
import secrets
import shutil
from collections.abc import Coroutine
from dataclasses import replace
from tempfile import TemporaryFile
from typing import Any

from rich.console import Console

from cli.approving import Approver, release_folder
from cli.platform import Platform
from cli.processes import ProcessFailedError
from cli.progress import StepProgress
from shared.clock import SteppedClock
from shared.embedded.home import EmbeddedServerError, Home, free_port, read_state, write_private
from shared.embedded.provision import drop
from simulation.api import UnexpectedAnswer
from simulation.demo import START, Books, DemoOptions, platform_environment, prepare_books, run
from simulation.pace import NotQuiet
from simulation.portfolio.uci import PortfolioError

STATE_FILE = "demo.json"
APPROVERS = ("Demo approver one", "Demo approver two")


def demo(options: DemoOptions, *, keep: bool) -> int:
    """Runs the demo; returns the exit code: 0 only when everything holds."""
    console = Console()
    try:
        books = prepare_books(options)
    except (PortfolioError, OSError) as error:
        Console(stderr=True).print(f"[red]demo:[/] {error}", highlight=False)
        return 2
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=options.folder):
            pass
    except OSError as error:
        Console(stderr=True, soft_wrap=True).print(
            f"[red]demo:[/] --output cannot be written to: {error}", highlight=False
        )
        return 2
    try:
        return asyncio.run(_demo(options, books, keep=keep, console=console))
    except (EmbeddedServerError, ProcessFailedError, UnexpectedAnswer, NotQuiet) as error:
        Console(stderr=True).print(f"[red]demo:[/] {error}", highlight=False)
        return 1


async def _demo(options: DemoOptions, books: Books, *, keep: bool, console: Console) -> int:
    home = Home()
    prefix = f"demo_{secrets.token_hex(3)}_"
    core_port = free_port(8110)
    clock_file = home.folder / "runs" / prefix.rstrip("_") / "business-clock"
    clock = SteppedClock.create(clock_file, start=START)
    environment = platform_environment(clock_file=clock_file, core_port=core_port)
    rules = clock_file.with_name("rules")
    approvers = [Approver.open(clock_file.with_name("approvers"), person) for person in APPROVERS]
    release_folder(rules, approvers, on=START.date())
    environment["DOORSTEP_PACK_FOLDER"] = str(rules)
    options = replace(options, approvers=tuple(one.key.fingerprint for one in approvers))
    async with Platform(prefix=prefix, environment=environment, fixed_ports=True) as platform:
        with StepProgress() as platform.on_progress:
            await platform.start_servers()
            await _remove_earlier(home, platform, console)
            _remember(home, prefix)
            await platform.start()
        code = await _until_failure(
            platform, run(platform, options, books, clock=clock, core_port=core_port, console=console)
        )
        await _end(home, platform, keep=keep, console=console)
    clock.close()
    return code


async def _until_failure(platform: Platform, work: Coroutine[Any, Any, int]) -> int:
    """The work's result, or the failure of a process that ended without being told to."""
    task, watch = asyncio.ensure_future(work), asyncio.ensure_future(platform.wait_for_failure())
    await asyncio.wait([task, watch], return_when=asyncio.FIRST_COMPLETED)
    for other in (task, watch):
        if not other.done():
            other.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await other
    if watch.done() and not watch.cancelled():
        watch.result()
    return task.result()


async def _end(home: Home, platform: Platform, *, keep: bool, console: Console) -> None:
    if keep:
        console.print(f"Kept: ./doorstep serve --prefix {platform.prefix} explores it; the next demo removes it.")
        return
    await asyncio.gather(*map(platform.stop_service, platform.processes))
    await platform.drop()
    (home.folder / STATE_FILE).unlink(missing_ok=True)


def _remember(home: Home, prefix: str) -> None:
    write_private(home.folder / STATE_FILE, json.dumps({"prefix": prefix}))


async def _remove_earlier(home: Home, platform: Platform, console: Console) -> None:
    """Start clean: an earlier run that was kept, or was interrupted, is removed, and that is said."""
    state = read_state(home.folder / STATE_FILE)
    if state is None:
        return
    console.print(f"Found an earlier demo ({state['prefix']}); removing it.", highlight=False)
    prefix = str(state["prefix"])
    await drop(prefix, admin_url=platform.admin_url, kafka=platform.kafka)
    shutil.rmtree(home.folder / "runs" / prefix.rstrip("_"), ignore_errors=True)
