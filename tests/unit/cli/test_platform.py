"""What `serve` does when a service ends by itself."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from cli.platform import MOST_RESTARTS, Platform
from cli.processes import ProcessFailedError


class Falling:
    """A process that ends by itself the first `falls` times."""

    name, log = "plans", Path("plans.log")

    def __init__(self, falls):
        self.falls, self.starts, self.started = falls, 0, asyncio.Event()

    @property
    def has_failed(self):
        return self.starts < self.falls

    def failure(self):
        return ProcessFailedError("plans ended with code -9.\nThe end of plans.log:\nlast words")

    def start(self):
        self.starts += 1
        self.started.set()


@pytest.fixture
def platform(tmp_path, monkeypatch):
    async def at_once(_):
        yielded = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(yielded.set_result, None)
        await yielded

    monkeypatch.setattr("cli.platform.asyncio.sleep", at_once)
    return Platform(folder=tmp_path)


async def test_service_that_ended_is_started_again_and_that_is_said(platform):
    said: list[str] = []
    platform.processes["plans"] = falling = Falling(1)
    running = asyncio.ensure_future(platform.keep_running(said.append))
    async with asyncio.timeout(60):
        await falling.started.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert said == ["plans ended with code -9. It is started again; plans.log says more."]


async def test_service_that_ends_again_and_again_ends_all_with_its_log(platform):
    platform.processes["plans"] = falling = Falling(MOST_RESTARTS + 1)
    async with asyncio.timeout(60):
        with pytest.raises(ProcessFailedError, match="last words"):
            await platform.keep_running(lambda _: None)
    assert falling.starts == MOST_RESTARTS
