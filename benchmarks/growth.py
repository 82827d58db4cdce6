"""What an event costs when the portfolio is large: the same events over 20,000 loans, and over two million.

Intake itself makes the first 20,000 loans from their facts; the large portfolio is their rows copied under new names,
with all indexes. At each size the same number of events, of people drawn by lot, waits on the topic; a checkpoint
before them and one in the middle make two full rounds of page images. How much of it was in the cache is printed. Then
the figures of the portfolio are read by API.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx
import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.figures import save
from benchmarks.loan_events import Message, overdue_message, publish
from benchmarks.written import written
from cli.platform import ISSUER, Platform
from shared.embedded.kafka import ADMIN
from shared.security.token_source import ClientCredentials

_SMALL: Final = 20_000
_COPIED: Final = ("party_alias", "person", "loan", "case_file", "bucket_change", "sequence_issued")
_OUR_IDS: Final = frozenset({"party_id", "case_id", "loan_id", "aggregate_id"})
_THEIR_IDS: Final = frozenset({"party_ref", "loan_ref"})
_COLUMNS: Final = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1 AND is_identity = 'NO' AND is_generated = 'NEVER' ORDER BY 1
"""
_CACHE: Final = """
SELECT sum(heap_blks_hit + idx_blks_hit) AS found, sum(heap_blks_read + idx_blks_read) AS missed
FROM pg_statio_user_tables
"""
_READ: Final = "SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_position WHERE topic = 'loan'"
_SPENT: Final = """
SELECT extract(epoch FROM max(recorded_at) - min(recorded_at)) FROM inbox WHERE recorded_at > $1
"""
_READER: Final = "operator"
_LONGEST_SECONDS: Final = 600
_TARGET_GROWTH, _TARGET_FIGURES_MS = 2.0, 100


@dataclass
class Size:
    """What was measured over one portfolio."""

    loans: int
    events_per_second: float
    cpu_us: float
    """Processor time of intake per event, microseconds."""
    wal_bytes_per_event: float
    rows_per_event: float
    database_mb: float
    cache_hits: float
    """Share of the pages that PostgreSQL found in its own cache."""


@dataclass
class Figures:
    """Both sizes, and how long the portfolio's figures took over the larger one."""

    sizes: list[Size] = field(default_factory=list)
    portfolio_ms: float = 0.0
    measured_at: str = ""


async def _measure(options: argparse.Namespace, console: Console) -> Figures:
    figures = Figures()
    async with Platform(prefix=f"growth{uuid4().hex[:8]}_") as platform:
        await platform.start_servers()
        await platform.provision()
        await platform.start_issuer()
        try:
            await platform.start_services(["intake"])
            bench = Growth(platform, console)
            await bench.begin()
            figures.sizes.append(await bench.events(_SMALL, options.events))
            await bench.grow(options.loans)
            figures.sizes.append(await bench.events(options.loans, options.events))
            figures.portfolio_ms = await bench.portfolio()
        finally:
            await platform.stop_service("intake")
            await platform.drop()
    figures.measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    return figures


class Growth:
    """One intake whose portfolio grows."""

    def __init__(self, platform: Platform, console: Console) -> None:
        self._platform = platform
        self._console = console
        self._options: dict[str, Any] = platform.kafka.client_options(ADMIN)
        self._told = 0
        self._draw = random.Random("growth")

    async def begin(self) -> None:
        """The first loans, each told of once."""
        today = datetime.now(UTC).date()
        await self._tell([overdue_message(number, 1, day=today, draw=self._draw) for number in range(_SMALL)])

    async def grow(self, loans: int) -> None:
        """The first loans' rows again, under new names, until there are `loans`."""
        connection = await asyncpg.connect(self._platform.databases["intake"].owner_url)
        try:
            await connection.execute("SET synchronous_commit = off")
            copies = [(table, await _copy_of(connection, table)) for table in _COPIED]
            for table, _ in copies:
                await connection.execute(f"CREATE TEMPORARY TABLE base_{table} AS SELECT * FROM {table}")
            rounds = range(1, loans // _SMALL)
            for number in track(rounds, description=f"{loans:,} loans", console=self._console):
                for _, statement in copies:
                    await connection.execute(statement, number)
            times = len(rounds) + 1
            for table in ("portfolio_delta", "portfolio_cell"):
                await connection.execute(
                    f"UPDATE {table} SET loans = loans * {times}, overdue_minor = overdue_minor * {times}"
                )
            await connection.execute("ANALYZE")
        finally:
            await connection.close()

    async def events(self, loans: int, count: int) -> Size:
        """`count` events of people drawn by lot, half of them after a checkpoint in the middle."""
        today = datetime.now(UTC).date()
        sequence = 2 + loans
        messages = [
            overdue_message(self._draw.randrange(loans), sequence + place, day=today, draw=self._draw)
            for place in range(count)
        ]
        process = psutil.Process(self._platform.processes["intake"].pid)
        admin = await asyncpg.connect(self._platform.admin_url)
        owner = await asyncpg.connect(self._platform.databases["intake"].owner_url)
        cached = await owner.fetchrow(_CACHE)
        spent, used, rows, wal = 0.0, 0.0, 0, 0
        try:
            for half in (messages[: count // 2], messages[count // 2 :]):
                await admin.execute("CHECKPOINT")
                since = datetime.now(UTC)
                before, cpu = await written(self._platform), process.cpu_times()
                await self._tell(half)
                after, now = await written(self._platform), process.cpu_times()
                spent += float(await owner.fetchval(_SPENT, since))
                used += now.user + now.system - cpu.user - cpu.system
                rows, wal = rows + after[0] - before[0], wal + after[1] - before[1]
            found, missed = (now - was for now, was in zip(await owner.fetchrow(_CACHE), cached, strict=True))
            size = await owner.fetchval("SELECT pg_database_size(current_database())") / 1e6
        finally:
            await admin.close()
            await owner.close()
        hits = float(found / (found + missed))
        measured = Size(loans, count / spent, used / count * 1e6, wal / count, rows / count, float(size), hits)
        self._console.print(f"{loans:,} loans: {measured.events_per_second:,.0f} events/s")
        return measured

    async def portfolio(self) -> float:
        """Median of ten readings of the portfolio's figures, milliseconds."""
        issuer = ClientCredentials(
            issuer=self._platform.url(ISSUER),
            client_id=_READER,
            client_secret=self._platform.clients[_READER].client_secret,
            audience="doorstep",
        )
        taken = []
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {await issuer.token()}"}) as http:
            for _ in range(10):
                began = time.perf_counter()
                answer = await http.get(f"{self._platform.url('intake')}/v1/portfolio")
                answer.raise_for_status()
                taken.append((time.perf_counter() - began) * 1_000)
        await issuer.close()
        return statistics.median(taken)

    async def _tell(self, messages: Sequence[Message]) -> None:
        await publish(self._options, f"{self._platform.prefix}loan", messages)
        self._told += len(messages)
        connection = await asyncpg.connect(self._platform.databases["intake"].owner_url)
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                while await connection.fetchval(_READ) < self._told:  # noqa: ASYNC110 - it happens elsewhere
                    await asyncio.sleep(0.25)
        finally:
            await connection.close()


async def _copy_of(connection: asyncpg.Connection, table: str) -> str:
    """The statement that writes a table's first rows again under the names of round $1."""
    columns = [row[0] for row in await connection.fetch(_COLUMNS, table)]
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(map(_renamed, columns))} FROM base_{table}"


def _renamed(column: str) -> str:
    if column in _OUR_IDS:
        return f"md5({column}::text || $1::int)::uuid"
    if column in _THEIR_IDS:
        return f"left({column}, 2) || lpad((substr({column}, 3)::int + $1::int * {_SMALL})::text, 7, '0')"
    return column


def _table(figures: Figures) -> Table:
    small, large = figures.sizes
    table = Table(title="what an event costs, two checkpoints at each size")
    for column in ("", f"{small.loans:,} loans", f"{large.loans:,} loans", "target"):
        table.add_column(column, justify="left" if not column else "right")
    growth = small.events_per_second / large.events_per_second
    table.add_row(
        "events/s", f"{small.events_per_second:,.0f}", f"{large.events_per_second:,.0f}",
        f"cost x {growth:.2f}, <= {_TARGET_GROWTH:.0f}",
    )  # fmt: skip
    rows = {
        "intake's processor time (us/event)": "cpu_us", "WAL (bytes/event)": "wal_bytes_per_event",
        "rows written per event": "rows_per_event", "database (MB)": "database_mb",
    }  # fmt: skip
    for name, attribute in rows.items():
        table.add_row(name, f"{getattr(small, attribute):,.1f}", f"{getattr(large, attribute):,.1f}", "")
    table.add_row("pages found in the cache", f"{small.cache_hits:.1%}", f"{large.cache_hits:.1%}", "")
    table.add_row("portfolio's figures (ms)", "", f"{figures.portfolio_ms:.0f}", f"< {_TARGET_FIGURES_MS}")
    return table


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print a table, write the figures as JSON. Returns 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="doorstep bench growth", description=__doc__)
    parser.add_argument("--loans", type=int, default=2_000_000, help="loans of the large portfolio")
    parser.add_argument("--events", type=int, default=40_000, help="events at each size")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/growth.json"))
    options = parser.parse_args(list(arguments))
    figures = asyncio.run(_measure(options, Console()))
    Console().print(_table(figures))
    save(figures, options.json)
    small, large = figures.sizes
    cheap = small.events_per_second <= _TARGET_GROWTH * large.events_per_second
    return 0 if cheap and figures.portfolio_ms < _TARGET_FIGURES_MS else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
