"""From `loan.overdue` waiting on its topic to `case.opened` on its own: one intake process, all on this machine.

Beside it, in the same run and alternating: the floor, the floor of the same rows, and the usual form. Every run is
checked: row counts, no sequence gap, each party's last state. Then open-loop latency: events are sent at a steady pace
whatever comes back, and timed from the moment each was *meant* to be sent.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform as machine
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.figures import save
from benchmarks.loan_events import Load, make_load, overdue_message, publish, publish_steadily
from benchmarks.otlp_sink import OtlpSink
from benchmarks.watch import CaseWatch
from benchmarks.written import wait_until_written, written
from cli.platform import Platform
from services.intake.strategy_desk import CHOOSE, CHOOSE_ALL
from shared.embedded.kafka import ADMIN

_FLOOR_BATCHES = (500, 1_000, 3_000)
_RUN_SECONDS = 300
_TARGET_OF_FLOOR, _TARGET_OF_USUAL, _TARGET_P99_MS, _TARGET_RSS_MB = 0.15, 25, 250, 250
_TARGET_OF_SAME_ROWS = 0.5
_WARM_EVENTS = 100
_WARM_SECONDS = 5
_CATALOGUE = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND NOT relisshared
"""
_LEFT_TO_CHOOSE = "SELECT count(*) FROM intent WHERE kind = ANY($1::text[]) AND done_at IS NULL"
_CHOSEN = """
SELECT count(*), extract(epoch FROM max(chosen_at) - min(chosen_at))::float8 FROM next_action
WHERE chosen_at >= (SELECT max(recorded_at) FROM inbox)
"""


@dataclass
class Figures:
    """What was measured. Rates in events/s, latency in milliseconds, memory in MB (10^6 bytes)."""

    events: int
    ours: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    same_rows: list[float] = field(default_factory=list)
    usual: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    """Processor time of the intake process per event, microseconds."""
    chosen: list[float] = field(default_factory=list)
    """Cases for which the next action was chosen, per second, afterwards: choosing gives way to facts that wait."""
    rows_per_event: float = 0.0
    """Rows inserted, updated and deleted by intake, heartbeats and relay included."""
    wal_bytes_per_event: float = 0.0
    latency_p50_ms: float = 0.0
    latency_p99_ms: float = 0.0
    latency_rate: int = 0
    spans_exported: int = 0
    database: dict[str, str] = field(default_factory=dict)
    python: str = machine.python_version()
    cores: int = os.cpu_count() or 0
    measured_at: str = ""


class Bench:
    """One platform with fresh topics and databases per run."""

    def __init__(self, load: Load, usual_events: int, sink: OtlpSink, console: Console) -> None:
        self._load = load
        self._usual_events = usual_events
        self._sink = sink
        self._console = console
        self.figures = Figures(events=len(load.messages))

    async def round(self) -> None:
        """Ours, the floor, the usual form, one after the other over the same waiting events."""
        async with self._platform() as platform:
            await platform.start_servers()
            await platform.provision()
            await platform.start_issuer()
            options = platform.kafka.client_options(ADMIN)
            await publish(options, f"{platform.prefix}loan", self._load.messages)
            self.figures.database = await _durability(platform.admin_url)
            try:
                before = await written(platform)
                self.figures.ours.append(await self._ours(platform))
                rows, wal = (after - was for after, was in zip(await written(platform), before, strict=True))
                self.figures.rows_per_event = rows / len(self._load.messages)
                self.figures.wal_bytes_per_event = wal / len(self._load.messages)
                self.figures.same_rows.append(await self._same_rows(platform))
                self.figures.chosen.append(await _choose(platform))
                url = platform.databases["plans"].owner_url  # an empty database beside ours, with the same settings
                floors = [await self._beside(platform, "floor", url, {"batch": batch}) for batch in _FLOOR_BATCHES]
                self.figures.floor.append(max(floors))
                usual = {"events": self._usual_events, "warm": _WARM_EVENTS}
                self.figures.usual.append(await self._beside(platform, "usual_form", url, usual))
            finally:
                await platform.stop_service("intake")
                await platform.drop()
        self._console.print(
            f"ours {self.figures.ours[-1]:,.0f}/s   floor {self.figures.floor[-1]:,.0f}/s   "
            f"same rows {self.figures.same_rows[-1]:,.0f}/s   "
            f"usual form {self.figures.usual[-1]:,.0f}/s   memory {self.figures.rss_mb[-1]:.0f} MB   "
            f"processor {self.figures.cpu_us[-1]:.0f} us/event   chosen {self.figures.chosen[-1]:,.0f} cases/s"
        )

    async def latency(self, rate: int, seconds: int) -> None:
        """Open loop: `rate` events/s for `seconds`, after some to warm up (the broker compiles, connections open)."""
        draw, today = random.Random("latency"), datetime.now(UTC).date()
        count = rate * (_WARM_SECONDS + seconds)
        messages = [overdue_message(number, 1, day=today, draw=draw) for number in range(count)]
        # Walking through all that the runs have left in this process would stop its clock for a third of a second.
        gc.collect()
        gc.freeze()
        async with self._platform() as platform:
            await platform.start_servers()
            await platform.provision()
            await _settle(platform)
            await platform.start_issuer()
            await platform.start_services(["intake"])
            options = platform.kafka.client_options(ADMIN)
            try:
                async with CaseWatch(options, f"{platform.prefix}case") as watch:
                    meant = await publish_steadily(options, f"{platform.prefix}loan", messages, rate=rate)
                    await watch.wait_for(len(meant), seconds=60)
                    taken = sorted(
                        (watch.received_at[event] - at) * 1_000 for event, at in meant[rate * _WARM_SECONDS :]
                    )
            finally:
                await platform.stop_service("intake")
                await platform.drop()
        self.figures.latency_rate = rate
        self.figures.latency_p50_ms = taken[len(taken) // 2]
        self.figures.latency_p99_ms = taken[int(len(taken) * 0.99)]

    def _platform(self) -> Platform:
        environment = {"DOORSTEP_OTLP_ENDPOINT": self._sink.url}
        return Platform(prefix=f"bench{uuid4().hex[:8]}_", environment=environment)

    async def _ours(self, platform: Platform) -> float:
        expected = self._load.events  # each distinct event changes its case: opened, or updated
        options = platform.kafka.client_options(ADMIN)
        await platform.start_services(["intake"])
        process = psutil.Process(platform.processes["intake"].pid)
        began = _cpu_seconds(process)
        async with asyncio.TaskGroup() as group:
            failure = group.create_task(platform.wait_for_failure())
            await wait_until_written(options, f"{platform.prefix}case", expected)
            failure.cancel()
        used = _cpu_seconds(process) - began
        self.figures.rss_mb.append(process.memory_info().rss / 1e6)
        await platform.stop_service("intake")
        async with CaseWatch(options, f"{platform.prefix}case") as watch:
            await watch.wait_for(expected, seconds=_RUN_SECONDS)
            await asyncio.sleep(0.3)
            started = await _verify(platform.databases["intake"].owner_url, self._load, watch)
        self.figures.cpu_us.append(used / len(self._load.messages) * 1e6)
        self.figures.spans_exported = self._sink.requests
        return len(self._load.messages) / (watch.last_written_ms / 1_000 - started)

    async def _same_rows(self, platform: Platform) -> float:
        """The floor of the same rows, in a copy of intake's database."""
        source = platform.databases["intake"].owner_url
        name = urlsplit(source).path[1:]
        twin = f"{name}_twin"
        admin = await asyncpg.connect(platform.admin_url)
        try:
            await admin.execute(f'CREATE DATABASE "{twin}" TEMPLATE "{name}"')
            target = urlunsplit(urlsplit(source)._replace(path=f"/{twin}"))
            return await self._beside(platform, "same_rows", target, {"source_url": source, "target_url": target})
        finally:
            await admin.execute(f'DROP DATABASE IF EXISTS "{twin}" WITH (FORCE)')
            await admin.close()

    async def _beside(self, platform: Platform, module: str, url: str, more: dict[str, Any]) -> float:
        task = {
            "database_url": url, "kafka": platform.kafka.client_options(ADMIN), "topic": f"{platform.prefix}loan",
            "group": f"{platform.prefix}intake-{module}-{uuid4().hex[:6]}", "events": len(self._load.messages), **more,
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"benchmarks.{module}", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
        answer, _ = await process.communicate(json.dumps(task).encode())
        if process.returncode:
            raise RuntimeError(f"benchmarks.{module} ended with {process.returncode}")
        return float(answer)


async def _choose(platform: Platform) -> float:
    """Let intake choose for all cases; returns how many it chose for per second, first choice to last."""
    await platform.restart_service("intake")
    connection = await asyncpg.connect(platform.databases["intake"].owner_url)
    try:
        for _ in range(4 * _RUN_SECONDS):
            if not await connection.fetchval(_LEFT_TO_CHOOSE, [CHOOSE, CHOOSE_ALL]):
                break
            await asyncio.sleep(0.25)
        else:
            raise TimeoutError(f"not all cases were chosen for within {_RUN_SECONDS} s")
        cases, seconds = await connection.fetchrow(_CHOSEN)
    finally:
        await connection.close()
        await platform.stop_service("intake")
    return float(cases / seconds)


async def _settle(platform: Platform) -> None:
    """Let PostgreSQL do now what it would do of itself in the middle of the run: write what other runs have left, and
    tidy the catalogue of a new database. Its tables stay as a new installation has them.
    """
    admin = await asyncpg.connect(platform.admin_url)
    owner = await asyncpg.connect(platform.databases["intake"].owner_url)
    try:
        await admin.execute("CHECKPOINT")
        for table in await owner.fetch(_CATALOGUE):
            await owner.execute(f"VACUUM ANALYZE {table[0]}")
    finally:
        await owner.close()
        await admin.close()


async def _verify(url: str, load: Load, watch: CaseWatch) -> float:
    """Check rows, order and last states; returns the real time at which the first event was taken up."""
    connection = await asyncpg.connect(url)
    try:
        counts = {
            table: await connection.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("inbox", "case_file", "loan", "dead_letter", "outbox_pending")
        }
        started = await connection.fetchval("SELECT extract(epoch FROM min(recorded_at)) FROM inbox")
    finally:
        await connection.close()
    expected = {"inbox": load.events, "case_file": load.parties, "loan": load.parties, "dead_letter": 0}
    wrong = {name: counts[name] for name, number in expected.items() if counts[name] != number}
    if wrong:
        raise AssertionError(f"rows differ from {expected}: {wrong}")
    if watch.opened != load.parties or watch.records != load.events:
        raise AssertionError(f"{watch.opened} opened, {watch.records} records; expected {load.parties}, {load.events}")
    if any(numbers != list(range(1, len(numbers) + 1)) for numbers in watch.sequences.values()):
        raise AssertionError("a case's events are out of order")
    if watch.overdue != {party.replace("P-", "L-"): amount for party, amount in load.last_overdue.items()}:
        raise AssertionError("a party's last state is not its last event's")
    return float(started)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _durability(url: str) -> dict[str, str]:
    connection = await asyncpg.connect(url)
    try:
        names = ("server_version", "fsync", "synchronous_commit", "full_page_writes")
        return {name: str(await connection.fetchval(f"SHOW {name}")) for name in names}
    finally:
        await connection.close()


def _spread(rates: Sequence[float]) -> str:
    return f"{min(rates):,.0f} - {max(rates):,.0f}"


def _table(figures: Figures) -> Table:
    ours, floor, usual = (statistics.median(rates) for rates in (figures.ours, figures.floor, figures.usual))
    table = Table(title=f"loan.overdue to case.opened, {figures.events:,} events, {len(figures.ours)} runs")
    for column in ("", "median", "spread", "target"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("intake, one process (events/s)", f"{ours:,.0f}", _spread(figures.ours), "")
    table.add_row("floor (events/s)", f"{floor:,.0f}", _spread(figures.floor), "")
    same = statistics.median(figures.same_rows)
    table.add_row("floor of the same rows (events/s)", f"{same:,.0f}", _spread(figures.same_rows), "")
    table.add_row("usual form (events/s)", f"{usual:,.0f}", _spread(figures.usual), "")
    table.add_row("share of the floor", f"{ours / floor:.1%}", "", f">= {_TARGET_OF_FLOOR:.0%}")
    table.add_row("share of the floor of the same rows", f"{ours / same:.1%}", "", f">= {_TARGET_OF_SAME_ROWS:.0%}")
    table.add_row("times the usual form", f"{ours / usual:.1f}", "", f">= {_TARGET_OF_USUAL}")
    chosen = statistics.median(figures.chosen)
    table.add_row("next actions chosen afterwards (cases/s)", f"{chosen:,.0f}", _spread(figures.chosen), "")
    table.add_row("intake's processor time (us/event)", f"{statistics.median(figures.cpu_us):.0f}", "", "")
    table.add_row("rows written per event", f"{figures.rows_per_event:.1f}", "", "")
    table.add_row("WAL per event (bytes)", f"{figures.wal_bytes_per_event:,.0f}", "", "")
    table.add_row("resident memory (MB)", f"{max(figures.rss_mb):.0f}", "", f"< {_TARGET_RSS_MB}")
    if figures.latency_rate:
        name = f"latency at {figures.latency_rate:,}/s, intended send to read"
        table.add_row(f"{name}, p50 (ms)", f"{figures.latency_p50_ms:.0f}", "", "")
        table.add_row(f"{name}, p99 (ms)", f"{figures.latency_p99_ms:.0f}", "", f"< {_TARGET_P99_MS}")
    return table


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print a table, write the figures as JSON. Returns 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="doorstep bench intake_events", description=__doc__)
    parser.add_argument("--events", type=int, default=60_000, help="events per run")
    parser.add_argument("--usual-events", type=int, default=2_000, help="events of the usual form per run")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rate", type=int, default=1_000, help="events/s of the latency run; 0: leave it out")
    parser.add_argument("--seconds", type=int, default=20, help="length of the latency run")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/intake_events.json"))
    options = parser.parse_args(list(arguments))
    figures = asyncio.run(_measure(options, Console()))
    Console().print(_table(figures))
    save(figures, options.json)
    return 0 if _reached(figures) else 1


async def _measure(options: argparse.Namespace, console: Console) -> Figures:
    async with OtlpSink() as sink:
        bench = Bench(make_load(options.events), options.usual_events, sink, console)
        for _ in range(options.runs):
            await bench.round()
        if options.rate:
            await bench.latency(options.rate, options.seconds)
    bench.figures.measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    return bench.figures


def _reached(figures: Figures) -> bool:
    ours, floor, usual = (statistics.median(rates) for rates in (figures.ours, figures.floor, figures.usual))
    return (
        ours >= _TARGET_OF_FLOOR * floor
        and ours >= _TARGET_OF_SAME_ROWS * statistics.median(figures.same_rows)
        and ours >= _TARGET_OF_USUAL * usual
        and max(figures.rss_mb) < _TARGET_RSS_MB
        and (not figures.latency_rate or figures.latency_p99_ms < _TARGET_P99_MS)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
