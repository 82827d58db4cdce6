"""`./doorstep evidence` and `./doorstep log`, as an operator runs them beside the service."""

import asyncio
import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from cli.approving import Approver
from services.compliance.log.note import NoteKey
from services.compliance.rule_book import sources_of
from services.compliance.rule_sets import record_rule_set
from shared.security.signing import SigningKey
from tools import verify_log

from .conftest import Desk, visit_request
from .test_log import grow, verify
from .test_releases import approved


async def doorstep(*arguments: str) -> Result:
    """In a thread: the command has an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


def place(desk: Desk) -> list[str]:
    settings = desk.database.settings
    return ["--database", settings.database_url.get_secret_value(), "--keys", str(settings.key_folder)]


@pytest.fixture
async def party(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("services.compliance.log.manifest.MANIFEST_AFTER", timedelta(minutes=1))
    case = await desk.open_case()
    await desk.ask(visit_request(case))
    await desk.sequencer.step()
    desk.clock.real += timedelta(minutes=2)
    await desk.sequencer.step()
    return str(case.party_id)


async def test_pack_is_exported_and_verified(desk: Desk, party: str, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    done = await doorstep("evidence", "--party", party, "--out", str(out), *place(desk))
    assert done.exit_code == 0, done.output
    checked = await asyncio.to_thread(verify, out, "--fingerprint", desk.instruments.log_key.fingerprint)
    assert checked.returncode == 0, checked.stdout
    again = await doorstep("evidence", "--party", party, "--out", str(out), *place(desk))
    assert (again.exit_code, "exists" in again.output) == (1, True)


async def test_court_bundle_is_handed_over(desk: Desk, party: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("cli.evidence.LEAF_SECONDS", 0.1)
    out = tmp_path / "bundle"
    arguments = ["evidence", "--party", party, "--out", str(out), *place(desk), "--court"]
    assert (await doorstep(*arguments)).exit_code == 2
    done = await doorstep(*arguments, "--by", "A. Wang", "--reason", "order 12/2026")
    assert done.exit_code == 0, done.output
    assert "waits for a checkpoint" in done.output
    keys = tmp_path / "court"
    given = await doorstep(
        "evidence", "hand-over", str(out),
        "--by", "A. Wang", "--to", "clerk", "--reason", "hearing", "--name", "court/custody",
        "--keys", str(keys),
    )  # fmt: skip
    assert given.exit_code == 0, given.output
    bank = SigningKey.open(desk.database.settings.key_folder, "custody")
    named = [NoteKey(f"{desk.instruments.log_key.name}/custody", bank.public_bytes).fingerprint]
    named.append(NoteKey("court/custody", SigningKey.open(keys, "custody").public_bytes).fingerprint)
    signers = [argument for one in named for argument in ("--custody-key", one)]
    checked = await asyncio.to_thread(verify, out, "--key", desk.instruments.log_key.vkey, *signers)
    assert checked.returncode == 0, checked.stdout
    assert "handed_over by A. Wang to clerk" in checked.stdout


@pytest.mark.parametrize("scope", [["--month", "2026-13"], ["--year", "1999"], ["--case", "0" * 32], []])
async def test_scope_of_nothing_is_refused(desk: Desk, party: str, tmp_path: Path, scope: list[str]) -> None:
    done = await doorstep("evidence", *scope, "--out", str(tmp_path / "pack"), *place(desk))
    assert done.exit_code == (1 if scope else 2)
    assert packs(tmp_path) == []


def packs(folder: Path) -> list[Path]:
    return list(folder.glob("pack*"))


async def test_head_is_restored_from_a_note(desk: Desk, tmp_path: Path) -> None:
    await grow(desk, 1)
    await desk.sequencer.step()
    note = tmp_path / "note"
    note.write_text((await desk.get("/v1/log/checkpoint")).text)
    folder = tmp_path / "log"
    arguments = ["log", "restore-head", str(note), "--folder", str(folder), *place(desk)]
    done = await doorstep(*arguments)
    assert done.exit_code == 0, done.output
    assert (folder / "log-head.note").read_text() == note.read_text()
    assert (await doorstep(*arguments)).exit_code == 1


async def test_key_is_rotated_only_where_there_is_one(desk: Desk, tmp_path: Path) -> None:
    keys = tmp_path / "empty"
    keys.mkdir()
    assert (await doorstep("log", "rotate-key", "--keys", str(keys))).exit_code == 1
    old = NoteKey(desk.instruments.log_key.name, SigningKey.open(keys, "checkpoint").public_bytes)
    done = await doorstep("log", "rotate-key", "--keys", str(keys))
    assert done.exit_code == 0
    assert old.fingerprint in done.output
    assert [one.public_bytes for one in SigningKey.open(keys, "checkpoint").versions][1] == old.public_key


async def test_pack_shows_who_released_the_rules(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.compliance.log.manifest.MANIFEST_AFTER", timedelta(minutes=1))
    await record_rule_set(desk.database, approved(desk.instruments, sources_of(), keys=tmp_path))
    case = await desk.open_case()
    await desk.ask(visit_request(case))
    await desk.sequencer.step()
    desk.clock.real += timedelta(minutes=2)
    await desk.sequencer.step()
    out = tmp_path / "pack"
    done = await doorstep("evidence", "--party", str(case.party_id), "--out", str(out), *place(desk))
    assert done.exit_code == 0, done.output
    shown = [json.loads(line) for line in (out / "chain.jsonl").read_text().splitlines()]
    leaves = [json.loads(base64.b64decode(line["leaf"])) for line in shown]
    released = {leaf["pack"]: leaf["approvals"] for leaf in leaves if leaf["kind"] == "pack_release"}
    assert [one["approver"] for one in released["cn-contact"]] == ["Ada", "Ben"]
    named = [word for who in ("Ada", "Ben") for word in ("--approver", Approver.open(tmp_path, who).key.fingerprint)]
    key = ["--fingerprint", desk.instruments.log_key.fingerprint]
    checked = await asyncio.to_thread(verify, out, *key, *named)
    every = f"{len(desk.instruments.book.packs)} packs of rules"
    assert (checked.returncode, every in checked.stdout) == (0, True), checked.stdout
    checked = await asyncio.to_thread(verify, out, *key, *named[:2])
    assert (checked.returncode, "FAULT pack cn-contact/1: not approved" in checked.stdout) == (1, True), checked.stdout
    assert "the key of Ben was not named" in checked.stdout


async def test_damaged_bundle_is_said_to_be_unreadable_in_one_line(
    desk: Desk, party: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pack"
    done = await doorstep("evidence", "--party", party, "--out", str(folder), *place(desk))
    assert done.exit_code == 0, done.output
    (folder / "custody.jsonl").write_text("{}\n")
    arguments = [str(folder), "--key", desk.instruments.log_key.vkey]
    assert verify_log.main(arguments) == 2
    assert capsys.readouterr().err.startswith("cannot verify: the custody record cannot be read: KeyError")
    (folder / "custody.jsonl").write_text("no json\n")
    assert verify_log.main([*arguments, "--custody-key", "0" * 64]) == 2
    (folder / "custody.jsonl").unlink()
    assert verify_log.main(arguments) == 0
    assert "the pack verifies" in capsys.readouterr().out
