"""PostgreSQL alone, for a benchmark that needs no broker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.embedded.servers import EmbeddedServers


@contextmanager
def postgres_alone() -> Iterator[tuple[EmbeddedServers, Path]]:
    """The servers, of which only PostgreSQL runs, and a folder for keys and files; both are gone afterwards."""
    servers = EmbeddedServers()
    servers.start(kafka=False)
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield servers, Path(folder)
    finally:
        servers.release()
