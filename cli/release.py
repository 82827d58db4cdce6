"""`contracts release`: what the next release is held against, written from the code as it stands."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from shared.embedded.home import PROJECT_FOLDER

RELEASED = PROJECT_FOLDER / "contracts" / "released"


def write_release() -> list[Path]:
    """Write the schema of each service and a permit with its keys. Starts, or joins, the embedded PostgreSQL."""
    from shared.embedded.servers import EmbeddedServers

    servers = EmbeddedServers()
    servers.start(kafka=False)
    try:
        schemas = asyncio.run(_schemas(servers.postgres.admin_url))
    finally:
        servers.release()
    documents: dict[str, Any] = {f"schema-{service}": schema for service, schema in schemas.items()}
    documents["permit"] = permit_document()
    RELEASED.mkdir(parents=True, exist_ok=True)
    return [_write(RELEASED / f"{name}.json", document) for name, document in sorted(documents.items())]


def permit_document() -> dict[str, Any]:
    """A permit and a revocation list as this code signs them, with the public keys of a key that was rotated once."""
    from services.compliance.domain.local_time import Span
    from services.compliance.domain.permits import Permit
    from shared.ids import entity_id
    from shared.security.signing import SigningKey

    start = datetime(2026, 12, 1, 2, tzinfo=UTC)
    ids = [entity_id(7) for _ in range(7)]
    permit = Permit(
        permit_id=ids[0], party_id=ids[1], tenant="bank", decision_id=ids[2], request_id=ids[3], case_id=ids[4],
        subject_id=ids[5], channel="visit", purpose="collection", crew=(ids[6],), device_id="device-1",
        place_cell="88309a5915fffff", window=Span(start, start + timedelta(hours=2)), duration=timedelta(minutes=30),
        zones=("Asia/Shanghai",), rule_set="0" * 64, granted_real=start - timedelta(days=1), debts=frozenset(ids[4:5]),
    )  # fmt: skip
    revoked = {"number": 7, "as_of": "2026-12-01T01:59:00Z", "device_id": "device-1", "permit_ids": [str(ids[0])]}
    with TemporaryDirectory() as folder:
        key = SigningKey.open(Path(folder), "permit")
        older = key.sign_document(permit.claims(), kind="permit+jwt")
        key.rotate()
        return {
            "keys": key.public_keys(),
            "claims": permit.claims(),
            "tokens": [older, key.sign_document(permit.claims(), kind="permit+jwt")],
            "revocations": key.sign_document(revoked, kind="revocations+jwt"),
        }


async def _schemas(admin_url: str) -> dict[str, dict[str, Any]]:
    import asyncpg

    from shared.database.compatibility import load_schema
    from shared.embedded.provision import drop, provision_databases

    prefix, found = f"release_{uuid4().hex[:8]}_", {}
    try:
        for service, database in (await provision_databases(admin_url, prefix)).items():
            connection = await asyncpg.connect(database.owner_url)
            try:
                found[service] = await load_schema(connection)
            finally:
                await connection.close()
    finally:
        await drop(prefix, admin_url=admin_url)
    return found


def _write(file: Path, document: dict[str, Any]) -> Path:
    """One line for each member, so that a review shows which table changed."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(document[name], sort_keys=True)}" for name in sorted(document))
    file.write_text(f"{{\n{lines}\n}}\n")
    return file
