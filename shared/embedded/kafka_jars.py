"""Apache Kafka's jars: fetched from Maven's central repository by `jgo`, each held against a committed SHA-256.

`python -m shared.embedded.kafka_jars` resolves the coordinates anew and rewrites the lock.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import jgo
import requests
from jgo.config import GlobalSettings
from jgo.maven import MavenContext

from shared.embedded.home import EmbeddedServerError, Progress, silent

KAFKA_VERSION = "4.3.1"
# Kafka logs through SLF4J 1.7; without a binding it would be mute.
COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
)
LOCK_FILE = Path(__file__).with_name("kafka.lock.json")
PARALLEL_DOWNLOADS = 6
TRIES = 3
TIMEOUT_SECONDS = 60


class JarMismatchError(EmbeddedServerError):
    """A jar is not the one that the lock names."""


def read_lock(path: Path = LOCK_FILE) -> dict[str, str]:
    """`group:artifact:version` -> SHA-256 in hex, of every jar that Kafka needs."""
    lock: dict[str, str] = json.loads(path.read_text())["jars"]
    return lock


def cache_folder() -> Path:
    """Where jars are kept between checkouts: `DOORSTEP_CACHE`, or `doorstep` in the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "doorstep"
    return Path(os.environ.get("DOORSTEP_CACHE") or default)


def ensure_jars(
    progress: Progress = silent, *, lock: Mapping[str, str] | None = None, cache: Path | None = None
) -> list[Path]:
    """The verified jars of the lock, downloading those that are not cached (about 45 MB in all).

    Every jar is hashed at every call, so that a cache that changed is noticed before it is run.
    Raises JarMismatchError when a cached or fetched jar differs, EmbeddedServerError when it cannot be fetched.
    """
    lock = read_lock() if lock is None else lock
    folder = (cache or cache_folder()) / f"kafka-{KAFKA_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    jars = {coordinate: folder / jar_name(coordinate) for coordinate in lock}
    missing = [coordinate for coordinate, path in jars.items() if not path.exists()]
    for coordinate in sorted(jars.keys() - set(missing)):
        verify(jars[coordinate], lock[coordinate])
    if missing:
        _download(missing, lock, folder, progress)
    return [jars[coordinate] for coordinate in sorted(jars)]


def jar_name(coordinate: str) -> str:
    """The file name of a coordinate's jar."""
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def verify(path: Path, expected: str) -> None:
    """Raises JarMismatchError unless the file has the SHA-256 `expected` (hex)."""
    actual = _sha256(path)
    if actual != expected:
        raise JarMismatchError(
            f"{path} is not the jar the lock names (SHA-256 {actual}, locked {expected}). "
            "It was changed or damaged; remove it, and it is fetched again."
        )


def write_lock() -> int:
    """Resolves COORDINATES, fetches every jar, writes the lock; returns the number of jars."""
    artifacts = {
        f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
        for coordinate in COORDINATES
        for artifact in jgo.resolve(coordinate)
    }
    with tempfile.TemporaryDirectory() as folder:
        digests = {artifact: _sha256(_fetch(artifact, Path(folder))) for artifact in sorted(artifacts)}
    LOCK_FILE.write_text(json.dumps({"coordinates": COORDINATES, "jars": digests}, indent=2) + "\n")
    return len(digests)


def _download(coordinates: list[str], lock: Mapping[str, str], folder: Path, progress: Progress) -> None:
    total = len(coordinates)
    progress(f"Kafka: fetching {total} jars", 0, total)
    # Into a folder of our own and moved when verified: no other process ever sees half a jar.
    with tempfile.TemporaryDirectory(dir=folder) as draft, ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        running = {pool.submit(_fetch, coordinate, Path(draft)): coordinate for coordinate in coordinates}
        for done, future in enumerate(as_completed(running), start=1):
            coordinate = running[future]
            fetched = future.result()
            verify(fetched, lock[coordinate])
            fetched.replace(folder / jar_name(coordinate))
            progress(f"Kafka: {jar_name(coordinate)}", done, total)


def _fetch(coordinate: str, repository: Path) -> Path:
    group, artifact, version = coordinate.split(":")
    configured = GlobalSettings.load().repositories  # a company's mirror, from jgo's own settings file
    context = MavenContext(
        repo_cache=repository, local_repos=[], remote_repos=configured or None, timeout=TIMEOUT_SECONDS
    )
    jar = context.project(group, artifact).at_version(version).artifact()
    for left in reversed(range(TRIES)):
        try:
            path: Path = jar.resolve()
        except (requests.RequestException, RuntimeError) as error:
            if jar.cached_path is not None:  # jgo writes in place: half a file would pass for a whole one
                jar.cached_path.unlink(missing_ok=True)
            if not left:
                raise EmbeddedServerError(
                    f"cannot fetch {coordinate}: {error}. Check the network or proxy; a Maven mirror can be named "
                    "under [repositories] in ~/.config/jgo.conf."
                ) from error
        else:
            return path
    raise AssertionError("unreachable: the last try returns or raises")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.stdout.write(f"{write_lock()} jars locked in {LOCK_FILE.name}\n")
