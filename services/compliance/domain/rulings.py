"""What one rule answers, and when it would answer otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.compliance.domain.canonical import Json, canonical, format_time
from services.compliance.domain.packs import Rule

NEVER: Final = "never"


class Answer(StrEnum):
    """A decision is a result, not an error."""

    ALLOW = "allow"
    DENY = "deny"
    NEEDS_FACT = "needs-fact"


@dataclass(frozen=True, slots=True)
class Earliest:
    """When a refusal ends: at a moment (business time), or after a named event (`never`: not at all)."""

    at: datetime | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """One rule's answer, with the values it looked at. `values` hold nothing personal."""

    rule: Rule
    answer: Answer
    detail: str = ""
    values: Mapping[str, Json] = field(default_factory=dict)
    earliest: Earliest = Earliest()
    bytes_kept: bytes = field(default=b"", init=False, repr=False, compare=False)
    """The canonical bytes of `said`, once they were asked for."""

    @property
    def refuses(self) -> bool:
        """Whether it stands in the way."""
        return self.answer is not Answer.ALLOW

    def said(self) -> dict[str, Json]:
        """Its answer, with the values; of a refusal also why, and until when."""
        said: dict[str, Json] = {"answer": self.answer.value, "values": dict(self.values)}
        if self.refuses:
            said["detail"] = self.detail
            said["earliest_lawful"] = earliest_document(self.earliest)
        return said

    def document(self) -> dict[str, Json]:
        """What it said, beside what its rule says always; how it can be passed only where it refuses."""
        document: dict[str, Json] = {"rule": self.rule.id, "citation": self.rule.citation, **self.said()}
        if self.refuses and self.rule.override != "none":
            document["override"] = self.rule.override
        if self.rule.confidence is not None:
            document["confidence"] = self.rule.confidence
        return document

    def encoded(self) -> bytes:
        """The canonical bytes of `said`."""
        if not self.bytes_kept:
            self.keep_bytes(canonical(self.said()))
        return self.bytes_kept

    def keep_bytes(self, content: bytes) -> None:
        """`content` is the canonical form of `said`, got in another way."""
        object.__setattr__(self, "bytes_kept", content)


def earliest_document(earliest: Earliest) -> dict[str, Json]:
    """`{"at": time}` or `{"after": event}`."""
    if earliest.at is not None:
        return {"at": format_time(earliest.at)}
    return {"after": earliest.after or NEVER}


def allow(rule: Rule, **values: Json) -> Ruling:
    """The rule is satisfied."""
    return Ruling(rule, Answer.ALLOW, values=values)


def deny_until(rule: Rule, moment: datetime, detail: str, **values: Json) -> Ruling:
    """Refused now, not by this rule any more at `moment`."""
    return Ruling(rule, Answer.DENY, detail, values, Earliest(at=moment))


def deny_after(rule: Rule, event: str, detail: str, **values: Json) -> Ruling:
    """Refused until `event` happens."""
    return Ruling(rule, Answer.DENY, detail, values, Earliest(after=event))


def needs(rule: Rule, fact: str, detail: str, **values: Json) -> Ruling:
    """Nothing can be said before `fact` is known."""
    return Ruling(rule, Answer.NEEDS_FACT, detail, values, Earliest(after=fact))
