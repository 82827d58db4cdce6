"""Reading a million cases: every filter of the list, work lists, timelines, search by blind index, and the export.

Each question is asked from the first page and from places drawn by lot, through the functions of the API. Its plan is
taken with EXPLAIN (ANALYZE) and printed as the indexes that it walks: a question that reads a large table from end to
end fails the run. Beside the export, in the same run, the floor: COPY of the same columns.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import re
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final, cast
from uuid import UUID, uuid4

import asyncpg
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from benchmarks.alone import postgres_alone
from benchmarks.case_rows import FILL
from benchmarks.figures import save
from cli.progress import StepProgress
from services.intake import case_export, timeline_desk
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.held_snapshots import HeldSnapshots
from services.intake.store import cards, case_lists
from services.intake.store import strategy as actions
from services.intake.store.case_lists import CaseFilter
from shared.clock import SystemClock
from shared.database import Database, UnitOfWork
from shared.database.migrations import migrate
from shared.embedded.provision import create_database, drop
from shared.embedded.servers import EmbeddedServers
from shared.events.catalogue import CATALOGUE
from shared.events.codec import encode_headers
from shared.messaging.outbox import pack_headers
from shared.security.key_management import LocalKeyManagement
from shared.security.party_keys import PartyCipher
from shared.settings import ServiceSettings

_TARGET_MS: Final = 100
# Of a partition's index, its table and columns remain.
_INDEX: Final = re.compile(r"(?:using|Index Scan on) (\w+?)(?:_\d+_?(\w*?)_?(?:key|idx|pkey)\d*)?(?: on|\s+\()")
_DAY: Final = date(2026, 3, 10)
_NOW: Final = datetime(2026, 3, 10, tzinfo=UTC)
_FILL_BATCH: Final = 50_000
_PAGE: Final = 100
_ASKED: Final = 7
_TABLES: Final = ("case_file", "loan", "person", "party_alias", "next_action", "case_entry", "outbox")
_BOUND: Final = 100_000
"""A scan from end to end of fewer rows is no matter."""
_VALUE: Final = b'{"before":"B1","after":"B2","business_date":"2026-03-10"}'
_MOBILE: Final = "+86 138 1234 5678"
_FILTERS: Final[dict[str, CaseFilter]] = {
    "all": CaseFilter(),
    "status=cured (1 in 10)": CaseFilter(status="cured"),
    "bucket=B4": CaseFilter(bucket="B4"),
    "days_from=100": CaseFilter(days_from=100),
    "days_from=170, days_to=175": CaseFilter(days_from=170, days_to=175),
    "currency=JPY (1 in 1,000)": CaseFilter(currency="JPY"),
    "currency=CNY, overdue_from (1 in 400)": CaseFilter(currency="CNY", overdue_from=400_000),
    "product_class=business (1 in 1,000)": CaseFilter(product_class="business"),
    "jurisdiction=TW (1 in 1,000)": CaseFilter(jurisdiction="TW"),
    "suspended": CaseFilter(suspended=True),
    "suspended=false": CaseFilter(suspended=False),
    "suspended_for=disputed (1 in 1,000)": CaseFilter(suspended_for="disputed"),
    "held (1 in 1,000)": CaseFilter(held=True),
    "core=core-b (1 in 1,000)": CaseFilter(core="core-b"),
    "opened_since": CaseFilter(opened_since=_NOW - timedelta(days=1)),
    "as_of_since": CaseFilter(as_of_since=_DAY),
    "changed_since (nobody)": CaseFilter(changed_since=_NOW + timedelta(days=900)),
    "bucket=B4, core, jurisdiction=TW, suspended_for": CaseFilter(
        bucket="B4", core="core-a", jurisdiction="TW", suspended_for="disputed"
    ),
}
Ask = Callable[[UnitOfWork, UUID], Awaitable[object]]


@dataclass
class Question:
    """One question: milliseconds of the wall clock, the indexes that it walks, and tables read from end to end."""

    name: str
    median_ms: float
    worst_ms: float
    walks: list[str]
    whole: list[str]


@dataclass
class Figures:
    """What was measured."""

    cases: int = 0
    fill_seconds: float = 0.0
    questions: list[Question] = field(default_factory=list)
    export_rows_per_second: float = 0.0
    floor_rows_per_second: float = 0.0
    measured_at: str = ""

    def reached(self) -> bool:
        """Whether every question is under the target and none reads a large table from end to end."""
        return all(one.median_ms < _TARGET_MS and not one.whole for one in self.questions)


class Explaining:
    """A connection that also explains each query, once."""

    def __init__(self, sql: asyncpg.Connection) -> None:
        self._sql = sql
        self.plans: list[str] = []

    async def fetch(self, query: str, *values: object) -> list[asyncpg.Record]:
        """The rows."""
        await self._explain(query, values)
        return list(await self._sql.fetch(query, *values))

    async def fetchrow(self, query: str, *values: object) -> asyncpg.Record | None:
        """The first row."""
        await self._explain(query, values)
        return await self._sql.fetchrow(query, *values)

    async def fetchval(self, query: str, *values: object) -> object:
        """The first value."""
        await self._explain(query, values)
        return await self._sql.fetchval(query, *values)

    async def _explain(self, query: str, values: Sequence[object]) -> None:
        rows = await self._sql.fetch(f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) {query}", *values)
        self.plans += [row[0] for row in rows]


def walked(plan: Sequence[str]) -> tuple[list[str], list[str]]:
    """The indexes of a plan, and the tables read whole, partitions by the name of their table."""
    indexes, whole = set[str](), set[str]()
    for line in plan:
        if "never executed" in line:
            continue
        if found := _INDEX.search(line):
            indexes.add("_".join(part for part in found.groups() if part))
        elif (found := re.search(r"Seq Scan on (\w+?)(?:_\d+)?\s", line)) and _scanned(line) >= _BOUND / 16:
            whole.add(found[1])
    return sorted(indexes), sorted(whole)


def _scanned(line: str) -> float:
    found = re.search(r"rows=([\d.]+) loops=(\d+)\)", line)
    return float(found[1]) * int(found[2]) if found else 0.0


@dataclass(frozen=True)
class Bench:
    """Intake's tables on a database of their own, without Kafka."""

    database: Database
    owner_url: str
    cipher: PartyCipher
    figures: Figures
    tell: Callable[[str, int, int], None]

    async def fill(self) -> None:
        """Make the cases, as the owner of the tables."""
        owner = await asyncpg.connect(self.owner_url)
        started, cases = time.perf_counter(), self.figures.cases
        mobile = self.cipher.blind_index("person.mobile", cards.normalised_mobile(_MOBILE))
        given = {":day": f"date '{_DAY}'", ":headers": _bytes(_headers()), ":value": _bytes(_VALUE),
                 ":mobile": _bytes(mobile)}  # fmt: skip
        try:
            await owner.execute("SET synchronous_commit = off")
            for first in range(1, cases + 1, _FILL_BATCH):
                last = min(first + _FILL_BATCH - 1, cases)
                for statement in FILL:
                    text = statement
                    for name, literal in given.items():
                        text = text.replace(name, literal)
                    await owner.execute(text, first, last)
                self.tell("Cases: made", last, cases)
            await owner.execute(f"VACUUM ANALYZE {', '.join(_TABLES)}")
        finally:
            await owner.close()
        self.figures.fill_seconds = time.perf_counter() - started

    async def ask(self, name: str, ask: Ask) -> None:
        """Ask from the beginning and from places drawn by lot, and once more for the plan."""
        draw, taken = random.Random(name), list[float]()
        for number in range(_ASKED):
            place = UUID(int=0) if not number else _case_id(draw.randrange(self.figures.cases))
            async with self.database.read_only() as uow:
                started = time.perf_counter()
                await ask(uow, place)
                taken.append((time.perf_counter() - started) * 1_000)
        async with self.database.read_only() as uow:
            explaining = Explaining(uow.sql)
            uow.sql = cast("asyncpg.Connection", explaining)
            await ask(uow, _case_id(self.figures.cases // 2))
        self.figures.questions.append(Question(name, median(taken), max(taken), *walked(explaining.plans)))
        self.tell("Questions: asked", len(self.figures.questions), len(_FILTERS) + len(_OTHERS))

    async def export(self) -> None:
        """All cases as CSV, in the pieces that the API gives, and their columns by COPY."""
        policy, which = DelinquencyPolicy(), CaseFilter()
        held = HeldSnapshots(self.database)
        moment = (await held.hold()).name
        started, after, rows = time.perf_counter(), None, 0
        while True:
            async with held.reading(moment) as uow:
                until = await case_lists.span(
                    uow, which, policy, after=after, examined=case_export.CASES_PER_PIECE
                )  # fmt: skip
            async for lines in case_export.piece(held, moment, which, policy, after=after, until=until):
                rows += lines.count(b"\r\n")
            if until is None:
                break
            after = until
        self.figures.export_rows_per_second = rows / (time.perf_counter() - started)
        owner = await asyncpg.connect(self.owner_url)
        try:
            started = time.perf_counter()
            await owner.copy_from_query("SELECT * FROM case_file", output=io.BytesIO(), format="csv")
            self.figures.floor_rows_per_second = self.figures.cases / (time.perf_counter() - started)
        finally:
            await owner.close()


def _bytes(content: bytes) -> str:
    return f"decode('{content.hex()}', 'hex')"


def _headers() -> bytes:
    return pack_headers(
        encode_headers(
            event_type=CATALOGUE["case.bucket_changed"], event_id=str(uuid4()), source="/services/intake",
            tenant="bank", aggregate_id="a", sequence=1, time=_NOW, recorded_time=_NOW, correlation_id="c",
            causation_id="", traceparent="",
        )
    )  # fmt: skip


def _case_id(number: int) -> UUID:
    """A place in the order of cases: the beginning of the id of case `number`."""
    return UUID(f"{1_760_000_000_000 + number * 40:012x}" + "8" + "0" * 19)


def _listed(which: CaseFilter) -> Ask:
    async def ask(uow: UnitOfWork, place: UUID) -> object:
        return await case_lists.page(uow, which, DelinquencyPolicy(), after=place, limit=_PAGE)

    return ask


async def _party(uow: UnitOfWork, place: UUID) -> UUID:
    found: UUID = await uow.sql.fetchval(
        "SELECT party_id FROM case_file WHERE tenant = 'bank' AND case_id > $1 ORDER BY case_id LIMIT 1", place
    )
    return found


async def _timeline(uow: UnitOfWork, place: UUID) -> object:
    return await timeline_desk.page(uow, await _party(uow, place), after=None, limit=_PAGE)


async def _work_list(uow: UnitOfWork, place: UUID) -> object:
    return await actions.page(uow, "field_visit", after=place, limit=_PAGE)


async def _by_reference(uow: UnitOfWork, _: UUID) -> object:
    return await cards.find_by_reference(uow, "core-a", "P-77")


_OTHERS: Final[dict[str, Ask]] = {
    "next-actions: field_visit (1 in 1,000)": _work_list,
    "timeline of a case": _timeline,
    "search: reference": _by_reference,
}


def _by_mobile(cipher: PartyCipher) -> Ask:
    async def ask(uow: UnitOfWork, _: UUID) -> object:
        found = await cards.find_by_mobile(uow, cipher, _MOBILE, limit=20)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} people found by one number")
        return found

    return ask


async def _measure(options: argparse.Namespace, servers: EmbeddedServers, folder: Path) -> Figures:
    name = f"bench{uuid4().hex[:8]}_intake"
    admin, figures = servers.postgres.admin_url, Figures(cases=options.cases)
    made = await create_database(admin, name, role=name, password=servers.home.password)
    await migrate(made.owner_url, "services.intake")
    settings = ServiceSettings(
        environment="development", database_url=SecretStr(made.url), kafka_bootstrap="127.0.0.1:9",
        key_folder=folder / "keys",
    )  # fmt: skip
    database = await Database.open(settings, SystemClock(), service="intake")
    cipher = PartyCipher(LocalKeyManagement.open(settings.key_folder, "intake"), tenant=settings.tenant)
    try:
        with StepProgress(Console(stderr=True)) as progress:
            bench = Bench(database, made.owner_url, cipher, figures, progress)
            await bench.fill()
            for label, which in _FILTERS.items():
                await bench.ask(label, _listed(which))
            for label, ask in {**_OTHERS, "search: mobile, blind index": _by_mobile(cipher)}.items():
                await bench.ask(label, ask)
            await bench.export()
    finally:
        await database.close()
        await drop(name.removesuffix("intake"), admin_url=admin)
    figures.measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    return figures


def _table(figures: Figures) -> Table:
    table = Table(title=f"Reading {figures.cases:,} cases, pages of {_PAGE} (made in {figures.fill_seconds:.0f} s)")
    for column in ("question", "median ms", "worst ms", "walks", "reads whole"):
        table.add_column(column, justify="right" if column.endswith("ms") else "left")
    for one in figures.questions:
        table.add_row(
            one.name, f"{one.median_ms:.1f}", f"{one.worst_ms:.1f}", ", ".join(one.walks), ", ".join(one.whole)
        )
    table.add_row("target", f"< {_TARGET_MS}", "", "", "nothing large")
    return table


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print a table, write the figures as JSON. Returns 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="doorstep bench case_lists", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000, help="cases")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/case_lists.json"))
    options = parser.parse_args(list(arguments))
    with postgres_alone() as (servers, folder):
        figures = asyncio.run(_measure(options, servers, folder))
    console = Console(width=160)
    console.print(_table(figures))
    console.print(
        f"export: {figures.export_rows_per_second:,.0f} rows/s; floor, COPY of the same rows: "
        f"{figures.floor_rows_per_second:,.0f} rows/s"
    )
    save(figures, options.json)
    return 0 if figures.reached() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
