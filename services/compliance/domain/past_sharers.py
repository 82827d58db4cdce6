"""Those who share a key with a person, as an audit sees them: where they lived and what was known of it, over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.compliance.domain.budget_keys import keys_named
from services.compliance.domain.dossier import CIRCUMSTANCES, Dossier
from services.compliance.domain.facts import Sharer
from services.compliance.domain.places import Place, place_at
from services.compliance.domain.rule_records import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class PastSharer:
    """Somebody who shares keys with the person; nothing here says who it is.

    `known_real`: by name of a key that both have, since when (real time) it is known that both do; `since`: from which
    business time on it is the other's (left out: for ever). `unresolved`: kinds of keys that compliance should know of
    the other and does not. `places`: all in which they were thought to live.
    """

    known_real: Mapping[str, datetime]
    since: Mapping[str, datetime] = field(default_factory=dict)
    places: Sequence[Place]
    dossier: Dossier
    unresolved: frozenset[Key] = frozenset()

    def at(self, moment: datetime, *, known_by: datetime | None = None) -> Sharer | None:
        """Their law at that business time, as far as it was known by that real time (None: now).

        None: they shared nothing then, as far as anybody knew, or no place of theirs is known. Of who has no case no
        place is, and they are granted no contact that another one could spoil.
        """
        names = [
            name
            for name, known in self.known_real.items()
            if (known_by is None or known <= known_by) and self.since.get(name, moment) <= moment
        ]
        place = place_at(self.places, moment, known_by=known_by) if names else None
        if place is None:
            return None
        return Sharer(
            jurisdiction=place.jurisdiction, keys=keys_named(names), unresolved=self.unresolved,
            circumstances=self.dossier.circumstances(at=moment, known_by=known_by),
        )  # fmt: skip

    def learnt(self, *, at: datetime) -> Iterator[datetime]:
        """When (real time) each thing was heard that bears on a contact at the business time `at`."""
        yield from self.known_real.values()
        yield from (one.recorded_real for one in self.places)
        yield from (one.recorded_real for one in self.dossier.entries if one.name in CIRCUMSTANCES and one.as_of <= at)
