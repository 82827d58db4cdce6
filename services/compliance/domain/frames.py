"""The frame of a record: what all records of decisions on one sort of contact have in common, said once.

Its rules in their order, each with its citation, and what it answers unless something is known of the person. A record
names its frame by SHA-256 and says only what a rule answered otherwise: record and frame together are what was decided,
and nothing else is needed to read them. A frame holds nothing of anybody; it is kept as long as there are records.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from services.compliance.domain.canonical import Json, canonical
from services.compliance.domain.packs import Rule
from services.compliance.domain.rulings import Answer, Ruling

FORMAT: Final = 2
"""Of records that name a frame. Those of format 1 state none and say everything of each rule themselves."""
_OF_THE_RULE: Final = ("rule", "citation", "confidence", "override")


class FrameError(ValueError):
    """The bytes are not those of the frame that a record names, or none were given."""


class Frame:
    """The rules of one sort of contact. `usual`: for each what it answers as a rule; None where that is not known."""

    __slots__ = ("_begins", "_said", "_usual", "content", "sha256")

    def __init__(self, rules: Sequence[Rule], usual: Sequence[Ruling | None]) -> None:
        entries: list[Json] = [
            _entry(rule) if known is None else _entry(rule) | {"usual": known.said()}
            for rule, known in zip(rules, usual, strict=True)
        ]
        self.content = canonical({"format": FORMAT, "rules": entries})
        self.sha256 = hashlib.sha256(self.content).hexdigest()
        self._usual = tuple(usual)
        self._said = tuple(b"" if known is None else known.encoded() for known in usual)
        self._begins = tuple(b"[%d," % place for place in range(len(self._usual)))

    def encoded(self, rulings: Sequence[Ruling]) -> bytes:
        """The canonical bytes of `shortened`, for the rulings of a decision under the rules of this frame.

        Rulings bring their own bytes, so that a ruling given a thousand times is written once.
        """
        found = []
        for place, (ruling, usual) in enumerate(zip(rulings, self._usual, strict=False)):
            if ruling is not usual:
                said = ruling.bytes_kept or ruling.encoded()
                if said != self._said[place]:
                    found.append(self._begins[place] + said)
        if len(rulings) > len(self._usual):
            more = enumerate(rulings[len(self._usual) :], start=len(self._usual))
            found += [b"[%d,%b" % (place, canonical(ruling.document())) for place, ruling in more]
        return b"[%b]]" % b"],".join(found) if found else b"[]"


def shortened(rules: Sequence[Mapping[str, Json]], frame: bytes) -> list[Json]:
    """Of these rules (as `Ruling.document` says them) what the frame does not say: each with its place in their order.

    A rule that stands in that place of the frame is left out, with its citation; one that does not is said whole. None
    in the place of a rule that was not asked.
    """
    entries = _entries(frame)
    found: list[Json] = []
    for place, one in enumerate(rules):
        said = {name: value for name, value in one.items() if name not in _OF_THE_RULE}
        entry = entries[place] if place < len(entries) else {}
        if not entry or _whole(entry, said) != one:
            found.append([place, dict(one)])
        elif said != entry.get("usual"):
            found.append([place, said])
    return found + [[place, None] for place in range(len(rules), len(entries))]


def told(record: Mapping[str, Any], frame: bytes | None) -> dict[str, Any]:
    """The record with all that was said of each rule, in the form of records without a frame.

    Raises FrameError where `frame` is not the one that it names.
    """
    if "frame" not in record:
        return dict(record)
    if frame is None or hashlib.sha256(frame).hexdigest() != record["frame"]:
        raise FrameError(f"the frame {record['frame']} of the record is not kept")
    rules = [_whole(entry, entry["usual"]) if "usual" in entry else None for entry in _entries(frame)]
    entries = _entries(frame)
    for place, said in record["rules"]:
        if place < len(rules):
            rules[place] = said if said is None or "rule" in said else _whole(entries[place], said)
        else:
            rules.append(said)
    rest = {name: value for name, value in record.items() if name not in ("format", "frame", "rules")}
    return rest | {"rules": [one for one in rules if one is not None]}


@lru_cache(maxsize=256)
def _entries(frame: bytes) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(frame)["rules"])


def _entry(rule: Rule) -> dict[str, Json]:
    entry: dict[str, Json] = {"rule": rule.id, "citation": rule.citation}
    if rule.confidence is not None:
        entry["confidence"] = rule.confidence
    if rule.override != "none":
        entry["override"] = rule.override
    return entry


def _whole(entry: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """A rule of a frame with what it answered, as `Ruling.document` says it: how it can be passed only in a refusal."""
    left_out = "override" if said["answer"] == Answer.ALLOW.value else None
    return {name: entry[name] for name in _OF_THE_RULE if name in entry and name != left_out} | dict(said)
