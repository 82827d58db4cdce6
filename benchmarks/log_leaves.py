"""The tamper-evident log: leaves made durable and integrated, proofs and verification of a log of a million leaves.

Beside each, in the same run, its floor: the same bytes in the same transactions into one plain table; one row read by
its key; the leaf hashes alone.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
import random
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import asyncpg
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from benchmarks.alone import postgres_alone
from benchmarks.figures import save
from services.compliance.domain.canonical import format_time
from services.compliance.domain.leaves import BuiltLeaf, Chain, NewLeaf, build
from services.compliance.instruments import Instruments
from services.compliance.log.export import stream_export
from services.compliance.log.head import SignedHead
from services.compliance.log.note import Checkpoint, sign
from services.compliance.log.sequencer import BATCH_LEAVES, Sequencer
from services.compliance.log.tree import Node, append, fold, frontier, inclusion_spans
from services.compliance.store import log as store
from services.compliance.store.leaves import append_leaves
from shared.clock import SystemClock
from shared.database import Database, UnitOfWork
from shared.database.migrations import migrate
from shared.embedded.provision import create_database, drop, drop_database
from shared.embedded.servers import EmbeddedServers
from shared.settings import ServiceSettings

VERIFIER = Path(__file__).parents[1] / "tools" / "verify_log.py"
_CALLERS, _TOGETHER, _PARTIES = 4, 100, 4_000
_RECORD = b"r" * 2_000
_LEAVES_PER_PARTY, _HEADS_PER_DAY, _DAYS, _PROOFS = 10, 24, 30, 1_000
_TARGET_RATE, _TARGET_PROOF_MS, _TARGET_VERIFY_SECONDS = 5_000, 5, 30
_COPIED: Final = 50_000
_START: Final = datetime(2026, 3, 1, tzinfo=UTC)
_FLOOR_TABLE = "CREATE TABLE floor_leaf (leaf_id uuid PRIMARY KEY, leaf bytea NOT NULL)"
_FLOOR = "INSERT INTO floor_leaf SELECT * FROM unnest($1::uuid[], $2::bytea[])"


@dataclass
class Figures:
    """What was measured."""

    appended: int = 0
    appended_per_second: float = 0.0
    floor_per_second: float = 0.0
    leaves: int = 0
    proof_p50_ms: float = 0.0
    proof_p99_ms: float = 0.0
    row_p50_ms: float = 0.0
    row_p99_ms: float = 0.0
    export_seconds: float = 0.0
    export_mb: float = 0.0
    verify_seconds: float = 0.0
    hashing_seconds: float = 0.0
    verifier_said: str = ""
    measured_at: str = ""

    def reached(self) -> bool:
        """Whether every target is met."""
        return (
            self.appended_per_second >= _TARGET_RATE
            and self.proof_p50_ms < _TARGET_PROOF_MS
            and self.verify_seconds < _TARGET_VERIFY_SECONDS
        )


@dataclass
class Bench:
    """The log on a database of its own."""

    database: Database
    owner_url: str
    instruments: Instruments
    sequencer: Sequencer
    figures: Figures
    parties: list[UUID] = field(default_factory=lambda: [uuid4() for _ in range(_PARTIES)])
    turn: int = 0

    async def append(self, count: int) -> None:
        """Callers commit decisions' leaves while the sequencer integrates; then the floor, by the same callers."""
        self.figures.appended = count
        owner = await asyncpg.connect(self.owner_url)
        await owner.execute(_FLOOR_TABLE)
        await owner.close()
        # Parties are known before they are decided about: their keys and chains exist.
        await self._call(_PARTIES, self._decide)
        await self._integrate(_PARTIES)
        started = time.perf_counter()
        integrating = asyncio.create_task(self._integrate(count))
        await self._call(count, self._decide)
        await integrating
        self.figures.appended_per_second = count / (time.perf_counter() - started)
        started = time.perf_counter()
        await self._call(count, self._floor)
        self.figures.floor_per_second = count / (time.perf_counter() - started)

    async def _call(self, count: int, once: Callable[[], Awaitable[None]]) -> None:
        rounds = iter(range(count // _TOGETHER))

        async def caller() -> None:
            for _ in rounds:
                await once()

        await asyncio.gather(*(caller() for _ in range(_CALLERS)))

    async def _decide(self) -> None:
        async with self.database.unit_of_work() as uow:
            leaves = [decision(uow, party_id) for party_id in self._next_parties()]
            await uow.lock_parties(leaf.party_id for leaf in leaves if leaf.party_id is not None)
            await append_leaves(uow, self.instruments.cipher, leaves)

    def _next_parties(self) -> list[UUID]:
        """A batch of permits is about as many parties; callers do not meet."""
        self.turn += 1
        start = self.turn * _TOGETHER % _PARTIES
        return self.parties[start : start + _TOGETHER]

    async def _floor(self) -> None:
        async with self.database.unit_of_work() as uow:
            leaves = [build(decision(uow, uuid4()), Chain(b"s" * 32), secrets.token_bytes) for _ in range(_TOGETHER)]
            await uow.sql.execute(_FLOOR, [uuid4() for _ in leaves], [leaf.content for leaf in leaves])

    async def _integrate(self, count: int) -> None:
        done = 0
        while done < count:
            moved = await self.sequencer.integrate()
            done += moved
            if moved < BATCH_LEAVES:
                await asyncio.sleep(0.05)
        await self.sequencer.publish_checkpoint()

    async def prove(self) -> None:
        """Inclusion proofs of leaves drawn at random, as the API makes them, and single rows read the same way."""
        draw = random.Random("proofs")
        proofs, rows = [], []
        for _ in range(_PROOFS):
            index = draw.randrange(self.figures.leaves)
            started = time.perf_counter()
            async with self.database.reading_settled() as uow:
                await store.load_proof(uow, inclusion_spans(index, self.figures.leaves))
            proofs.append((time.perf_counter() - started) * 1_000)
            started = time.perf_counter()
            async with self.database.reading_settled() as uow:
                await store.recorded_at(uow, index)
            rows.append((time.perf_counter() - started) * 1_000)
        self.figures.proof_p50_ms = statistics.median(proofs)
        self.figures.proof_p99_ms = sorted(proofs)[int(len(proofs) * 0.99)]
        self.figures.row_p50_ms = statistics.median(rows)
        self.figures.row_p99_ms = sorted(rows)[int(len(rows) * 0.99)]

    async def verify(self, folder: Path) -> None:
        """Export, run the stand-alone verifier on it, and hash as many leaves."""
        path = folder / "log.tar"
        started = time.perf_counter()
        async with self.database.read_only() as uow:
            with path.open("wb") as file:
                async for block in stream_export(uow, size=self.figures.leaves, keys=[self.instruments.log_key]):
                    file.write(block)
        self.figures.export_seconds = time.perf_counter() - started
        self.figures.export_mb = path.stat().st_size / 1e6
        started = time.perf_counter()
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-I", str(VERIFIER), str(path), "--fingerprint", self.instruments.log_key.fingerprint],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.figures.verify_seconds = time.perf_counter() - started
        self.figures.verifier_said = done.stdout.strip().splitlines()[-1]
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)
        started = time.perf_counter()
        leaf = b"\x00" + b"l" * 600
        for _ in range(self.figures.leaves):
            hashlib.sha256(leaf).digest()
        self.figures.hashing_seconds = time.perf_counter() - started

    async def fill(self, count: int) -> None:
        """A log of `count` leaves with hourly signed heads over thirty days, copied in as the owner."""
        self.figures.leaves = count
        heads = [count * number // (_DAYS * _HEADS_PER_DAY) for number in range(1, _DAYS * _HEADS_PER_DAY + 1)]
        nodes: dict[Node, bytes] = {}
        owner = await asyncpg.connect(self.owner_url)
        try:
            leaves, start = synthetic(count), 0
            while part := list(itertools.islice(leaves, _COPIED)):
                hashes = [built.hash for _, built in part]
                nodes |= append(start, [nodes[node] for node in frontier(start)], hashes)
                await _copy(owner, part, start)
                start += len(part)
            await owner.copy_records_to_table(
                "log_node",
                columns=["level", "place", "hash"],
                records=((*node, value) for node, value in nodes.items()),
            )
            await owner.execute("ANALYZE log_entry, log_leaf, log_node")
        finally:
            await owner.close()
        async with self.database.unit_of_work() as uow:
            key, signer = self.instruments.log_key, self.instruments.checkpoint_key.sign_bytes
            for number, size in enumerate(heads):
                root = fold([nodes[node] for node in frontier(size)])
                note = sign(Checkpoint(key.name, size, root), key, signer)
                at = _START + timedelta(days=1) * number / _HEADS_PER_DAY
                await store.add_checkpoint(uow, store.StoredCheckpoint(size, root, note, at))


async def _copy(owner: asyncpg.Connection, part: Sequence[tuple[NewLeaf, BuiltLeaf]], start: int) -> None:
    await owner.copy_records_to_table(
        "log_entry",
        columns=["leaf_id", "party_id", "kind", "leaf", "leaf_hash", "recorded_at"],
        records=((one.leaf_id, one.party_id, one.kind, b.content, b.hash, one.recorded_at) for one, b in part),
    )
    await owner.copy_records_to_table(
        "log_leaf",
        columns=["leaf_index", "leaf_id"],
        records=((start + place, one.leaf_id) for place, (one, _) in enumerate(part)),
    )


def decision(uow: UnitOfWork, party_id: UUID) -> NewLeaf:
    """A leaf as the permit desk writes it."""
    return NewLeaf(
        kind="decision", leaf_id=uuid4(), party_id=party_id, occurred_at=uow.now, recorded_at=uow.real_now,
        public={
            "decision_id": str(uuid4()), "permit_id": str(uuid4()), "answer": "allow", "channel": "visit",
            "purpose": "collection", "refused_by": [], "rule_set": "0" * 64,
        },
        committed={"record": _RECORD, "place": b"88309a5915fffff"},
    )  # fmt: skip


def synthetic(count: int) -> Iterator[tuple[NewLeaf, BuiltLeaf]]:
    """Chained leaves of `count / 10` parties: decisions with their permits, and the contacts made on them."""
    parties = [uuid4() for _ in range(max(1, count // _LEAVES_PER_PARTY))]
    chains = {party: Chain(secrets.token_bytes(32)) for party in parties}
    permits: dict[UUID, str] = {}
    for place in range(count):
        party = parties[place % len(parties)]
        at = _START + timedelta(seconds=place)
        deciding = place // len(parties) % 2 == 0
        if deciding:
            permits[party] = str(uuid4())
        public = {"permit_id": permits[party], "channel": "visit", "purpose": "collection", "rule_set": "0" * 64}
        leaf = NewLeaf(
            kind="decision" if deciding else "contact", leaf_id=uuid4(), party_id=party, occurred_at=at, recorded_at=at,
            public=public if deciding else public | {"started_real": format_time(at)}, committed={"record": b"r"},
        )  # fmt: skip
        built = build(leaf, chains[party], lambda _: b"s" * 32)
        chains[party] = built.chain or chains[party]
        yield leaf, built


def _table(figures: Figures) -> Table:
    table = Table(title=f"The log, {figures.leaves:,} leaves")
    for column in ("", "measured", "floor", "target"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row(
        "leaves durably appended and integrated (1/s)", f"{figures.appended_per_second:,.0f}",
        f"{figures.floor_per_second:,.0f}", f">= {_TARGET_RATE:,}",
    )  # fmt: skip
    table.add_row(
        "inclusion proof, p50 (ms)", f"{figures.proof_p50_ms:.2f}", f"{figures.row_p50_ms:.2f}", f"< {_TARGET_PROOF_MS}"
    )
    table.add_row("inclusion proof, p99 (ms)", f"{figures.proof_p99_ms:.2f}", f"{figures.row_p99_ms:.2f}", "")
    table.add_row("export (s)", f"{figures.export_seconds:.1f}", "", "")
    table.add_row(
        "verification of the export (s)", f"{figures.verify_seconds:.1f}", f"{figures.hashing_seconds:.1f}",
        f"< {_TARGET_VERIFY_SECONDS}",
    )  # fmt: skip
    return table


async def _measure(options: argparse.Namespace, servers: EmbeddedServers, folder: Path) -> Figures:
    name = f"bench{uuid4().hex[:8]}_compliance"
    admin, figures = servers.postgres.admin_url, Figures()
    made = await create_database(admin, name, role=name, password=servers.home.password)
    await migrate(made.owner_url, "services.compliance")
    settings = ServiceSettings(
        environment="development", database_url=SecretStr(made.url), kafka_bootstrap="127.0.0.1:9",
        key_folder=folder / "keys",
    )  # fmt: skip
    instruments = Instruments.open(settings)
    try:
        for step in ("append", "million"):
            database = await Database.open(settings, SystemClock(), service="compliance")
            head = SignedHead(folder / f"{step}.note", instruments.log_key)
            sequencer = Sequencer(
                database, SystemClock(), key=instruments.log_key, signer=instruments.checkpoint_key, head=head
            )
            bench = Bench(database, made.owner_url, instruments, sequencer, figures)
            if step == "append":
                await bench.append(options.append)
            else:
                await bench.fill(options.leaves)
                await bench.prove()
                await bench.verify(folder)
            await database.close()
            if step == "append":
                await drop_database(admin, name)
                await create_database(admin, name, role=name, password=servers.home.password)
                await migrate(made.owner_url, "services.compliance")
    finally:
        await drop(name.removesuffix("compliance"), admin_url=admin)
    figures.measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    return figures


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print a table, write the figures as JSON. Returns 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="doorstep bench log_leaves", description=__doc__)
    parser.add_argument("--append", type=int, default=30_000, help="leaves of the appending run")
    parser.add_argument("--leaves", type=int, default=1_000_000, help="leaves of the log that is proved and verified")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/log_leaves.json"))
    options = parser.parse_args(list(arguments))
    with postgres_alone() as (servers, folder):
        figures = asyncio.run(_measure(options, servers, folder))
    Console().print(_table(figures))
    save(figures, options.json)
    return 0 if figures.reached() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
