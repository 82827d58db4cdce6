"""The sources of a rule set: what its hash covers, kept so that decisions of the past can be judged again by it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from services.compliance.domain.packs import PackError, RuleBook, load
from services.compliance.rule_book import packs_of, rule_code


@dataclass(frozen=True, slots=True)
class RulePart:
    """One part of a rule set: a pack, a file of the rules' program, or the version of the time-zone data."""

    kind: Literal["pack", "code", "tzdata"]
    name: str
    content: bytes

    @property
    def sha256(self) -> bytes:
        """Its digest."""
        return hashlib.sha256(self.content).digest()


@dataclass(frozen=True)
class ArchivedRules:
    """The rules of the past, read from their packs. `changed_code`: files of the program that are others today.

    Where there are any, today's program judges by yesterday's packs: what differs then may be the program's doing.
    """

    book: RuleBook
    changed_code: tuple[str, ...]


@cache
def present_parts(folder: Path | None) -> tuple[RulePart, ...]:
    """The parts of the rule set that is loaded from `folder` (the shipped packs when left out), in their order."""
    return parts_of(packs_of(folder))


def parts_of(packs: Mapping[str, bytes]) -> tuple[RulePart, ...]:
    """The parts of the rule set that these packs (name → bytes) make with the program and zone data of today."""
    files = [RulePart("pack", name, content) for name, content in sorted(packs.items())]
    code = [RulePart("code", name, content) for name, content in rule_code()]
    return (*files, *code, RulePart("tzdata", "version", version("tzdata").encode()))


def hash_of(parts: Sequence[RulePart]) -> str:
    """The hash that names the rule set of these parts."""
    return hashlib.sha256(b"".join(part.sha256 for part in parts)).hexdigest()


def read_archived(rule_set: str, parts: Sequence[RulePart]) -> ArchivedRules:
    """The rules of these parts. Raises PackError when they are not those of that name, or cannot be read any more."""
    if hash_of(parts) != rule_set:
        raise PackError(f"the sources kept of rule set {rule_set} are not its sources")
    zones = [part.content.decode() for part in parts if part.kind == "tzdata"]
    book = load(
        {part.name: part.content for part in parts if part.kind == "pack"},
        rule_code=[part.content for part in parts if part.kind == "code"],
        tzdata_version=zones[0] if zones else "",
    )
    return ArchivedRules(book, _changed(parts))


def _changed(parts: Sequence[RulePart]) -> tuple[str, ...]:
    then = {part.name: part.content for part in parts if part.kind != "pack"}
    now = {**dict(rule_code()), "version": version("tzdata").encode()}
    return tuple(sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name)))
