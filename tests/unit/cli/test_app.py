"""Bad use of the command line: one line on standard error, and not exit code 0."""

import sys

import pytest

from cli.app import main


def said(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["doorstep", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr().err


def test_folder_that_cannot_be_made_is_named(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "folder"
    code, text = said(monkeypatch, capsys, "demo", "--output", str(place))
    assert code == 2
    assert "--output cannot be written to" in text
    assert str(place) in text.replace("\n", "")


def test_unknown_benchmark_is_answered_with_the_known_ones(monkeypatch, capsys):
    code, text = said(monkeypatch, capsys, "bench", "nosuch")
    assert code == 2
    assert "intake_events" in text


def test_file_that_cannot_be_opened_is_one_line(monkeypatch, capsys):
    def refused(*_):
        raise PermissionError(13, "Permission denied", "/some/place")

    monkeypatch.setattr("cli.checks.run_lint", refused)
    code, text = said(monkeypatch, capsys, "lint")
    assert (code, text) == (1, "refused: /some/place: Permission denied\n")
