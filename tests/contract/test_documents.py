"""What the documents point to is there: links, commands with their options, files named by their path."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cli.app import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("deploy/**/*.md"),
        *ROOT.glob("contracts/**/*.md"),
    )
)
# Decisions tell what was when they were taken; what else there is tells what is.
PRESENT = [path for path in DOCUMENTS if path.parent.name != "adr"]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"\./doorstep((?: +[a-z0-9][a-z0-9-]*| +--?[a-z][a-z-]*)*)")
_PATH = re.compile(
    r"`((?:cli|contracts|deploy|docs|services|shared|simulation|benchmarks|tests|tools|training|worlds)/[\w./-]+)`"
)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(path: Path) -> set[str]:
    """As GitHub makes them from the headings."""
    heads = re.findall(r"^#+ +(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_relative_links_lead_somewhere(document: Path) -> None:
    for link in _LINK.findall(document.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        path = document.parent / target if target else document
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


@pytest.mark.parametrize("document", PRESENT, ids=named)
def test_named_commands_exist(document: Path) -> None:
    for words in _COMMAND.findall(document.read_text(encoding="utf-8")):
        command: Any = get_command(app)
        for word in words.split():
            if command.context_settings.get("ignore_unknown_options"):
                break
            if word.startswith("-"):
                options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
                assert word in options | {"--help"}, f"./doorstep{words}: no option {word}"
            elif commands := getattr(command, "commands", None):
                assert word in commands, f"./doorstep{words}: no command {word}"
                command = commands[word]


@pytest.mark.parametrize("document", PRESENT, ids=named)
def test_named_files_exist(document: Path) -> None:
    for name in _PATH.findall(document.read_text(encoding="utf-8")):
        assert (ROOT / name).exists() or list(ROOT.glob(f"{name}*")), name


def test_documents_are_looked_at() -> None:
    everything = "".join(path.read_text(encoding="utf-8") for path in PRESENT)
    assert min(len(found.findall(everything)) for found in (_LINK, _COMMAND, _PATH)) > 15
