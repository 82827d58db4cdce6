"""What a pack is about: one case, one person, or a period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

ScopeKind = Literal["case", "party", "month", "year"]
# Of a period what judges a contact is opened, and what was complained about; names and places stay commitments.
_PERIOD_FIELDS: Final = frozenset({"record", "detail"})


class ScopeError(ValueError):
    """The scope names nothing: no such case or person, or not a month or year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A subject (`party_id`, and `case_id` for one case of it) or a period of business time [start, end)."""

    kind: ScopeKind
    name: str
    party_id: UUID | None = None
    case_id: UUID | None = None
    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def month(cls, text: str, zone: str) -> Self:
        """`2026-10`, in the calendar of `zone`. Raises ScopeError."""
        try:
            first = datetime.strptime(text, "%Y-%m").replace(tzinfo=ZoneInfo(zone))
        except (ValueError, KeyError) as error:
            raise ScopeError(f"{text} in {zone} is not a month such as 2026-10") from error
        last = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
        return cls(kind="month", name=text, start=first.astimezone(UTC), end=last.astimezone(UTC))

    @classmethod
    def year(cls, text: str, zone: str) -> Self:
        """`2026`, in the calendar of `zone`. Raises ScopeError."""
        try:
            first = datetime.strptime(text, "%Y").replace(tzinfo=ZoneInfo(zone))
        except (ValueError, KeyError) as error:
            raise ScopeError(f"{text} in {zone} is not a year such as 2026") from error
        last = first.replace(year=first.year + 1)
        return cls(kind="year", name=text, start=first.astimezone(UTC), end=last.astimezone(UTC))

    @property
    def is_subject(self) -> bool:
        """Whether it is about one person: then the whole chain of that person is shown, leaf by leaf."""
        return self.party_id is not None

    def holds(self, moment: datetime) -> bool:
        """Whether something that happened at `moment` (business time) lies in the period; always, of a subject."""
        return self.start is None or self.end is None or self.start <= moment < self.end

    def opens(self, kind: str, field: str) -> bool:
        """Whether the committed field of a leaf of that kind in scope is opened in the pack."""
        return self.is_subject or kind == "complaint" or field in _PERIOD_FIELDS

    def document(self) -> Mapping[str, Any]:
        """Its form in pack.json."""
        return {
            "kind": self.kind,
            "name": self.name,
            "party_id": None if self.party_id is None else str(self.party_id),
            "case_id": None if self.case_id is None else str(self.case_id),
            "start": None if self.start is None else self.start.isoformat(),
            "end": None if self.end is None else self.end.isoformat(),
        }
