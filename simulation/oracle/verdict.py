"""A history in, the first breaking event out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from simulation.oracle.record import Record


@dataclass(frozen=True)
class Breach:
    """One broken promise: which rule, where, what. `at` orders breaches; the earliest is named first."""

    rule: str
    place: str
    detail: str
    at: datetime

    def __str__(self) -> str:
        return f"{self.rule}: {self.place}: {self.detail}"


@dataclass(frozen=True)
class History:
    """Everything a run left behind: raw records of all topics, and what public APIs answered at its end.

    Mappings that are None were not asked for, and what needs them is not judged. Money in minor units.
    """

    records: Sequence[Record]
    freshness: timedelta
    """F: a fact may overtake a check-in by at most this."""
    complete: bool = True
    """The run was driven to its end: nothing may still be on its way."""
    cases: Mapping[str, int] | None = None
    """intake: open or cured case id -> overdue sum."""
    core_overdue: Mapping[str, int] | None = None
    """The core's balance port: loan reference -> overdue sum."""
    told_back: Sequence[Mapping[str, Any]] | None = None
    """The core's write-back port: what it was told and keeps."""
    leaves: Mapping[str, int] | None = None
    """compliance: contact id -> leaf index, from the parties' leaves with verified inclusion."""
    tree_size: int | None = None
    """compliance: size of the newest checkpoint."""

    @cached_property
    def events(self) -> list[Record]:
        """Records without re-deliveries (same identity, same bytes), in order of arrival."""
        seen: dict[tuple[tuple[str, str], str], Record] = {}
        for record in sorted(self.records, key=lambda each: (each.arrived_at, each.topic, each.partition, each.offset)):
            seen.setdefault((record.identity, record.topic), record)
        return list(seen.values())

    @cached_property
    def by_type(self) -> dict[str, list[Record]]:
        """Events by type, in order of arrival."""
        grouped: dict[str, list[Record]] = {}
        for record in self.events:
            grouped.setdefault(record.type, []).append(record)
        return grouped

    def of(self, *types: str) -> list[Record]:
        """Events of these types, in order of arrival."""
        found = [record for name in types for record in self.by_type.get(name, [])]
        return found if len(types) == 1 else sorted(found, key=lambda record: record.arrived_at)


Check = Callable[[History], Iterable[Breach]]


@dataclass(frozen=True)
class Verdict:
    """What the oracle says: breaches in order of time, and how much it looked at."""

    breaches: Sequence[Breach]
    records: int
    checks: int
    counted: Mapping[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """No breach."""
        return not self.breaches

    @property
    def first(self) -> Breach | None:
        """The first breaking event."""
        return self.breaches[0] if self.breaches else None

    def __str__(self) -> str:
        if self.first is None:
            return f"no breach in {self.records:,} records under {self.checks} checks"
        rules = ", ".join(f"{rule} {count}" for rule, count in Counter(each.rule for each in self.breaches).items())
        return f"{len(self.breaches)} breaches in {self.records:,} records ({rules}); first: {self.first}"


def breach(rule: str, record: Record, detail: str) -> Breach:
    """A breach at a record."""
    return Breach(rule, f"{record.place} {record.type} {record.identity[1]}", detail, record.arrived_at)
