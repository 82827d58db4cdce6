"""The folder in which the embedded servers of one checkout live: data, logs, one secret, and who uses them.

A *holder* is a process that needs the servers. Servers outlive the process that started them and stop with the last
holder, so that two test runs, or a demo beside `serve`, share one broker and one database.
"""

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import shutil
import socket
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Protocol

import psutil

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
_LOWEST_PORT, _HIGHEST_PORT, _PORTS_TRIED = 15_000, 32_000, 100


class EmbeddedServerError(RuntimeError):
    """An embedded server could not be prepared, started or stopped; the message says why and what to do."""


class Progress(Protocol):
    """Called while something slow goes on: what it is, and how many of how many steps are done."""

    def __call__(self, message: str, done: int, total: int, /) -> None: ...


def silent(message: str, done: int, total: int, /) -> None:
    """A `Progress` for those who do not watch."""


@dataclass(frozen=True)
class ProcessIdentity:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """The identity of a running process. Raises psutil.NoSuchProcess."""
        return cls(pid=pid, created=psutil.Process(pid).create_time())

    def is_alive(self) -> bool:
        """Whether this very process runs (a zombie, which only waits for its parent, does not)."""
        try:
            process = psutil.Process(self.pid)
            return process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


class Home:
    """One home folder: `DOORSTEP_HOME`, or `.doorstep/` in the checkout."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or Path(os.environ.get("DOORSTEP_HOME") or PROJECT_FOLDER / ".doorstep")).resolve()
        self._lock_path = self.folder / "lock"
        self._thread_lock = threading.RLock()
        self._lock_depth = 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process and thread at a time; reentrant. Released by the kernel when the process dies."""
        with self._thread_lock:
            if self._lock_depth:
                yield
                return
            with self._locked_file():
                self._lock_depth += 1
                try:
                    yield
                finally:
                    self._lock_depth -= 1

    def _locked_file(self) -> TextIOWrapper:
        while True:
            try:
                # Traversable but not listable by others: as root, PostgreSQL runs as another user below this folder.
                self.folder.mkdir(parents=True, exist_ok=True)
                self.folder.chmod(0o711)
                file = self._lock_path.open("w")
            except FileNotFoundError:
                continue  # the last holder removed the folder between these lines
            fcntl.flock(file, fcntl.LOCK_EX)
            # While we waited, the last holder may have removed the folder: that lock guards nothing any more.
            if self._lock_path.exists() and os.fstat(file.fileno()).st_ino == self._lock_path.stat().st_ino:
                return file
            file.close()

    def remove(self) -> None:
        """Removes the folder with all that is in it.

        The lock goes last: whoever comes meanwhile waits, and does not begin in a folder that is still being emptied.
        """
        with self.locked():
            for path in self.folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path != self._lock_path:
                    path.unlink()
            self._lock_path.unlink()
            with suppress(OSError):  # not empty: the next one has begun
                self.folder.rmdir()

    def password(self, name: str) -> str:
        """The password of `name` (a role or principal), derived from this home's random secret (mode 0600).

        Derived, not stored: the same name has the same password in every process, and only one file must be guarded.
        """
        with self.locked():
            secret_file = self.folder / "secret"
            if not secret_file.exists():
                write_private(secret_file, secrets.token_hex(32))
            key = bytes.fromhex(secret_file.read_text())
        return urlsafe_b64encode(hmac.digest(key, name.encode(), hashlib.sha256)[:24]).decode()

    def hold(self) -> None:
        """Counts this process among those that need the servers."""
        with self.locked():
            me = ProcessIdentity.of(os.getpid())
            self._write_holders([*(holder for holder in self.holders() if holder != me), me])

    def release(self) -> bool:
        """Takes this process off; true when nobody else holds the servers now."""
        with self.locked():
            others = [holder for holder in self.holders() if holder.pid != os.getpid()]
            self._write_holders(others)
            return not others

    def holders(self) -> list[ProcessIdentity]:
        """The living processes that need the servers."""
        stored = read_state(self.folder / "holders.json") or {"holders": []}
        identities = (ProcessIdentity(**entry) for entry in stored["holders"])
        return [identity for identity in identities if identity.is_alive()]

    def _write_holders(self, holders: list[ProcessIdentity]) -> None:
        write_private(self.folder / "holders.json", json.dumps({"holders": [asdict(holder) for holder in holders]}))


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner reads, never half-written."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def read_state(path: Path) -> dict[str, Any] | None:
    """The JSON object in `path`, or None when there is none."""
    try:
        state: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return state


def free_port(preferred: int | None = None) -> int:
    """A free TCP port on the loopback address; `preferred` when nobody listens there. Raises OSError when none is.

    Drawn below the range from which systems take the ports of outgoing connections (32768 on Linux): a port that is
    listened on later, or again after a restart, must not be taken meanwhile by anybody's connection.
    """
    drawn = (_LOWEST_PORT + secrets.randbelow(_HIGHEST_PORT - _LOWEST_PORT) for _ in range(_PORTS_TRIED))
    for port in drawn if preferred is None else (preferred, *drawn):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port found on {LOOPBACK} between {_LOWEST_PORT} and {_HIGHEST_PORT}")


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    if not path.exists():
        return f"({path} does not exist)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
