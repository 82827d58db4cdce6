"""Permits over HTTP: 32 callers, durable and audited; compliance on this machine with its database, log and broker.

Three of ten calls asked for are unlawful and are told the earliest lawful time. Beside it, alternating in the same run
and by the same callers: the floor, a route that reads the same body and commits one row. Then open-loop latency at half
of the rate reached, timed from the moment each request was *meant* to be sent; 500 permits and 500 windows at once; and
at the end the floor of the same rows, a route that commits all that compliance's permits left and decides nothing. The
people came through Kafka and intake; the other services are then stopped, their heartbeats kept fresh by hand, and
compliance runs as it is deployed (`deploy/k8s`): the API in a process of its own, in another what publishes, reads
events and integrates the log. Before that, for scale: visits with all five services running, each balance confirmed by
intake.
Every run is checked: each answer has its row, each permit its reservation, every decision its leaf in the tree.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.figures import save
from benchmarks.http_load import Load, Reply
from benchmarks.loan_events import overdue_message, person_message, publish
from cli.platform import ISSUER, Platform
from cli.processes import ChildProcess
from shared.embedded.home import LOOPBACK, free_port
from shared.embedded.kafka import ADMIN
from shared.events.codec import format_time
from shared.security.token_source import ClientCredentials
from shared.service import Role

_TARGET_OF_FLOOR, _TARGET_P99_MS, _TARGET_BATCH_MS, _TARGET_WINDOWS_MS = 0.40, 60, 500, 150
_CALLERS, _BATCH, _BATCHES, _WARM = 32, 500, 5, 320
_WARM_SECONDS, _UNLAWFUL_IN_TEN, _WINDOW_DAYS, _SETTLE_SECONDS = 2, 3, 7, 120
_ASKER: Final = "assignment"
_BEHIND_NAME: Final = "compliance-behind"
_BEHIND: Final[tuple[Role, ...]] = ("consumer", "relay", "worker")
_CASES = "SELECT party_id, case_id, case_version FROM party_fact ORDER BY party_id"
# As if those who are stopped still said every second that they are up to date.
_BEAT = "UPDATE feeder_watermark SET low_watermark = now()"
_FRESH = "SELECT coalesce(min(low_watermark) > now() - interval '10 seconds', false) FROM feeder_watermark"
_MADE = """
SELECT (SELECT count(*) FROM decision) AS decisions, (SELECT count(*) FROM permit) AS permits,
       (SELECT count(*) FROM log_entry WHERE kind = 'decision') AS leaves,
       (SELECT count(*) FROM log_leaf JOIN log_entry USING (leaf_id) WHERE kind = 'decision') AS integrated
"""


@dataclass
class Figures:
    """What was measured. Rates in requests per second, times in milliseconds."""

    callers: int = _CALLERS
    permits: list[float] = field(default_factory=list)
    visits: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    same_rows: list[float] = field(default_factory=list)
    denied_share: float = 0.0
    latency_rate: float = 0.0
    latency_p50_ms: float = 0.0
    latency_p99_ms: float = 0.0
    batch_ms: list[float] = field(default_factory=list)
    windows_ms: list[float] = field(default_factory=list)
    decisions: int = 0
    integrated: int = 0
    measured_at: str = ""

    @property
    def share_of_floor(self) -> float:
        """Median of the rounds' ratios: what else the machine did struck both alike."""
        return statistics.median(ours / floor for ours, floor in zip(self.permits, self.floor, strict=True))

    @property
    def share_of_same_rows(self) -> float:
        """Of the medians: both floors were measured, but not at the same time."""
        return statistics.median(self.permits) / statistics.median(self.same_rows)

    def reached(self) -> bool:
        """Whether every target is met."""
        return (
            self.share_of_floor >= _TARGET_OF_FLOOR
            and self.latency_p99_ms < _TARGET_P99_MS
            and statistics.median(self.batch_ms) < _TARGET_BATCH_MS
            and statistics.median(self.windows_ms) < _TARGET_WINDOWS_MS
        )


class Bench:
    """The platform with parties that nobody has been asked about yet."""

    def __init__(self, platform: Platform, floor: Load, ours: Load, *, console: Console) -> None:
        self._platform = platform
        self._floor = floor
        self._ours = ours
        self._console = console
        self.figures = Figures()
        self._people: list[asyncpg.Record] = []
        self._asked: list[asyncpg.Record] = []
        self._denied = 0
        self._granted = 0

    async def begin(self, parties: int) -> None:
        """Overdue loans in by Kafka, until compliance knows every case."""
        draw, today = random.Random("permits"), datetime.now(UTC).date()
        messages = [
            make(number, sequence, day=today, draw=draw)
            for number in range(parties)
            for sequence, make in ((1, person_message), (2, overdue_message))
        ]
        await publish(self._platform.kafka.client_options(ADMIN), f"{self._platform.prefix}loan", messages)
        async with self._connection() as connection:
            for _ in range(_SETTLE_SECONDS):
                if len(people := await connection.fetch(_CASES)) == parties:
                    break
                await asyncio.sleep(1)
            else:
                raise TimeoutError(f"compliance knows {len(people)} of {parties} cases")
            for _ in range(_SETTLE_SECONDS):
                if await connection.fetchval(_FRESH):
                    break
                await asyncio.sleep(1)
        draw.shuffle(people)
        self._people = people
        await self._permits(self._take(_WARM), "visit")

    async def visits(self, requests: int) -> None:
        """Single permits of visits with everything running."""
        self.figures.visits.append(requests / await self._permits(self._take(requests), "visit"))

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Stop the other services, and keep their heartbeats fresh. Compliance is started again as it is deployed."""
        await asyncio.gather(*(self._platform.stop_service(name) for name in self._platform.databases))
        await self._platform.start_services(["compliance"], roles=["api"])
        await self._platform.start_service("compliance", name=_BEHIND_NAME, roles=_BEHIND)

        async def beat() -> None:
            async with self._connection() as connection:
                while True:
                    await connection.execute(_BEAT)
                    await asyncio.sleep(1)

        beating = asyncio.create_task(beat())
        try:
            await asyncio.sleep(_WARM_SECONDS)
            yield
        finally:
            beating.cancel()

    async def round(self, requests: int) -> None:
        """Single permits by 32 callers, then the floor by the same."""
        asked = self._take(requests)
        self.figures.permits.append(requests / await self._permits(asked))
        seconds, replies = await self._floor.closed_loop(
            [self._floor.request("/v1/permits", _permits([one])) for one in asked], callers=_CALLERS
        )
        _refuse_failures(replies)
        self.figures.floor.append(requests / seconds)
        self._console.print(f"permits {self.figures.permits[-1]:,.0f}/s   floor {self.figures.floor[-1]:,.0f}/s")

    async def latency(self, seconds: int) -> None:
        """Open loop at half of the rate reached."""
        rate = statistics.median(self.figures.permits) / 2
        asked = self._take(min(int(rate * seconds), len(self._people) - _BATCH * _BATCHES))
        requests = [self._ours.request("/v1/permits", _permits([one])) for one in asked]
        taken, replies = await self._ours.open_loop(requests, rate=rate)
        self._note(replies)
        taken.sort()
        self.figures.latency_rate = rate
        self.figures.latency_p50_ms = taken[len(taken) // 2] * 1_000
        self.figures.latency_p99_ms = taken[int(len(taken) * 0.99)] * 1_000

    async def batches(self) -> None:
        """500 permits, and 500 windows, in one request."""
        for _ in range(_BATCHES):
            asked = self._take(_BATCH)
            for path, body, into in (
                ("/v1/windows", _windows(asked), self.figures.windows_ms),
                ("/v1/permits", _permits(asked), self.figures.batch_ms),
            ):
                seconds, replies = await self._ours.closed_loop([self._ours.request(path, body)], callers=1)
                into.append(seconds * 1_000)
                if path == "/v1/permits":
                    self._note(replies)
                else:
                    _refuse_failures(replies)

    async def check(self) -> None:
        """Every answer has its row, every permit is reserved, every decision is in the tree. Raises AssertionError."""
        answered = self._denied + self._granted
        async with self._connection() as connection:
            for _ in range(_SETTLE_SECONDS):
                if (made := dict(await connection.fetchrow(_MADE)))["integrated"] == answered:
                    break
                await asyncio.sleep(1)
        if made != {"decisions": answered, "permits": self._granted, "leaves": answered, "integrated": answered}:
            raise AssertionError(f"{answered} answers, {self._granted} permits; kept: {made}")
        self.figures.decisions, self.figures.integrated = answered, made["integrated"]
        self.figures.denied_share = self._denied / answered

    async def same_rows(self, requests: int, rounds: int) -> None:
        """Our rows of permits again, in a copy of our database, by a route that decides nothing. Ours is stopped."""
        source = self._platform.databases["compliance"].owner_url
        name = urlsplit(source).path[1:]
        twin = f"{name}_twin"
        target = urlunsplit(urlsplit(self._platform.admin_url)._replace(path=f"/{twin}"))
        admin = await asyncpg.connect(self._platform.admin_url)
        try:
            await admin.execute(f'CREATE DATABASE "{twin}" TEMPLATE "{name}"')
            async with _beside(self._platform, "same_permit_rows", [source, target]) as floor:
                body = _permits(self._asked[:1])
                for _ in range(rounds):
                    again = [floor.request("/v1/permits", body) for _ in range(requests)]
                    seconds, replies = await floor.closed_loop(again, callers=_CALLERS)
                    _refuse_failures(replies)
                    self.figures.same_rows.append(requests / seconds)
        finally:
            await admin.execute(f'DROP DATABASE IF EXISTS "{twin}" WITH (FORCE)')
            await admin.close()

    async def _permits(self, asked: Sequence[asyncpg.Record], channel: str = "call") -> float:
        requests = [self._ours.request("/v1/permits", _permits([one], channel)) for one in asked]
        seconds, replies = await self._ours.closed_loop(requests, callers=_CALLERS)
        self._note(replies)
        return seconds

    def _take(self, count: int) -> list[asyncpg.Record]:
        taken, self._people = self._people[:count], self._people[count:]
        self._asked = taken
        if len(taken) < count:
            raise ValueError("too few parties for these rounds; give --parties")
        return taken

    def _note(self, replies: Sequence[Reply]) -> None:
        _refuse_failures(replies)
        for reply in replies:
            for item in json.loads(reply.body)["items"]:
                if item["decision"] == "allow":
                    self._granted += 1
                elif item["decision"] == "deny" and item["earliest_lawful"]:
                    self._denied += 1
                else:
                    raise AssertionError(f"neither allowed nor refused with a time: {item}")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self._platform.databases["compliance"].owner_url)
        try:
            yield connection
        finally:
            await connection.close()


def _refuse_failures(replies: Sequence[Reply]) -> None:
    for reply in replies:
        if reply.status != 200:
            raise AssertionError(f"{reply.status}: {reply.body[:500]!r}")


def _permits(people: Sequence[asyncpg.Record], channel: str = "call") -> bytes:
    return json.dumps({"items": [_contact(one, channel) for one in people]}).encode()


def _contact(one: asyncpg.Record, channel: str) -> dict[str, Any]:
    """A call or visit on the afternoon after tomorrow in Shanghai, or late in that evening."""
    lawful = one["party_id"].int % 10 >= _UNLAWFUL_IN_TEN
    day = (datetime.now(UTC) + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
    start = day.replace(hour=6 if lawful else 14)
    return {
        "request_id": str(uuid4()), "party_id": str(one["party_id"]), "case_id": str(one["case_id"]),
        "subject_id": str(uuid4()), "channel": channel, "purpose": "collection", "jurisdiction": "CN",
        "time_zones": ["Asia/Shanghai"],
        "window": {"start": format_time(start), "end": format_time(start + timedelta(minutes=90))},
        "duration_minutes": 30, "crew": [str(uuid4()), str(uuid4())], "device_id": "device-17",
        "place_cell": "88309a5915fffff", "versions": {"case": one["case_version"]},
    }  # fmt: skip


def _windows(people: Sequence[asyncpg.Record]) -> bytes:
    days = [(datetime.now(UTC) + timedelta(days=ahead)).date().isoformat() for ahead in range(1, _WINDOW_DAYS + 1)]
    items = [
        {"party_id": str(one["party_id"]), "channel": "visit", "jurisdiction": "CN", "time_zones": ["Asia/Shanghai"],
         "days": days, "duration_minutes": 30}
        for one in people
    ]  # fmt: skip
    return json.dumps({"items": items}).encode()


@asynccontextmanager
async def _beside(platform: Platform, module: str, databases: Sequence[str]) -> AsyncIterator[Load]:
    """A floor's process."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    process = ChildProcess(
        name=module, module=f"benchmarks.{module}", arguments=[*databases, str(port)], environment={},
        ready_url=f"{url}/health/ready", log=platform.folder / "logs" / f"{module}.log",
    )  # fmt: skip
    process.start()
    try:
        await process.wait_until_ready()
        yield Load(url)
    finally:
        await process.stop()


async def _measure(options: argparse.Namespace, console: Console) -> Figures:
    async with Platform(prefix=f"bench{uuid4().hex[:8]}_") as platform:
        await platform.start()
        try:
            secret = platform.clients[_ASKER].client_secret
            issuer = ClientCredentials(
                issuer=platform.url(ISSUER), client_id=_ASKER, client_secret=secret, audience="doorstep"
            )
            ours = Load(platform.url("compliance"), {"Authorization": f"Bearer {await issuer.token()}"})
            # The database of a service that is idle here, on the same server with the same settings.
            async with _beside(platform, "one_row", [platform.databases["plans"].owner_url]) as floor:
                bench = Bench(platform, floor, ours, console=console)
                await bench.begin(options.parties)
                await bench.visits(options.requests)
                async with bench.alone():
                    for _ in range(options.rounds):
                        await bench.round(options.requests)
                    await bench.latency(options.seconds)
                    await bench.batches()
                    await bench.check()
            await asyncio.gather(*(platform.stop_service(name) for name in ("compliance", _BEHIND_NAME)))
            await bench.same_rows(options.requests, options.rounds)
        finally:
            await asyncio.gather(*(platform.stop_service(name) for name in platform.databases))

            await platform.drop()
    bench.figures.measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    return bench.figures


def _table(figures: Figures) -> Table:
    table = Table(
        title=f"Permits over HTTP, {figures.callers} callers, {figures.decisions:,} decisions kept and proved"
    )
    for column in ("", "measured", "target"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("single permits (1/s)", f"{statistics.median(figures.permits):,.0f}", "")
    table.add_row("floor: a route that commits one row (1/s)", f"{statistics.median(figures.floor):,.0f}", "")
    table.add_row(
        "floor of the same rows: a route that commits them all (1/s)",
        f"{statistics.median(figures.same_rows):,.0f}",
        "",
    )
    table.add_row("share of the floor of the same rows", f"{figures.share_of_same_rows:.0%}", "")
    table.add_row("share of the floor", f"{figures.share_of_floor:.0%}", f">= {_TARGET_OF_FLOOR:.0%}")
    table.add_row(f"latency at {figures.latency_rate:,.0f}/s, p50 (ms)", f"{figures.latency_p50_ms:.0f}", "")
    table.add_row("latency, p99 (ms)", f"{figures.latency_p99_ms:.0f}", f"< {_TARGET_P99_MS}")
    table.add_row("500 permits at once (ms)", f"{statistics.median(figures.batch_ms):.0f}", f"< {_TARGET_BATCH_MS}")
    table.add_row(
        f"500 windows of {_WINDOW_DAYS} days at once (ms)", f"{statistics.median(figures.windows_ms):.0f}",
        f"< {_TARGET_WINDOWS_MS}",
    )  # fmt: skip
    table.add_row("visits, five services running (1/s)", f"{statistics.median(figures.visits):,.0f}", "")
    table.add_row("denied, with the earliest lawful moment", f"{figures.denied_share:.0%}", "30%")
    return table


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print a table, write the figures as JSON. Returns 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="doorstep bench permits", description=__doc__)
    parser.add_argument("--parties", type=int, default=16_000, help="people who owe; each is asked about once")
    parser.add_argument("--requests", type=int, default=1_500, help="single permits of one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10, help="length of the latency run")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/permits.json"))
    options = parser.parse_args(list(arguments))
    figures = uvloop.run(_measure(options, Console()))
    Console().print(_table(figures))
    save(figures, options.json)
    return 0 if figures.reached() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
