"""A record as the oracle sees it: raw bytes, parsed by the oracle itself and by nobody else's code."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

NO_PARTY = "-"
CORE_TOPICS = ("loan", "loan-urgent")


@dataclass(frozen=True)
class Record:
    """One record of a topic (named without the run's prefix). `arrived_at` is the broker's time."""

    topic: str
    partition: int
    offset: int
    key: str
    headers: dict[str, str] = field(hash=False)
    value: bytes
    arrived_at: datetime

    @cached_property
    def data(self) -> dict[str, Any]:
        """The JSON object in the value; empty when it is none."""
        try:
            parsed = json.loads(self.value)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    @property
    def type(self) -> str:
        """CloudEvents type."""
        return self.headers.get("ce_type", "")

    @property
    def identity(self) -> tuple[str, str]:
        """CloudEvents identity: source and id."""
        return self.headers.get("ce_source", ""), self.headers.get("ce_id", "")

    @property
    def sequence(self) -> int:
        """The writer's number of this event in its aggregate; 0 when malformed."""
        text = self.headers.get("ce_sequence", "")
        return int(text) if text.isdigit() else 0

    @property
    def stream(self) -> tuple[str, str, str, str]:
        """What the sequence counts: source, topic, aggregate type, aggregate id."""
        aggregate = self.headers.get("ce_aggregateid", self.key)
        return self.identity[0], self.topic, self.headers.get("ce_aggregatetype", ""), aggregate

    @property
    def place(self) -> str:
        """Topic, partition and offset."""
        return f"{self.topic}[{self.partition}]@{self.offset}"

    def text(self, name: str) -> str:
        """A text member of the data; empty when absent."""
        value = self.data.get(name)
        return value if isinstance(value, str) else ""

    def moment(self, name: str) -> datetime:
        """A time in the data. Raises ValueError when absent or without zone."""
        return moment_of(self.text(name))


def moment_of(text: str) -> datetime:
    """RFC 3339 to an aware UTC datetime. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no zone")
    return moment.astimezone(UTC)
