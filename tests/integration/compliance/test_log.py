"""The log on a real database: integrates, proves, exports, verifies; nobody changes it."""

import asyncio
import base64
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from services.compliance.log.head import ForkRefused
from services.compliance.log.note import opened, sign
from services.compliance.log.proofs import consistent, included
from services.compliance.log.reference import leaf_hash

from .conftest import Desk, visit_contact, visit_request

VERIFIER = Path(__file__).parents[3] / "tools" / "verify_log.py"
APPEND_ONLY = (
    "decision", "contact_audit", "finding_version", "revocation", "log_entry", "log_leaf", "log_node", "log_checkpoint"
)  # fmt: skip


async def grow(desk: Desk, parties: int = 2) -> None:
    for _ in range(parties):
        case = await desk.open_case()
        (permit,) = await desk.ask(visit_request(case))
        await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit)))


async def export(desk: Desk, folder: Path) -> tuple[Path, str]:
    response = await desk.get("/v1/log/export")
    assert response.status_code == 200
    path = folder / "log.tar"
    path.write_bytes(response.content)
    return path, (await desk.get("/v1/summary")).json()["log_key"]


def verify(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(VERIFIER), str(path), *arguments], capture_output=True, text=True, check=False
    )


async def test_export_verifies_by_key_and_by_fingerprint(desk: Desk, tmp_path: Path) -> None:
    await grow(desk)
    await desk.sequencer.step()
    path, key = await export(desk, tmp_path)
    done = verify(path, "--key", key, "--all-signatures")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 leaves (2 contact, 2 decision) of 2 parties" in done.stdout
    fingerprint = (await desk.get("/v1/summary")).json()["log_key_fingerprint"]
    assert verify(path, "--fingerprint", fingerprint).returncode == 0


async def test_one_flipped_byte_names_the_leaf(desk: Desk, tmp_path: Path) -> None:
    await grow(desk)
    await desk.sequencer.step()
    path, key = await export(desk, tmp_path)
    content = bytearray(path.read_bytes())
    place = content.index(b'{"index":2,"leaf":"') + 60
    content[place] ^= 1
    path.write_bytes(content)
    done = verify(path, "--key", key)
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line.startswith("FAULT")] == [
        "FAULT leaf 2: its bytes are not what the signed tree holds"
    ]


async def test_proofs_hold_between_checkpoints(desk: Desk) -> None:
    await grow(desk, 3)
    await desk.sequencer.step()
    first = opened((await desk.get("/v1/log/checkpoint")).text, desk.instruments.log_key)
    await grow(desk, 2)
    desk.clock.real += timedelta(seconds=2)
    await desk.sequencer.step()
    second = opened((await desk.get("/v1/log/checkpoint")).text, desk.instruments.log_key)
    path = [base64.b64decode(one) for one in (await desk.get("/v1/log/consistency", first=first.size)).json()["path"]]
    assert (first.size, second.size) == (6, 10)
    assert consistent(first=6, second=10, first_root=first.root, second_root=second.root, path=path)
    proof = (await desk.get("/v1/log/inclusion", leaf_index=7)).json()
    assert included(
        leaf_hash=base64.b64decode(proof["leaf_hash"]),
        index=7,
        size=10,
        path=[base64.b64decode(one) for one in proof["path"]],
        root=second.root,
    )


async def test_leaf_of_a_party_is_what_was_hashed(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.ask(visit_request(case))
    await desk.sequencer.step()
    (leaf,) = (await desk.get(f"/v1/parties/{case.party_id}/leaves")).json()["items"]
    content = base64.b64decode(leaf["leaf"])
    assert base64.b64encode(leaf_hash(content)).decode() == leaf["proof"]["leaf_hash"]
    assert str(case.party_id).encode() not in content
    assert b"88309a5915fffff" not in content


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_audit_tables_refuse_change(desk: Desk, table: str) -> None:
    await grow(desk, 1)
    await desk.sequencer.step()
    async with desk.database.read_only() as uow:
        column = await uow.sql.fetchval(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1 "
            "ORDER BY ordinal_position DESC LIMIT 1",
            table,
        )
    for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with desk.database.unit_of_work() as uow:
                await uow.sql.execute(statement)


async def test_even_the_owner_cannot_change_a_leaf(desk: Desk, service_database: object) -> None:
    await grow(desk, 1)
    owner = await asyncpg.connect((await service_database("compliance")).owner_url)  # type: ignore[operator]
    try:
        for statement in ("UPDATE log_entry SET kind = 'x'", "TRUNCATE log_entry CASCADE", "TRUNCATE decision_0"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await owner.execute(statement)
    finally:
        await owner.close()


async def test_waiting_leaf_cannot_be_dropped(desk: Desk) -> None:
    await grow(desk, 1)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with desk.database.unit_of_work() as uow:
            await uow.sql.execute("DELETE FROM log_pending")


async def test_smaller_or_different_tree_is_not_signed(desk: Desk) -> None:
    await grow(desk, 1)
    await desk.sequencer.step()
    remembered = desk.sequencer._head.load()
    assert remembered is not None
    forged = type(remembered)(remembered.origin, remembered.size + 5, remembered.root)
    desk.sequencer._head.remember(sign(forged, desk.instruments.log_key, desk.instruments.checkpoint_key.sign_bytes))
    await grow(desk, 1)
    desk.clock.real += timedelta(seconds=2)
    await desk.hear()
    with pytest.raises(ForkRefused):
        await desk.sequencer.step()


async def test_two_sequencers_give_each_leaf_one_index(desk: Desk) -> None:
    await grow(desk, 4)
    await asyncio.gather(*(desk.sequencer.integrate() for _ in range(5)))
    await desk.sequencer.step()
    async with desk.database.read_only() as uow:
        rows = await uow.sql.fetch("SELECT leaf_index FROM log_leaf ORDER BY leaf_index")
    assert [row["leaf_index"] for row in rows] == list(range(8))


async def test_checkpoint_is_published(desk: Desk) -> None:
    await grow(desk, 1)
    await desk.sequencer.step()
    await desk.sequencer.step()
    (event,) = await desk.events("compliance.checkpoint_published")
    assert opened(event["note"], desk.instruments.log_key).size == event["tree_size"] == 2
