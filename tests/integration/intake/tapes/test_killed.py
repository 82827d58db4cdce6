"""The real command: killed with `kill -9` in the middle of a load it goes on, each row once; and what it says."""

import asyncio
import json
import os
import signal
import sys
from datetime import date

import pytest
from typer.testing import CliRunner

from cli.app import app
from services.intake.tapes.approvals import approve
from shared.embedded.home import PROJECT_FOLDER
from shared.security.note_keys import NoteKey, person_key_name
from shared.security.signing import SigningKey
from tests.unit.intake.tapes.tapes import contract_text, manifest_document, row, write

LOANS = 8_000
FEED = ("--feed", "core-a-loans")


def release(folder, content):
    """The contract in a folder, signed by two people."""
    folder.mkdir()
    (folder / "loans.toml").write_bytes(content)
    for person in ("Ada Lovelace", "Bo Derek"):
        key = SigningKey.open(folder.parent / person_key_name(person), f"approver-{person_key_name(person)}")
        vkey = NoteKey(person_key_name(person), key.public_bytes).vkey
        with (folder / "approvers.toml").open("a") as file:
            file.write(f'[[approver]]\nperson = "{person}"\nkey = "{vkey}"\nregistered_on = 2026-01-01\n')
        approval = approve(content, approver=person, on=date(2026, 1, 2), sign=key.sign_bytes)
        with (folder / "approvals.toml").open("a") as file:
            file.write("[[approval]]\n")
            for name, value in approval.model_dump().items():
                file.write(f"{name} = {json.dumps(value) if isinstance(value, str) else value}\n")
    return folder


@pytest.fixture
def environment(intake, tmp_path):
    """In which `doorstep tape …` is intake's own role."""
    folder = release(tmp_path / "feeds", contract_text())
    settings = intake.settings
    return {
        "DOORSTEP_ENVIRONMENT": "development",
        "DOORSTEP_DATABASE_URL": settings.database_url.get_secret_value(),
        "DOORSTEP_KAFKA_BOOTSTRAP": "127.0.0.1:9",
        "DOORSTEP_KAFKA_USERNAME": "intake",
        "DOORSTEP_TENANT": settings.tenant,
        "DOORSTEP_KEY_FOLDER": str(settings.key_folder),
        "DOORSTEP_INTAKE_FEED_FOLDER": str(folder),
    }


@pytest.fixture
def process_of(environment):
    """Starts `doorstep tape …` as a process, to be killed."""

    async def start(*arguments):
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli", "tape", *arguments, *FEED, cwd=PROJECT_FOLDER, env=os.environ | environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip

    return start


async def _rows_done(intake):
    rows = await intake.fetch("SELECT rows_done FROM tape_file")
    return rows[0][0] if rows else 0


async def test_killed_twice_and_each_row_once(intake, process_of, tmp_path):
    rows = [row(number, late=1 + number % 500) for number in range(LOANS)]
    path = write(tmp_path, "tape.csv", "csv", rows)
    path.with_name("tape.csv.manifest.json").write_text(json.dumps(manifest_document(path, rows)))
    for _ in range(2):
        process = await process_of("load", str(path))
        before = await _rows_done(intake)
        while await _rows_done(intake) <= before:
            assert process.returncode is None, (await process.stdout.read()).decode()
            await asyncio.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert before < await _rows_done(intake) < LOANS, "killed too late to prove anything"
    process = await process_of("load", str(path))
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    assert f"{LOANS:,} rows, {LOANS:,} facts, 0 loans gone, 0 rows refused" in said
    counts = await intake.fetch(
        "SELECT (SELECT count(*) FROM case_file), (SELECT count(*) FROM outbox), (SELECT count(*) FROM tape_loan),"
        " (SELECT max(version) FROM case_file)"
    )
    assert tuple(counts[0]) == (LOANS, LOANS, LOANS, 1)


async def test_what_the_command_says_of_a_refused_file_and_of_refused_rows(environment, tmp_path):
    async def tape(*arguments):
        """In a thread: the command has an event loop of its own."""
        runner = CliRunner(env=environment)
        return await asyncio.to_thread(runner.invoke, app, ["tape", *arguments, *FEED])

    rows = [row(number, late=5) for number in range(300)] + [row(999, late=5, product="Q")]
    path = write(tmp_path, "tape.csv", "csv", rows)
    beside = path.with_name("tape.csv.manifest.json")
    beside.write_text(json.dumps(manifest_document(path, rows, rows=400)))
    unknown = await tape("status")
    assert unknown.exit_code == 1
    assert "no file of a feed 'core-a-loans' was ever taken" in unknown.output
    refused = await tape("load", str(path))
    assert refused.exit_code == 1
    assert "rows_differ: 301 rows, the manifest says 400: truncated or padded" in refused.output
    beside.write_text(json.dumps(manifest_document(path, rows)))
    assert (await tape("load", str(path))).exit_code == 0
    assert "nothing new of feed core-a-loans" in (await tape("collect", str(tmp_path))).output
    report = (await tape("rejections", str(path))).output
    assert '301,product_class,unknown_code,"x-999,x-999,xxx' in report
    assert "loaded" in (await tape("status")).output
