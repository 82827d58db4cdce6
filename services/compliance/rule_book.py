"""The loaded rule book: packs, the source of the rules, and the time-zone data, under one hash."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.metadata import version
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from services.compliance.domain.approvers import Approvers, read_approvers
from services.compliance.domain.packs import PackError, RuleBook, load
from services.compliance.domain.releases import Approval, Released, read_approvals, releases
from services.compliance.domain.tightening import loosened

_PACKAGE: Final = "services.compliance"
# Everything that can change an answer; the service around it cannot.
_RULE_CODE: Final = ("domain", "domain/compiled", "domain/rules")
_APPROVALS: Final = "approvals.toml"
_APPROVERS: Final = "approvers.toml"


@cache
def rule_book(*, folder: Path | None = None, production: bool = False) -> RuleBook:
    """The packs of `folder` (the shipped ones when left out). Raises PackError: without rules nothing starts.

    In production every pack has two approvals in the folder's `approvals.toml`, signed by two people of its
    `approvers.toml`; elsewhere a pack without them is loaded, too, and whoever decides by it warns.
    """
    book = read_packs(packs_of(folder))
    missing = read_releases(book, folder=folder).missing
    if missing and production:
        raise PackError(
            f"not approved by two people with keys of their own: {', '.join(missing)}; docs/releasing-rules.md says how"
        )
    return book


def read_releases(book: RuleBook, *, folder: Path | None = None) -> Released:
    """The releases of the book's packs by the folder's `approvals.toml` and `approvers.toml`. Raises PackError."""
    return releases(book, _approvals(folder), registered_approvers(folder))


def registered_approvers(folder: Path | None = None) -> Approvers:
    """The people of the folder's `approvers.toml`, with their keys. Raises PackError."""
    file = _packs(folder) / _APPROVERS
    return read_approvers(file.read_bytes()) if file.is_file() else Approvers()


def read_packs(sources: dict[str, bytes]) -> RuleBook:
    """The rule book of these files (name → bytes). Raises PackError, also for policy that is looser than law."""
    book = load(sources, rule_code=[content for _, content in rule_code()], tzdata_version=version("tzdata"))
    faults = loosened(book.packs)
    if faults:
        raise PackError("; ".join(faults))
    return book


def rule_code() -> list[tuple[str, bytes]]:
    """The files of the rules' program (path in the package, content), in the order in which they are hashed."""
    root = resources.files(_PACKAGE)
    return [
        (f"{folder}/{file.name}", file.read_bytes())
        for folder in _RULE_CODE
        for file in sorted((root / folder).iterdir(), key=lambda entry: entry.name)
        if file.name.endswith(".py")
    ]


def packs_of(folder: Path | None) -> dict[str, bytes]:
    """The pack files of a bank's folder, or the shipped ones, by name."""
    return sources_of(_packs(folder))


def with_versions(packs: Mapping[str, bytes], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The packs with these files in the place of those of which they are versions."""
    replaced = {pack_id(content) for content in files.values()}
    return {name: content for name, content in packs.items() if pack_id(content) not in replaced} | dict(files)


def pack_id(content: bytes) -> object:
    """The id that a pack's file states; None when it cannot be read: the loader says why, with the file's name."""
    try:
        return tomllib.loads(content.decode()).get("id")
    except ValueError:
        return None


def sources_of(folder: Traversable | None = None) -> dict[str, bytes]:
    """The pack files of a folder (the shipped ones when left out), by name."""
    packs = _packs(None) if folder is None else folder
    return {
        file.name: file.read_bytes()
        for file in packs.iterdir()
        if file.name.endswith(".toml") and file.name not in (_APPROVALS, _APPROVERS)
    }


def _packs(folder: Path | None) -> Traversable:
    return resources.files(_PACKAGE) / "packs" if folder is None else folder


def _approvals(folder: Path | None) -> tuple[Approval, ...]:
    file = _packs(folder) / _APPROVALS
    return read_approvals(file.read_bytes()) if file.is_file() else ()
