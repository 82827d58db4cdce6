"""Lists of what is kept about one person: each row in plain words, without anybody else in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.access.texts import LANGUAGES, Language, Texts, Words
from shared.canonical import Json, canonical
from shared.events.codec import format_time


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One entry, in words, and the values that the words tell."""

    words: Words
    values: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class AccessList:
    """One list of what is kept. `heading` and `about` say what it is."""

    name: str
    heading: Words
    about: Words
    rows: Sequence[AccessRow]

    def document(self) -> dict[str, Json]:
        """Its JSON form."""
        return {
            "name": self.name,
            "heading": _json(self.heading),
            "about": _json(self.about),
            "rows": [{"words": _json(row.words), "values": _json(row.values)} for row in self.rows],
        }


def list_of(name: str, rows: Iterable[Mapping[str, Any]], texts: Texts, *, staff: Iterable[str] = ()) -> AccessList:
    """The list with each row in words. `staff`: people of ours, who are left out wherever a text names them.

    A row's `words`, by language, are for its sentence only: they are no value of their own.
    """
    names = sorted(set(staff), key=len, reverse=True)
    found_names = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, names))})(?![\w-])") if names else None
    found = []
    for row in rows:
        values = {key: _masked(_json(value), found_names, texts) for key, value in row.items() if key != "words"}
        words = {language: _told(name, row, values, texts, language) for language in LANGUAGES}
        found.append(AccessRow(words, values))
    return AccessList(name, texts.words(name, "heading"), texts.words(name, "about"), found)


def digest_of(document: Mapping[str, Any]) -> bytes:
    """SHA-256 of a document as it was given, in its canonical form: whoever holds the document can compute it."""
    return hashlib.sha256(canonical(document)).digest()


def _told(name: str, row: Mapping[str, Any], values: Mapping[str, Json], texts: Texts, language: Language) -> str:
    said = {key: _word(key, value, texts, language) for key, value in values.items()}
    own = row.get("words")
    if own is not None:
        said["words"] = own[language]
    return texts.said(name, "row", language=language).format_map(said)


def _word(key: str, value: Json, texts: Texts, language: Language) -> str:
    """A value in the reader's language: codes without words stay codes, so that they can be asked about."""
    if value is None or value in ("", []):
        return texts.said("values", "missing", language=language)
    if key == "is_open":
        return texts.said("values", "open" if value else "closed", language=language)
    if isinstance(value, bool):
        return texts.said("values", "yes" if value else "no", language=language)
    if isinstance(value, list):
        return ", ".join(texts.code(key, str(one), language=language) for one in value)
    return texts.code(key, str(value), language=language)


def _json(value: Any) -> Json:
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json(one) for one in value]
    result: Json = value
    return result


def _masked(value: Json, names: re.Pattern[str] | None, texts: Texts) -> Json:
    if isinstance(value, list):
        return [_masked(one, names, texts) for one in value]
    if isinstance(value, str) and names is not None:
        return names.sub(" / ".join(texts.words("staff").values()), value)
    return value
