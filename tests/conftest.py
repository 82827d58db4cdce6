"""Real servers for the tests: one PostgreSQL and one Kafka for all workers, and for all test runs of this checkout.

A server starts when the first test asks for it and stops with the last run. Databases, topics and groups are per test.
"""

import asyncio
import gc
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar
from uuid import uuid4

import asyncpg
import pytest
import uvloop
from hypothesis import HealthCheck, settings
from pydantic import SecretStr

from shared.database.migrations import migrate
from shared.embedded.home import PROJECT_FOLDER, Home
from shared.embedded.kafka import KafkaAccess
from shared.embedded.provision import (
    ServiceDatabase,
    create_database,
    drop,
    provision_topics,
    quoted,
)
from shared.embedded.servers import EmbeddedServers
from shared.events.topics import TOPICS
from shared.garbage import collect_seldom
from shared.settings import ServiceSettings
from tests.databases import Shelf

TEST_HOME = Home().folder / "test"
_SERVERS = EmbeddedServers(TEST_HOME)

# How long an example takes says how busy the machine is, not whether a property holds.
settings.register_profile("properties", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("properties")

# Of the most waiting first. Chaos stays in one share: several broken servers at once take each other's time.
LONG_ROOMS: Final = ("chaos", "e2e", "cutover")
T = TypeVar("T")
DatabaseFactory = Callable[[str], Awaitable[ServiceDatabase]]
SettingsFactory = Callable[..., Awaitable[ServiceSettings]]
TopicsFactory = Callable[..., Awaitable[None]]


def pytest_configure(config: pytest.Config) -> None:
    """The run (xdist's controller and each worker) counts as a holder, so that no server stops between two workers."""
    gc.set_threshold(100_000, 50, 100)  # while hundreds of modules are loaded, nothing of which is garbage
    _SERVERS.home.hold()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first: begun last, one of them would keep a single worker busy after all others are done.

    Each room of long tests at the beginning of another worker's share, and not one behind the other in the first's.
    """
    workers = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    heads = [[item for item in items if room in item.path.parts] for room in LONG_ROOMS]
    long = {item for head in heads for item in head}
    items[:] = in_shares(heads, [item for item in items if item not in long], workers=workers)


def in_shares(heads: Sequence[list[T]], rest: list[T], *, workers: int) -> list[T]:
    """All in one order of which xdist gives each worker an equal part, one behind the other (`--dist worksteal`)."""
    shares = [[one for head in heads[worker::workers] for one in head] for worker in range(workers)]
    left, taken, order = len(rest) + sum(map(len, shares)), 0, []
    for waiting, share in zip(range(workers, 0, -1), shares, strict=True):
        more = max(0, left // waiting - len(share))
        order += [*share, *rest[taken : taken + more]]
        taken += more
        left -= len(share) + more
    return order + rest[taken:]


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is loaded by now stays: the collector need not look at it again in every test."""
    collect_seldom()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The last run out stops the servers and removes their data: nothing is left."""
    _SERVERS.release(remove_data=True)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop that serves (shared/service.py), one for all tests of a worker."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
async def no_tasks_left() -> AsyncIterator[None]:
    """What a test left running ends with it, and does not reach the next test on the same loop."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


@pytest.fixture(scope="session")
def servers() -> EmbeddedServers:
    """The embedded servers of the tests (not started; ask for `postgres` or `kafka`). Do not stop or pause them."""
    return _SERVERS


@pytest.fixture(scope="session")
def postgres(servers: EmbeddedServers) -> str:
    """The superuser's URL of a running PostgreSQL."""
    servers.start(kafka=False)
    return servers.postgres.admin_url


@pytest.fixture(scope="session")
def kafka(servers: EmbeddedServers) -> KafkaAccess:
    """A running broker: its address, and the password of every principal."""
    servers.start(postgres=False)
    return servers.kafka.access


@pytest.fixture(scope="session")
async def shelf() -> AsyncIterator[Shelf]:
    """Emptied databases for the next test of this worker."""
    shelf = Shelf()
    yield shelf
    await shelf.close()


@pytest.fixture
def prefix() -> str:
    """A name prefix that no other test has."""
    return f"t{uuid4().hex[:10]}_"


@pytest.fixture
async def topics(kafka: KafkaAccess, prefix: str) -> AsyncIterator[TopicsFactory]:
    """`await topics("case", "visit")` makes those topics of the catalogue (none named: all) with their access rules."""

    async def make(*names: str) -> None:
        await provision_topics(kafka, prefix, {name: TOPICS[name] for name in names or TOPICS})

    yield make
    await drop(prefix, kafka=kafka)


@pytest.fixture
async def service_database(postgres: str, servers: EmbeddedServers, shelf: Shelf) -> AsyncIterator[DatabaseFactory]:
    """`await service_database("visits")` gives a migrated, empty database of this test's own."""
    made: dict[str, ServiceDatabase] = {}

    async with AsyncExitStack() as stack:

        async def make(service: str) -> ServiceDatabase:
            async def copy(name: str) -> ServiceDatabase:
                template = await migrated_template(postgres, servers.home, service)
                return await create_database(
                    postgres, name, role=f"test_{service}", password=servers.home.password, template=template
                )

            if service not in made:
                made[service] = await stack.enter_async_context(shelf.lease(postgres, service, copy))
            return made[service]

        yield make


@pytest.fixture
def service_settings(
    request: pytest.FixtureRequest, service_database: DatabaseFactory, prefix: str, tmp_path: Path
) -> SettingsFactory:
    """`await service_settings("visits", http_port=…)` gives settings with a database of its own and the real broker.

    `with_kafka=False` starts no broker; the address then leads nowhere.
    """

    async def make(service: str, *, with_kafka: bool = True, **overrides: Any) -> ServiceSettings:
        values: dict[str, Any] = {
            "environment": "development",
            "prefix": prefix,
            "database_url": SecretStr((await service_database(service)).url),
            "kafka_bootstrap": "127.0.0.1:9",
            "key_folder": tmp_path / "keys",
            "oidc_client_id": service,
        }
        if with_kafka:
            access: KafkaAccess = request.getfixturevalue("kafka")
            values |= {
                "kafka_bootstrap": access.bootstrap,
                "kafka_username": service,
                "kafka_password": SecretStr(access.passwords[service]),
            }
        return ServiceSettings(**(values | overrides))

    return make


async def migrated_template(admin_url: str, home: Home, service: str) -> str:
    """A migrated database to copy from; its name holds the digest of what made it, so that edits make a new one."""
    sources = sorted((PROJECT_FOLDER / "services" / service / "migrations").rglob("*.py"))
    sources += sorted((PROJECT_FOLDER / "shared" / "database").glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    name, draft = f"template_{service}_{digest}", f"draft_{service}_{digest}"
    connection = await asyncpg.connect(admin_url)
    try:
        # Workers and runs wait here for the first one. The name appears only when the migrations went through.
        await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 1))", name)
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            await connection.execute(f"DROP DATABASE IF EXISTS {quoted(draft)} WITH (FORCE)")
            database = await create_database(admin_url, draft, role=f"test_{service}", password=home.password)
            await migrate(database.owner_url, f"services.{service}")
            await connection.execute(f"ALTER DATABASE {quoted(draft)} RENAME TO {quoted(name)}")
    finally:
        await connection.close()
    return name


@pytest.fixture
def own_home() -> Iterator[Path]:
    """A folder for servers of this test alone.

    Not under `tmp_path`: each run of pytest closes the folder above all of its user's to others, and root's PostgreSQL,
    which runs as `nobody`, would lose its data in the middle of a test of another run.
    """
    with TemporaryDirectory(prefix="doorstep-") as folder:
        yield Path(folder) / "home"


@pytest.fixture
def own_servers(own_home: Path) -> Iterator[EmbeddedServers]:
    """Servers of this test alone, in a folder of their own, for tests that stop, pause or kill them. Not started."""
    servers = EmbeddedServers(own_home)
    servers.home.hold()
    yield servers
    servers.release()
