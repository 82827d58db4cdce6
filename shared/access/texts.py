"""Sentences in two languages, from TOML files beside the code that says them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, Literal

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
Words = Mapping[Language, str]


@dataclass(frozen=True)
class Texts:
    """Sentences by place and language."""

    table: Mapping[str, Any]

    def said(self, *path: str, language: Language) -> str:
        """The sentence at that place. Raises KeyError."""
        found: Any = self.table
        for part in path:
            found = found[part]
        return str(found[language])

    def words(self, *path: str) -> Words:
        """The sentence at that place in every language. Raises KeyError."""
        return {language: self.said(*path, language=language) for language in LANGUAGES}

    def code(self, name: str, value: str, *, language: Language) -> str:
        """A code in words; codes without words stay as they are, so that they can be asked about."""
        found = self.table.get("codes", {}).get(name, {}).get(value)
        return value if found is None else str(found[language])


@cache
def common_texts() -> Texts:
    """What every service says alike."""
    return Texts(_read("shared.access", "words.toml"))


@cache
def access_texts(package: str) -> Texts:
    """The sentences of a service (`texts/access.toml` in its package) with those that all have in common.

    Raises ValueError when it says one of these anew.
    """
    common, own = common_texts().table, _read(package, "texts/access.toml")
    if twice := (common.keys() & own.keys()) - {"codes"}:
        raise ValueError(f"{package}: {sorted(twice)} is said in shared/access/words.toml already")
    return Texts({**common, **own})


def _read(package: str, path: str) -> dict[str, Any]:
    return tomllib.loads((resources.files(package) / path).read_text(encoding="utf-8"))
