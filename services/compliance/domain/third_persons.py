"""The ledger of third persons: of whom was asked where somebody lives, and who refused; nobody can tell who they are.

An entry is a commitment to a contact point (HMAC under compliance's own key), dates, counts, a refusal. It belongs to
no party: a refusal binds whoever asks next about whomever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import NamedTuple

from msgspec import structs

from services.compliance.domain.facts import PartyFacts, ThirdPersonAsked
from services.compliance.domain.local_time import local_dates
from shared.events.contact import Channel

INQUIRY: Channel = "third_party_location"


class Inquiry(NamedTuple):
    """One question to one third person: the commitment, and the local date on which it counts."""

    key: str
    on: date


def inquiry(key: str, at: datetime, zones: tuple[str, ...]) -> Inquiry:
    """A question that begins at that business time. Of two possible dates the later: it leaves every window last."""
    return Inquiry(key, max(local_dates(at, zones or ("UTC",))))


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one third person."""

    asked: Mapping[date, int] = field(default_factory=dict)
    refused: bool = False

    def after(self, on: date, *, more: int) -> Entry:
        """The entry after `more` questions on that date (-1: one was given back)."""
        return replace(self, asked={**self.asked, on: max(0, self.asked.get(on, 0) + more)})


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries at hand. Every question since `known_from` is in the ledger."""

    known_from: date
    entries: dict[str, Entry]

    def note(self, one: Inquiry, *, more: int) -> None:
        """Count a question, or give it back, for whoever asks next in the same transaction."""
        self.entries[one.key] = self.entries.get(one.key, Entry()).after(one.on, more=more)

    def asked_of(self, key: str | None, facts: PartyFacts, *, replaced: Inquiry | None = None) -> PartyFacts:
        """The facts with what is known of this third person, without the question that is about to be replaced.

        None: nobody was named, so nothing can be computed, and nobody is asked.
        """
        if key is None:
            return facts
        entry = self.entries.get(key, Entry())
        if replaced is not None and replaced.key == key:
            entry = entry.after(replaced.on, more=-1)
        dates = tuple(day for day, count in sorted(entry.asked.items()) for _ in range(count))
        since = facts.collected_since
        complete = since is not None and self.known_from <= since
        return structs.replace(
            facts, third_person=ThirdPersonAsked(dates=dates, refused=entry.refused, complete=complete)
        )
