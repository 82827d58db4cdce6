"""Runs of real processes on real servers, their inputs, and what must be true when they have come to rest."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from cli.platform import Platform
from shared.clock import SteppedClock
from shared.embedded.home import write_private
from shared.embedded.kafka import KafkaAccess
from shared.embedded.servers import EmbeddedServers
from shared.events.topics import TOPICS
from simulation.core.bank import BankCore
from simulation.core.ledger import Ledger
from simulation.core.messages import Message, Opening, opening
from simulation.demo import START
from simulation.oracle import History, judge
from simulation.oracle.read import read_topics
from simulation.portfolio.fitted import load_fitted
from simulation.portfolio.generate import generate_accounts
from simulation.story import FIRST_DAY

SEED = 17
_READ = "SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_position WHERE topic = ANY('{loan,loan-urgent}')"
_UNPUBLISHED = "SELECT count(*) FROM outbox_pending WHERE NOT housekeeping"


@dataclass
class Run:
    """One platform with one portfolio: feeds it, looks into intake's database, and judges what came out."""

    platform: Platform
    ledger: Ledger
    opening: Opening
    clock: SteppedClock
    core: BankCore
    sent: int = 0

    async def feed(self, messages: Sequence[Message] | None = None) -> None:
        """Publish the portfolio's first night, or a part of it."""
        chosen = self.opening.messages if messages is None else messages
        await self.core.publish(chosen)
        self.sent += len(chosen)

    async def pay(self, loans: int) -> None:
        """One payment of one unit to each of so many loans, on the express topic."""
        for loan in self.ledger.late_loans()[:loans]:
            if loan.balance > 100:
                await self.core.receive_payment(loan.person.loan_ref, 100, at=START)
                self.sent += 1

    async def value(self, query: str) -> int:
        """One number out of intake's database; -1 while the database does not answer."""
        try:
            connection = await asyncpg.connect(self.platform.databases["intake"].url, timeout=5)
        except (OSError, asyncpg.PostgresError):
            return -1
        try:
            return int(await connection.fetchval(query))
        finally:
            await connection.close()

    async def read(self) -> int:
        """Records of the core that intake has committed."""
        return await self.value(_READ)

    async def unpublished(self) -> int:
        """Events that intake has committed and Kafka has not acknowledged."""
        return await self.value(_UNPUBLISHED)

    async def at_rest(self) -> bool:
        """Everything sent is read, and everything concluded is published."""
        return await self.read() == self.sent and await self.unpublished() == 0

    async def history(self) -> History:
        """All topics, raw."""
        kafka: dict[str, Any] = self.platform.kafka.client_options("oracle")
        records = await read_topics(list(TOPICS), kafka=kafka, prefix=self.platform.prefix)
        return History(records=records, freshness=timedelta(seconds=2))

    async def judged(self) -> History:
        """The history, after the oracle found no breach and each late loan has exactly one case, opened once."""
        history = await self.history()
        verdict = judge(history)
        assert verdict.passed, str(verdict)
        expected = Counter(loan.person.loan_ref for loan in self.ledger.loans.values() if loan.dues)
        opened = Counter(loan["loan_ref"] for record in history.of("case.opened") for loan in record.data["loans"])
        assert opened == expected
        return history


async def eventually(check: Callable[[], Awaitable[object]], *, seconds: float = 45, every: float = 0.05) -> None:
    """Wait until the check is true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(every)


async def passes(number: Callable[[], Awaitable[int]], threshold: int, *, seconds: float = 45) -> None:
    """Wait until the number has reached the threshold. Raises TimeoutError."""

    async def reached() -> bool:
        return await number() >= threshold

    await eventually(reached, seconds=seconds, every=0.005)


@asynccontextmanager
async def _run(home: Path, prefix: str, *, parties: int) -> AsyncIterator[Run]:
    ledger = Ledger.of(generate_accounts(load_fitted(), count=parties, seed=SEED), as_of=FIRST_DAY, seed=SEED)
    first_night = opening(ledger, at=START, seed=SEED)
    clock = SteppedClock.create(home / "business-clock", start=START)
    environment = {
        "DOORSTEP_CLOCK_FILE": str(home / "business-clock"),
        "DOORSTEP_HEARTBEAT_SECONDS": "1",
        "DOORSTEP_INTAKE_AGEING_BATCH": "10",
    }
    async with Platform(folder=home, prefix=prefix, environment=environment) as platform:
        await platform.start_servers()
        try:
            await platform.provision()
            await platform.start_issuer()
            kafka: dict[str, Any] = platform.kafka.client_options("core")
            async with BankCore(ledger, kafka=kafka, prefix=prefix, seed=SEED) as core:
                yield Run(platform, ledger, first_night, clock, core)
        finally:
            for name in list(platform.processes):
                await platform.stop_service(name)
            await platform.drop()
            clock.close()


RunFactory = Callable[[int], AbstractAsyncContextManager[Run]]


@pytest.fixture
def run(
    tmp_path: Path,
    prefix: str,
    servers: EmbeddedServers,
    postgres: str,
    kafka: KafkaAccess,
    monkeypatch: pytest.MonkeyPatch,
) -> RunFactory:
    """`async with run(parties) as it` gives a run on the tests' shared servers, which it must not hurt."""
    home = tmp_path / "home"
    home.mkdir()
    # The same secret, thus the same passwords: other tests use these principals now.
    write_private(home / "secret", (servers.home.folder / "secret").read_text())
    monkeypatch.setenv("DOORSTEP_DATABASE_URL", postgres)
    monkeypatch.setenv("DOORSTEP_KAFKA_BOOTSTRAP", kafka.bootstrap)
    monkeypatch.setenv("DOORSTEP_KAFKA_PASSWORD", kafka.passwords["admin"])
    return lambda parties: _run(home, prefix, parties=parties)


@pytest.fixture
def own_run(tmp_path: Path, prefix: str) -> RunFactory:
    """The same on servers of its own, to be paused, killed and restarted."""
    home = tmp_path / "home"
    home.mkdir(mode=0o711)
    return lambda parties: _run(home, prefix, parties=parties)


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """`await until(check, seconds=45)`."""
    return eventually


@pytest.fixture
def reaches() -> Callable[..., Awaitable[None]]:
    """`await reaches(number, 100)`."""
    return passes
