"""What compliance knows of a person, and what it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from services.compliance.domain.holds import Hold
from services.compliance.domain.local_time import Span, known_zones, local_dates
from services.compliance.domain.packs import Unit
from shared.events.contact import Channel, Purpose

WATERMARK_LIMIT: Final = timedelta(seconds=30)
BALANCE_LIMIT: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A contact, or a reservation for one, as the counters see it. A reservation counts as everything.

    Its outcome is unknown.
    """

    channel: Channel
    purpose: Purpose
    span: Span
    zones: tuple[str, ...]
    attempt: bool = True
    contact: bool = True
    conversation: bool = True
    household_contacted: bool = True
    debtor_met: bool = True
    permit_id: UUID | None = None

    def counts_as(self, unit: Unit) -> bool:
        """Whether the counter `unit` counts it."""
        return bool(getattr(self, unit))

    def dates(self) -> frozenset[date]:
        """Its local dates in every zone the person may have been in."""
        last = max(self.span.start, self.span.end - timedelta(microseconds=1))
        return local_dates(self.span.start, self.zones) | local_dates(last, self.zones)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A signed answer of intake: how much is overdue, as of when (real time)."""

    as_of: datetime
    overdue_minor: Mapping[str, int]
    digest: str

    @property
    def owes(self) -> bool:
        """Whether anything is overdue in any currency."""
        return any(amount > 0 for amount in self.overdue_minor.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """Low watermarks of the feeders (real time; None.

    Never heard) and who of them names the party as parked or blocked.
    """

    watermarks: Mapping[str, datetime | None]
    named_by: tuple[str, ...] = ()
    silent_feeds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Reporting systems that should have spoken, by the channel whose contacts nobody tells us of."""

    @property
    def oldest(self) -> datetime | None:
        """Compliance's own watermark: the minimum over all feeders."""
        known = [moment for moment in self.watermarks.values() if moment is not None]
        return min(known) if known and len(known) == len(self.watermarks) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyFacts:
    """What compliance read itself, or was told under the signature of the service that owns the fact."""

    party_id: UUID
    known: bool = False
    held: bool = False
    case_id: UUID | None = None
    case_open: bool = False
    case_version: int = 0
    jurisdiction: str | None = None
    zones: tuple[str, ...] = ()
    history_known_from: date | None = None
    versions: Mapping[tuple[str, UUID], int] = field(default_factory=dict)
    holds: tuple[Hold, ...] = ()
    counted: tuple[Counted, ...] = ()
    freshness: Freshness
    balance: Balance | None = None

    def with_reservation(self, reservation: Counted, *, replacing: UUID | None) -> PartyFacts:
        """The facts after a grant in the same batch."""
        kept = tuple(one for one in self.counted if replacing is None or one.permit_id != replacing)
        return replace(self, counted=(*kept, reservation))

    def without(self, permit_id: UUID | None) -> PartyFacts:
        """The facts as if that reservation did not exist (it is about to be replaced)."""
        if permit_id is None:
            return self
        return replace(self, counted=tuple(one for one in self.counted if one.permit_id != permit_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One contact that somebody wants to make. What the asker asserts of the person can only narrow, never widen."""

    party_id: UUID
    case_id: UUID | None
    subject_id: UUID
    channel: Channel
    purpose: Purpose
    jurisdiction: str
    zones: tuple[str, ...]
    span: Span
    duration: timedelta
    crew: tuple[UUID, ...] = ()
    device_id: str | None = None
    place_cell: str | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    now: datetime
    real_now: datetime

    def at(self, start: datetime) -> Question:
        """The same contact, beginning at `start`."""
        return replace(self, span=Span(start, start + self.duration))

    def candidate_zones(self, facts: PartyFacts) -> tuple[str, ...]:
        """Every zone the person may be in: those known here and those asked for.

        Empty when nothing is known for sure.
        """
        return known_zones((*facts.zones, *self.zones)) if facts.zones else ()
