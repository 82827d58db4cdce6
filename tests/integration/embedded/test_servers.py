"""The embedded servers' life: shared, stopped by the last one out, recovered after a crash."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import psutil
import pytest

from shared.embedded.home import PROJECT_FOLDER, Home
from shared.embedded.servers import EmbeddedServers

PATIENCE_SECONDS = 60


def _processes_of(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and str(folder) in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def _wait_until_gone(folder: Path) -> list[psutil.Process]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (left := _processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _wait_until_down(servers: EmbeddedServers) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while servers.postgres.is_running() and time.monotonic() < deadline:
        time.sleep(0.05)


def _other_holder(folder: Path, *, then: str) -> subprocess.Popen[str]:
    """Another process that starts PostgreSQL of `folder`, says its port, and waits for a line."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom shared.embedded.servers import EmbeddedServers\n"
        f"servers = EmbeddedServers(Path({str(folder)!r}))\nservers.start(kafka=False)\n"
        "print(servers.postgres.port, flush=True)\nsys.stdin.readline()\n" + then
    )
    return subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT_FOLDER
    )


def test_two_starts_share_one_server(own_servers):
    folder = own_servers.home.folder
    other = _other_holder(folder, then="servers.release()")
    own_servers.start(kafka=False)
    assert int(other.stdout.readline()) == own_servers.postgres.port
    other.communicate("\n", timeout=PATIENCE_SECONDS)
    assert own_servers.postgres.is_running(), "the first to leave must not stop what another one uses"


def test_last_one_out_leaves_no_process(own_home):
    servers = EmbeddedServers(own_home)
    servers.start()
    assert _processes_of(own_home)
    servers.release(remove_data=True)
    assert not _wait_until_gone(own_home)
    assert not own_home.exists()


def test_killed_holder_leaves_no_process(own_home):
    other = _other_holder(own_home, then="")
    other.stdout.readline()
    other.send_signal(signal.SIGKILL)
    other.communicate()
    assert not _wait_until_gone(own_home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as somebody else")
def test_home_that_was_closed_to_others_meanwhile_is_stopped_and_started(own_servers, own_home):
    own_servers.start(kafka=False)
    own_home.parent.chmod(0o700)
    own_servers.postgres.restart()
    assert own_servers.postgres.is_running()


async def test_committed_rows_survive_a_crash(own_servers):
    own_servers.start(kafka=False)
    connection = await asyncpg.connect(own_servers.postgres.admin_url)
    await connection.execute("CREATE TABLE survivor AS SELECT 1 AS id")
    own_servers.postgres.kill()
    await connection.close(timeout=1) if not connection.is_closed() else None
    await asyncio.to_thread(_wait_until_down, own_servers)
    port = own_servers.postgres.port
    own_servers.start(kafka=False)
    assert own_servers.postgres.port == port, "clients find the server again at its address"
    connection = await asyncpg.connect(own_servers.postgres.admin_url)
    assert await connection.fetchval("SELECT count(*) FROM survivor") == 1
    await connection.close()


def test_fsync_is_on(own_servers):
    own_servers.start(kafka=False)
    settings = (own_servers.postgres.data / "postgresql.conf").read_text()
    assert "\nfsync = on\n" in settings
    assert "\nsynchronous_commit = on\n" in settings


@pytest.fixture(scope="module")
def with_broker(tmp_path_factory):
    """Servers with a broker that runs, before each test and after it: a broker costs more than all that is tried."""
    servers = EmbeddedServers(tmp_path_factory.mktemp("broker") / "home")
    servers.start(postgres=False)
    yield servers
    servers.release()


def test_broker_pauses_and_comes_back(with_broker):
    admin = with_broker.kafka.access.admin()
    with_broker.kafka.pause()
    try:
        assert with_broker.kafka.is_running()
    finally:
        with_broker.kafka.resume()
    assert admin.list_topics(timeout=PATIENCE_SECONDS).brokers


def test_broker_killed_and_started_keeps_address(with_broker):
    before = with_broker.kafka.access
    with_broker.kafka.kill()
    assert not with_broker.kafka.is_running()
    with_broker.start(postgres=False)
    assert with_broker.kafka.access == before


def test_secret_is_private(tmp_path):
    home = Home(tmp_path / "home")
    assert home.password("visits") == Home(tmp_path / "home").password("visits") != home.password("intake")
    assert (home.folder / "secret").stat().st_mode & 0o777 == 0o600
    assert os.stat(home.folder).st_mode & 0o066 == 0
