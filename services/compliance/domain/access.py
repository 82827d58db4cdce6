"""What a person is given of what is kept about them: lists of rows in plain words, without anybody else in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from services.compliance.domain.canonical import Json, format_time
from services.compliance.domain.complaints import Clock
from services.compliance.domain.explanations import Language, Texts

LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
Words = Mapping[Language, str]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPack:
    """Everything kept about a person, and by when they had to be given it."""

    party_id: UUID
    received_at: datetime
    made_at: datetime
    clock: Clock
    lists: Sequence[AccessList]

    def document(self) -> dict[str, Json]:
        """Its JSON form."""
        return {
            "party_id": str(self.party_id),
            "received_at": format_time(self.received_at),
            "made_at": format_time(self.made_at),
            "answer_by": format_time(self.clock.answer_by),
            "rule": self.clock.rule,
            "citation": self.clock.citation,
            "lists": [
                {
                    "name": one.name,
                    "heading": _json(one.heading),
                    "about": _json(one.about),
                    "rows": [{"words": _json(row.words), "values": _json(row.values)} for row in one.rows],
                }
                for one in self.lists
            ],
        }


def list_of(name: str, rows: Iterable[Mapping[str, Any]], texts: Texts, *, staff: Iterable[str] = ()) -> AccessList:
    """The list with each row in words. `staff`: people of ours, who are left out wherever a text names them."""
    names = sorted(set(staff), key=len, reverse=True)
    found_names = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, names))})(?![\w-])") if names else None
    found = []
    for row in rows:
        values = {key: _masked(_json(value), found_names, texts) for key, value in row.items() if key != "words"}
        words = {language: _told(name, row, values, texts, language) for language in LANGUAGES}
        found.append(AccessRow(words, values))
    heading, about = (
        {language: texts.said(name, part, language=language) for language in LANGUAGES} for part in ("heading", "about")
    )
    return AccessList(name, heading, about, found)


def _told(name: str, row: Mapping[str, Any], values: Mapping[str, Json], texts: Texts, language: Language) -> str:
    said = {key: _word(key, value, texts, language) for key, value in values.items()}
    own = row.get("words")
    if own is not None:
        said["words"] = own[language]
    return texts.said(name, "row", language=language).format_map(said)


def _word(key: str, value: Json, texts: Texts, language: Language) -> str:
    """A value in the reader's language: codes stay codes, so that they can be asked about."""
    if value is None or value in ("", []):
        return texts.said("values", "missing", language=language)
    if key == "is_open":
        return texts.said("values", "open" if value else "closed", language=language)
    if isinstance(value, bool):
        return texts.said("values", "yes" if value else "no", language=language)
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return str(value)


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
        return names.sub(" / ".join(texts.said("staff", language=language) for language in LANGUAGES), value)
    return value
