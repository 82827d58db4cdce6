"""Where a person was thought to live, and since when: a contact is judged by the law of its own time's place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place and the zones that the person may be in there. `since` is business time, `recorded_real` real time."""

    party_id: UUID
    since: datetime
    recorded_real: datetime
    jurisdiction: str
    zones: tuple[str, ...]

    @property
    def law(self) -> tuple[str, frozenset[str]]:
        """What of it a judgement depends on."""
        return self.jurisdiction, frozenset(self.zones)


def place_at(places: Sequence[Place], moment: datetime, *, known_by: datetime | None = None) -> Place | None:
    """The last word on that business time, as far as it was known by that real time (None: now).

    Before the first place that is known the person was, for all we know, there already. None: no place is known.
    """
    heard = [one for one in places if known_by is None or one.recorded_real <= known_by]
    if not heard:
        return min(places, key=lambda one: (one.recorded_real, one.since), default=None)
    before = [one for one in heard if one.since <= moment]
    if not before:
        return min(heard, key=lambda one: (one.since, one.recorded_real))
    return max(before, key=lambda one: (one.since, one.recorded_real))
