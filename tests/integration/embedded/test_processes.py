"""Children of the platform: a dead one is noticed, and none outlives its parent."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from cli.processes import ChildProcess, ProcessFailedError
from shared.embedded.home import PROJECT_FOLDER, ProcessIdentity, free_port


def _web_server(tmp_path, *arguments: str) -> ChildProcess:
    port = free_port()
    return ChildProcess(
        name="sample",
        module="http.server",
        arguments=[str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path), *arguments],
        environment={},
        ready_url=f"http://127.0.0.1:{port}/",
        log=tmp_path / "logs" / "sample.log",
    )


async def test_ready_then_stopped(tmp_path):
    child = _web_server(tmp_path)
    child.start()
    await child.wait_until_ready()
    await child.stop()
    assert child.pid is None
    assert not child.has_failed, "it was told to end"


async def test_death_at_start_is_told_with_the_log(tmp_path):
    child = _web_server(tmp_path, "--no-such-option")
    child.start()
    with pytest.raises(ProcessFailedError, match="unrecognized arguments: --no-such-option"):
        await child.wait_until_ready()


async def test_death_later_is_noticed(tmp_path):
    child = _web_server(tmp_path)
    child.start()
    await child.wait_until_ready()
    os.kill(child.pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        with pytest.raises(ProcessFailedError, match="code -9"):
            await child.wait_for_failure()
    await child.stop()


async def test_never_ready_is_told(tmp_path):
    child = _web_server(tmp_path)
    child.ready_url += "missing"
    child.start()
    with pytest.raises(ProcessFailedError, match="not ready"):
        await child.wait_until_ready(timeout_seconds=1)
    await child.stop()


def test_child_ends_with_its_killed_parent(tmp_path):
    program = (
        "import sys\nfrom pathlib import Path\nfrom cli.processes import ChildProcess\n"
        "child = ChildProcess(name='s', module='http.server', arguments=[sys.argv[1], '--bind', '127.0.0.1'],\n"
        "    environment={}, ready_url='', log=Path(sys.argv[2]))\n"
        "child.start()\nprint(child.pid, flush=True)\nsys.stdin.readline()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(free_port()), str(tmp_path / "log")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_FOLDER,
    )
    child = ProcessIdentity.of(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 60
    while child.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.is_alive()
