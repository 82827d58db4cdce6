"""The loaded rule book: packs, the source of the rules, and the time-zone data, under one hash."""

from __future__ import annotations

from functools import cache
from importlib import resources
from importlib.metadata import version

from services.compliance.domain.packs import RuleBook, load

_PACKAGE = "services.compliance"
# Everything that can change an answer; the service around it cannot.
_RULE_CODE = ("domain", "domain/rules")


@cache
def rule_book() -> RuleBook:
    """The shipped packs. Raises PackError: without rules nothing starts."""
    root = resources.files(_PACKAGE)
    packs = {file.name: file.read_bytes() for file in (root / "packs").iterdir() if file.name.endswith(".toml")}
    code = [
        file.read_bytes()
        for folder in _RULE_CODE
        for file in sorted((root / folder).iterdir(), key=lambda entry: entry.name)
        if file.name.endswith(".py")
    ]
    return load(packs, rule_code=code, tzdata_version=version("tzdata"))
