"""Runs of real processes on real servers, their inputs, and what must be true when they have come to rest."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from cli.platform import Platform
from cli.processes import ChildProcess
from shared.clock import SteppedClock
from shared.database.migrations import migrate
from shared.embedded.home import free_port, tail, write_private
from shared.embedded.kafka import KafkaAccess
from shared.embedded.provision import create_database, provision_topics
from shared.embedded.servers import EmbeddedServers
from shared.events.topics import PARTITIONS, TOPICS
from shared.service import Role
from simulation.core.bank import BankCore
from simulation.core.ledger import Ledger
from simulation.core.messages import URGENT_TOPIC, Message, Mouth, Opening, opening
from simulation.demo import START
from simulation.oracle import History, judge
from simulation.oracle.read import read_topics
from simulation.portfolio.fitted import load_fitted
from simulation.portfolio.generate import generate_accounts
from simulation.story import FIRST_DAY
from tests.conftest import migrated_template

SEED = 17
_READ = "SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_position WHERE topic = ANY('{loan,loan-urgent}')"
_AWAY = (
    OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError,
)  # fmt: skip
Template = Callable[[str], Awaitable[str]]
_UNPUBLISHED = "SELECT count(*) FROM outbox_pending WHERE NOT housekeeping"


@dataclass
class Run:
    """One platform with one portfolio: feeds it, looks into its databases, and judges what came out."""

    platform: Platform
    ledger: Ledger
    opening: Opening
    clock: SteppedClock
    core: BankCore
    sent: int = 0
    mouth: Mouth = field(default_factory=lambda: Mouth(seed=SEED + 2))
    _eye: AIOKafkaConsumer | None = None
    _connections: dict[str, asyncpg.Connection] = field(default_factory=dict)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def feed(self, messages: Sequence[Message] | None = None) -> None:
        """Publish the portfolio's first night, or other messages of the core."""
        chosen = self.opening.messages if messages is None else messages
        await self.core.publish(chosen)
        self.sent += len(chosen)

    async def pay(self, loans: int) -> list[Message]:
        """One payment of one unit to each of so many loans, on the express topic; returns what was said."""
        payments = [
            self.mouth.say(
                "loan.payment_received",
                self.ledger.pay(loan.person.loan_ref, 100, at=START),
                at=START,
                topic=URGENT_TOPIC,
            )
            for loan in self.ledger.late_loans()[:loans]
            if loan.balance > 100
        ]
        await self.feed(payments)
        return payments

    async def start_altered(
        self, service: str, alterations: Sequence[str], *, name: str, roles: Sequence[Role]
    ) -> None:
        """A process of a service with these alterations of `tests.chaos.altered`; returns when it is ready.

        Named like the service it listens where the others look for it.
        """
        port = self.platform.ports[service] if name == service else free_port()
        process = ChildProcess(
            name=name,
            module="tests.chaos.altered",
            arguments=[service, ",".join(alterations), "--roles", ",".join(roles), "--instance", name],
            environment=self.platform.service_environment(service, port=port),
            ready_url=f"http://127.0.0.1:{port}/health/ready",
            log=self.platform.folder / "logs" / f"{name}.log",
        )
        self.platform.processes[name] = process
        process.start()
        await process.wait_until_ready()

    async def column(self, query: str, *, service: str = "intake") -> list[Any] | None:
        """The first column of a query to a service's database; None while the database does not answer.

        Over one connection, until it breaks: hundreds of looks a second, each with a new one, would take a whole core.
        """
        async with self._looking:
            try:
                connection = self._connections.get(service)
                if connection is None or connection.is_closed():
                    connection = await asyncpg.connect(self.platform.databases[service].url, timeout=5)
                    self._connections[service] = connection
                return [row[0] for row in await connection.fetch(query)]
            except _AWAY:
                if (broken := self._connections.pop(service, None)) is not None:
                    broken.terminate()
                return None

    async def value(self, query: str, *, service: str = "intake") -> int:
        """One number out of a service's database; -1 while the database does not answer."""
        found = await self.column(query, service=service)
        return -1 if found is None else int(found[0])

    async def read(self) -> int:
        """Records of the core that intake has committed."""
        return await self.value(_READ)

    async def unpublished(self, *, service: str = "intake") -> int:
        """Events that the service has committed and that are not marked as acknowledged."""
        return await self.value(_UNPUBLISHED, service=service)

    async def at_rest(self) -> bool:
        """Everything sent is read, and everything concluded is published."""
        return await self.read() == self.sent and await self.unpublished() == 0

    async def all_published(self) -> bool:
        """Everything concluded is published, wherever it came from."""
        return await self.unpublished() == 0

    async def published(self) -> int:
        """Records on topic `case`, acknowledged or not, seen by the broker."""
        if self._eye is None:
            self._eye = AIOKafkaConsumer(**self.platform.kafka.client_options("oracle"), enable_auto_commit=False)
            await self._eye.start()
        places = [TopicPartition(f"{self.platform.prefix}case", number) for number in range(PARTITIONS)]
        return sum((await self._eye.end_offsets(places)).values())

    async def aclose(self) -> None:
        """Ends what was opened to look with."""
        if self._eye is not None:
            await self._eye.stop()
        for connection in self._connections.values():
            connection.terminate()

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


async def _provision(platform: Platform, services: Sequence[str], template: Template | None) -> None:
    """The databases of these services alone, and all topics: a run of one service need not wait for five.

    Copied from the tests' templates where the run is on their server, and so with the roles of those.
    """
    password = platform.servers.home.password
    for service in services:
        name = platform.prefix + service
        if template is not None:
            database = await create_database(
                platform.admin_url, name, role=f"test_{service}", password=password, template=await template(service)
            )
        else:
            database = await create_database(platform.admin_url, name, role=name, password=password)
            await migrate(database.owner_url, f"services.{service}")
        platform.databases[service] = database
    await provision_topics(platform.kafka, platform.prefix)


@asynccontextmanager
async def _run(
    home: Path, prefix: str, *, parties: int, services: Sequence[str], template: Template | None
) -> AsyncIterator[Run]:
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
            await _provision(platform, services, template)
            await platform.start_issuer()
            kafka: dict[str, Any] = platform.kafka.client_options("core")
            async with BankCore(ledger, kafka=kafka, prefix=prefix, seed=SEED) as core:
                it = Run(platform, ledger, first_night, clock, core)
                async with aclosing(it):
                    yield it
        except BaseException as error:
            for log in sorted((platform.folder / "logs").glob("*.log")):
                error.add_note(f"{log.name}:\n{tail(log, 20)}")
            raise
        finally:
            for name in list(platform.processes):
                await platform.stop_service(name)
            await platform.drop()
            clock.close()


class RunFactory(Protocol):
    """`async with run(parties) as it`, with the databases of `services`."""

    def __call__(self, parties: int, services: Sequence[str] = ("intake",)) -> AbstractAsyncContextManager[Run]:
        """The run, until the context ends."""
        ...


def _factory(home: Path, prefix: str, template: Template | None = None) -> RunFactory:
    def make(parties: int, services: Sequence[str] = ("intake",)) -> AbstractAsyncContextManager[Run]:
        return _run(home, prefix, parties=parties, services=services, template=template)

    return make


@pytest.fixture
def home(own_home: Path) -> Path:
    """The home folder of this test's run, where PostgreSQL's account gets in whenever the server starts."""
    own_home.parent.chmod(0o711)
    own_home.mkdir(mode=0o711)
    return own_home


@pytest.fixture
def shared_broker(home: Path, servers: EmbeddedServers, kafka: KafkaAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run uses the tests' Kafka."""
    # The same secret, thus the same passwords: other tests use these principals now.
    write_private(home / "secret", (servers.home.folder / "secret").read_text())
    monkeypatch.setenv("DOORSTEP_KAFKA_BOOTSTRAP", kafka.bootstrap)
    monkeypatch.setenv("DOORSTEP_KAFKA_PASSWORD", kafka.passwords["admin"])


@pytest.fixture
def run(
    home: Path,
    prefix: str,
    postgres: str,
    servers: EmbeddedServers,
    shared_broker: None,
    monkeypatch: pytest.MonkeyPatch,
) -> RunFactory:
    """`async with run(parties) as it` gives a run on the tests' shared servers, which it must not hurt."""
    monkeypatch.setenv("DOORSTEP_DATABASE_URL", postgres)
    return _factory(home, prefix, partial(migrated_template, postgres, servers.home))


@pytest.fixture
def own_postgres_run(home: Path, prefix: str, shared_broker: None) -> RunFactory:
    """The same on a PostgreSQL of its own, to be killed and started again, and the tests' Kafka."""
    return _factory(home, prefix)


@pytest.fixture
def own_run(home: Path, prefix: str) -> RunFactory:
    """The same on servers of its own, to be paused, killed and restarted."""
    return _factory(home, prefix)


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """`await until(check, seconds=45)`."""
    return eventually


@pytest.fixture
def reaches() -> Callable[..., Awaitable[None]]:
    """`await reaches(number, 100)`."""
    return passes
