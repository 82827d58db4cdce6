"""Child processes: started, watched, killed for tests, stopped in good order, each with a log file."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import httpx

from shared.embedded.home import PROJECT_FOLDER, tail
from shared.security.authorities import trusted_authorities

READY_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 20.0
POLL_SECONDS = 0.05


class ProcessFailedError(RuntimeError):
    """A child ended, or did not become ready; the message names it and ends with its log."""


@dataclass
class ChildProcess:
    """One Python module as a child of this process, with which it ends (see cli/child.py)."""

    name: str
    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    ready_url: str
    log: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _expected_to_end: bool = field(default=False, init=False)

    @property
    def pid(self) -> int | None:
        """The running child's process id."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def has_failed(self) -> bool:
        """Whether it ended without having been told to."""
        return not self._expected_to_end and self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Starts the child; returns before it is ready."""
        self._close()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # Settings come from the caller alone: what the shell happens to hold must not leak into one service of five.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DOORSTEP_")}
        self._expected_to_end = False
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cli.child", self.module, *self.arguments],
                stdin=subprocess.PIPE,  # its end tells the child that we are gone
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=PROJECT_FOLDER,
                env=inherited | {"PYTHONUNBUFFERED": "1"} | dict(self.environment),
                start_new_session=True,  # Ctrl-C reaches us alone; we stop the children in order
            )

    async def wait_until_ready(self, *, timeout_seconds: float = READY_TIMEOUT_SECONDS) -> None:
        """Asks `ready_url` until it answers 200. Raises ProcessFailedError."""
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        async with httpx.AsyncClient(timeout=2.0, trust_env=False, verify=trusted_authorities()) as client:
            while True:
                if self.has_failed:
                    raise self.failure()
                try:
                    if (await client.get(self.ready_url)).status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass  # not listening yet
                if asyncio.get_running_loop().time() > deadline:
                    late = f"{self.name} was not ready within {timeout_seconds:.0f} s."
                    raise ProcessFailedError(f"{late}\n{self._end()}")
                await asyncio.sleep(POLL_SECONDS)

    async def wait_for_failure(self) -> NoReturn:
        """Returns never; raises ProcessFailedError when the child has ended without having been told to."""
        while True:
            if self.has_failed:
                raise self.failure()
            await asyncio.sleep(POLL_SECONDS)

    def failure(self) -> ProcessFailedError:
        """What to say about a child that ended by itself."""
        code = self._process.poll() if self._process else None
        return ProcessFailedError(f"{self.name} ended with code {code}.\n{self._end()}")

    def kill(self) -> None:
        """SIGKILL, as in a crash. Returns when it is gone."""
        self._signal(signal.SIGKILL)
        if self._process:
            self._process.wait()
            self._close()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL after STOP_TIMEOUT_SECONDS."""
        self._signal(signal.SIGTERM)
        if self._process:
            try:
                await asyncio.to_thread(self._process.wait, STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            self._close()

    def _signal(self, number: signal.Signals) -> None:
        self._expected_to_end = True
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def _close(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()

    def _end(self) -> str:
        return f"The end of {self.log}:\n{tail(self.log, 20)}"
