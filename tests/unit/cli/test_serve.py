"""`serve` and `down` without servers: what they find, and what they say."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.running import running_serve
from shared.embedded.home import PROJECT_FOLDER, Home


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DOORSTEP_HOME", str(tmp_path))
    return Home()


def _write_state(home, pid, created):
    state = f'{{"process": {{"pid": {pid}, "created": {created}}}, "ready": true, "prefix": "", "addresses": {{}}}}'
    (home.folder / "serve.json").write_text(state)


def test_down_says_when_nothing_runs(home):
    answer = CliRunner().invoke(app, ["down"])
    assert answer.exit_code == 0
    assert "Nothing was running" in answer.output


def test_state_of_a_dead_serve_is_not_believed(home):
    _write_state(home, os.getpid(), 1.0)
    assert running_serve(home) is None


def test_second_serve_is_refused(home):
    import psutil

    _write_state(home, os.getpid(), psutil.Process().create_time())
    answer = CliRunner().invoke(app, ["serve"])
    assert answer.exit_code == 1
    assert "running already" in answer.output


def test_down_stops_a_running_serve(home):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd=PROJECT_FOLDER) as process:
        import psutil

        _write_state(home, process.pid, psutil.Process(process.pid).create_time())
        answer = CliRunner().invoke(app, ["down"])
        assert process.wait(timeout=10) == -15
    assert "Stopped" in answer.output


@pytest.mark.parametrize("command", ["demo", "test", "serve", "down", "bench", "lint", "contracts"])
def test_every_command_is_listed(command):
    assert command in CliRunner().invoke(app, ["--help"]).output


def test_help_of_the_benchmarks_names_them():
    told = CliRunner().invoke(app, ["bench", "--help"])
    assert told.exit_code == 0
    assert "intake_events, " in told.output


def test_benchmark_names_are_names():
    assert CliRunner().invoke(app, ["bench", "../etc"]).exit_code == 2
