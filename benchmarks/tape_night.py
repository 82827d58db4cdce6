"""One night: a tape into intake's database, in a process of its own whose memory is the loader's alone.

`python -m benchmarks.tape_night` reads its task as JSON from standard input and prints what it measured as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from pydantic import SecretStr

from services.intake.folding import Folding
from services.intake.settings import IntakeSettings
from services.intake.tapes.approvals import Released
from services.intake.tapes.contract import contract_hash, read_contract
from services.intake.tapes.loading import Loader
from services.intake.tapes.manifest import Manifest, read_manifest
from shared.clock import SystemClock
from shared.database import Database
from shared.garbage import collect_seldom
from shared.security.key_management import LocalKeyManagement
from shared.security.party_keys import PartyCipher
from shared.security.sealing import RecordSealer
from shared.settings import ServiceSettings

_FLOOR_ROWS = 20_000


async def night(task: dict[str, Any]) -> dict[str, Any]:
    """Load the tape."""
    settings = ServiceSettings(
        environment="development",
        database_url=SecretStr(task["database_url"]),
        kafka_bootstrap="127.0.0.1:9",
        key_folder=Path(task["key_folder"]),
    )
    keys = LocalKeyManagement.open(settings.key_folder, "intake")
    own = IntakeSettings()
    database = await Database.open(settings, SystemClock(), service="intake")
    loader = Loader(
        database,
        Folding(own, own.policy(), PartyCipher(keys, tenant=settings.tenant)),
        RecordSealer(keys, service="intake"),
    )
    path, contract, manifest = _given(task)
    checked: list[float] = []

    def tell(what: str, _done: int, _total: int) -> None:
        if what == "Loading" and not checked:
            checked.append(time.perf_counter())

    collect_seldom()
    started, cpu = time.perf_counter(), time.process_time()
    file = await loader.load(
        path, manifest, Released(read_contract(contract), contract_hash(contract), ("a", "b")), tell
    )
    seconds, used = time.perf_counter() - started, time.process_time() - cpu
    await database.close()
    if file.state != "loaded":
        raise RuntimeError(f"the tape was refused: {file.reasons}")
    return {
        "rows": file.total_rows,
        "facts": file.facts,
        "seconds": seconds,
        "checking_seconds": (checked[0] if checked else time.perf_counter()) - started,
        "cpu_seconds": used,
        "rss_mb": _peak_mb(),
    }


async def floor(task: dict[str, Any]) -> dict[str, Any]:
    """The same lines, read and copied into one plain table, as many per transaction as a block of the loader has."""
    connection = await asyncpg.connect(task["database_url"])
    await connection.execute("CREATE TABLE IF NOT EXISTS floor_row (line bytea NOT NULL)")
    started, cpu, rows = time.perf_counter(), time.process_time(), 0
    for lines in _lines(Path(task["file"])):
        await connection.copy_records_to_table("floor_row", records=lines, columns=["line"])
        rows += len(lines)
    seconds = time.perf_counter() - started
    await connection.execute("DROP TABLE floor_row")
    await connection.close()
    return {"rows": rows, "seconds": seconds, "cpu_seconds": time.process_time() - cpu}


def _given(task: dict[str, Any]) -> tuple[Path, bytes, Manifest]:
    path = Path(task["file"])
    manifest = read_manifest(path.with_name(path.name + ".manifest.json").read_bytes())
    return path, Path(task["contract"]).read_bytes(), manifest


def _lines(path: Path) -> Iterator[list[tuple[bytes]]]:
    with path.open("rb") as file:
        while lines := [(line,) for _, line in zip(range(_FLOOR_ROWS), file, strict=False)]:
            yield lines


def _peak_mb() -> float:
    """Resident memory at its highest. Unlike getrusage's it does not count the process that started this one."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1_024


if __name__ == "__main__":
    given = json.load(sys.stdin)
    print(json.dumps(uvloop.run(floor(given) if given["floor"] else night(given))))
