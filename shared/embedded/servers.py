"""Both embedded servers of a home as one thing that is held and let go."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.embedded.home import (
    PROJECT_FOLDER,
    Home,
    ProcessIdentity,
    Progress,
    read_state,
    silent,
    write_private,
)
from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres


class EmbeddedServers:
    """PostgreSQL and Kafka of one home folder, shared by every process that holds them; the last one out stops them.

    A holder that dies without letting go (`kill -9`) is noticed by a watcher process (`shared.embedded.watcher`), which
    stops the servers in its place. Blocking; call it from a thread inside an event loop.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.home = Home(folder)
        self.postgres = EmbeddedPostgres(self.home)
        self.kafka = EmbeddedKafka(self.home)
        self._watcher_file = self.home.folder / "watcher.json"
        self._watcher: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def start(self, progress: Progress = silent, *, postgres: bool = True, kafka: bool = True) -> None:
        """Holds the servers and starts those that are asked for and do not run. Raises EmbeddedServerError."""
        with self.home.locked():
            self.home.hold()
            self._ensure_watcher()
            if postgres:
                self.postgres.start(progress)
            if kafka:
                self.kafka.start(progress)

    def release(self, *, remove_data: bool = False) -> None:
        """Lets go; when nobody else holds the servers, stops them and, if asked, removes the home folder."""
        with self.home.locked():
            if self.home.release():
                self.stop()
                if remove_data:
                    self.home.remove()

    def stop(self) -> None:
        """Stops both servers and the watcher, whoever holds them."""
        with self.home.locked():
            self.kafka.stop()
            self.postgres.stop()
            self._stop_watcher()

    def _ensure_watcher(self) -> None:
        if self._watcher_identity() is None:
            self._watcher = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-m", "shared.embedded.watcher", str(self.home.folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=(self.home.folder / "watcher.log").open("wb"),
                cwd=PROJECT_FOLDER,
                start_new_session=True,
            )
            write_private(self._watcher_file, json.dumps(asdict(ProcessIdentity.of(self._watcher.pid))))

    def _stop_watcher(self) -> None:
        watcher = self._watcher_identity()
        if watcher and watcher.pid != os.getpid():
            os.kill(watcher.pid, signal.SIGKILL)  # it holds nothing; the lock is ours
            if self._watcher is not None:
                self._watcher.wait()

    def _watcher_identity(self) -> ProcessIdentity | None:
        if self._watcher is not None:
            self._watcher.poll()
        state = read_state(self._watcher_file)
        identity = ProcessIdentity(**state) if state else None
        return identity if identity and identity.is_alive() else None
