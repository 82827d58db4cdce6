"""How a service that fails while it runs says so."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import signal
from typing import Any

import asyncpg
import pytest

from shared import service
from shared.messaging.failures import ConsumerHaltedError
from shared.telemetry.logs import setup_logging

SECRET = "Key (name)=(Li Si) already exists"


class Failing:
    """A runtime that fails with this error, before or after it has started."""

    def __init__(self, error: Exception, *, started: bool = True) -> None:
        self.error, self.started = error, asyncio.Event()
        if started:
            self.started.set()

    def stop(self) -> None:
        """Nothing runs."""

    async def run(self) -> None:
        """Fail."""
        raise self.error


@pytest.fixture
def said() -> Any:
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    setup_logging(service="plans", tenant="bank", stream=stream)
    yield stream
    root.handlers, root.level = handlers, level


async def run(monkeypatch: pytest.MonkeyPatch, failing: Failing) -> None:
    monkeypatch.setattr(service, "ServiceRuntime", lambda *_, **__: failing)
    monkeypatch.setattr(service, "collect_seldom", lambda: None)
    try:
        await service.serve(None)  # type: ignore[arg-type]
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)


async def test_end_is_told_in_lines_without_texts_of_others(monkeypatch: pytest.MonkeyPatch, said: io.StringIO) -> None:
    faults = [asyncpg.UniqueViolationError(SECRET), ConsumerHaltedError("cluster_changed", "positions are of another")]
    with pytest.raises(service.ServiceFailedError):
        await run(monkeypatch, Failing(ExceptionGroup("loops", [ExceptionGroup("worker", faults)])))
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    assert [(line["level"], line["message"]) for line in lines] == [("critical", "the process ends")] * 2
    assert lines[0]["error"]["type"].endswith("UniqueViolationError")
    assert lines[1]["reason"] == "cluster_changed: positions are of another"
    assert "Li Si" not in said.getvalue()


async def test_fault_before_the_start_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="needs an issuer"):
        await run(monkeypatch, Failing(ValueError("production needs an issuer behind TLS"), started=False))
