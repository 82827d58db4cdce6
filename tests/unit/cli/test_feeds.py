"""`./doorstep feeds rotate-key`: the next totals are signed with another key, which the operator declares."""

import base64
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from typer.testing import CliRunner

from cli.app import app
from services.compliance.domain.feeds import Feed, total_refused, total_statement
from services.visits.domain.traces import KINDS, TOTAL_KEY
from shared.security.note_keys import NoteKey
from shared.security.signing import SigningKey

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SOURCE = "visits-door"


def rotate(keys: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["feeds", "rotate-key", "--keys", str(keys)])
    return done.exit_code, done.output


def declared(key: str) -> Feed:
    """As the operator declares it at compliance."""
    return Feed(
        source=SOURCE, kind="door_code", client_id="visits", channels=("visit",), silent_after_hours=24, heard_real=NOW,
        closed_real=NOW, total_key=key,
    )  # fmt: skip


def test_total_of_the_new_key_is_heard_once_the_new_key_is_declared(tmp_path: Path) -> None:
    before = declared(NoteKey(SOURCE, SigningKey.open(tmp_path, TOTAL_KEY).public_bytes).vkey)
    exit_code, output = rotate(tmp_path)
    assert exit_code == 0
    [shown] = re.findall(rf"^{SOURCE} new key (\S+)$", output, re.MULTILINE)
    statement = total_statement(SOURCE, date(2026, 3, 1), last_number=4, records=4)
    signature = base64.b64encode(SigningKey.open(tmp_path, TOTAL_KEY).sign_bytes(statement)).decode()
    assert total_refused(before, statement, signature) is not None
    assert total_refused(replace(before, total_key=shown), statement, signature) is None


def test_each_source_is_told_with_both_keys(tmp_path: Path) -> None:
    old = SigningKey.open(tmp_path, TOTAL_KEY).public_bytes
    _, output = rotate(tmp_path)
    assert [f"{source} old key {NoteKey(source, old).vkey}" in output for source in KINDS] == [True] * 3


def test_folder_without_the_key_is_refused_and_gets_none(tmp_path: Path) -> None:
    assert rotate(tmp_path)[0] == 1
    assert list(tmp_path.iterdir()) == []
