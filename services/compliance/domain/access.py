"""What a person is given of what compliance keeps about them, and by when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.compliance.domain.canonical import Json, format_time
from services.compliance.domain.complaints import Clock
from shared.access.lists import AccessList
from shared.access.texts import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPack:
    """Everything that compliance keeps about a person, and by when they had to be given it."""

    title: Words
    party_id: UUID
    received_at: datetime
    made_at: datetime
    clock: Clock
    lists: Sequence[AccessList]

    def document(self) -> dict[str, Json]:
        """Its JSON form."""
        return {
            "title": {"en": self.title["en"], "zh": self.title["zh"]},
            "party_id": str(self.party_id),
            "received_at": format_time(self.received_at),
            "made_at": format_time(self.made_at),
            "answer_by": format_time(self.clock.answer_by),
            "rule": self.clock.rule,
            "citation": self.clock.citation,
            "lists": [one.document() for one in self.lists],
        }
