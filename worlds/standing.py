"""What stops of a world keep away: since when, until when, from whom, and as far as somebody knew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from worlds import law
from worlds.lives import Lives
from worlds.truth import Contact, History, Person, Stop

_BREATHING_SPACE: Final = timedelta(days=60)
_AFTER_TREATMENT: Final = timedelta(days=30)


class Asked(Protocol):
    """A window that somebody asked for, granted or not."""

    @property
    def party_id(self) -> UUID: ...
    @property
    def channel(self) -> str: ...
    @property
    def purpose(self) -> str: ...
    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...
    @property
    def asked_at(self) -> datetime: ...
    @property
    def asked_real(self) -> datetime: ...
    @property
    def watermark_real(self) -> datetime: ...
    @property
    def debts(self) -> frozenset[UUID] | None: ...
    @property
    def number(self) -> str | None: ...


class Standing(Lives):
    """The stops of each person, those through debts that they share included."""

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.stops: dict[UUID, list[Stop]] = {party_id: [] for party_id in history.people}
        for stop in history.stops:
            self.stops[stop.party_id].append(stop)
            for other in self._jointly_liable(stop):
                self.stops[other.party_id].append(other)

    def _jointly_liable(self, stop: Stop) -> Iterator[Stop]:
        """The same moratorium on each debt of others who are liable for it together with the person."""
        if stop.kind not in law.MORATORIA or stop.scope not in ("party", "collection", "loan"):
            return
        own = self.history.people[stop.party_id]
        on = set(own.debts) if stop.scope != "loan" else {stop.debt}
        for other in self.history.people.values():
            if other is not own:
                for debt in on.intersection(other.debts):
                    yield replace(stop, party_id=other.party_id, scope="loan", debt=debt)

    def about(self, contact: Contact) -> tuple[frozenset[UUID] | None, str | None]:
        """The debts and the number that a contact was permitted for; without a permit of the person nobody said."""
        grant = None if contact.permit_id is None else self.history.grants.get(contact.permit_id)
        return (None, None) if grant is None or grant.party_id != contact.party_id else (grant.debts, grant.number)

    def stops_of(self, party_id: UUID, *, known_by: datetime | None) -> list[Stop]:
        """The stops of the person, under whichever id of theirs; of another one nobody knew before both were one."""
        merge, other = self.history.merge, self.other_id(party_id)
        if merge is None or other is None:
            return self.stops[party_id]
        return [
            *self.stops[party_id],
            *(
                replace(
                    stop, recorded_real=max(stop.recorded_real, merge.reached_real),
                    reached_real=max(stop.reached_real, merge.reached_real),
                )
                for stop in self.history.stops
                if stop.party_id == other and self.told_of_both(stop.recorded_real, known_by=known_by)
            ),
        ]  # fmt: skip

    def until(self, stop: Stop) -> datetime | None:
        """When it ends: by law, or by the word of as many people as it takes, whichever is first; None: open."""
        ends = [] if stop.until is None else [stop.until]
        if stop.kind == "breathing_space":
            ends = [stop.since + _BREATHING_SPACE]
        elif stop.kind == "mental_health_crisis" and stop.until is not None:
            ends = [stop.until + _AFTER_TREATMENT]
        elif stop.kind in law.TWO_PEOPLE and stop.kind != "vulnerability":
            ends = []  # nobody says alone, and beforehand, when it is over
        said = stop.closed_at if stop.kind in ("complaint", "cured") else _said_over(stop)
        if said is not None:
            over = max(said, stop.since)
            ends.append(over + _AFTER_TREATMENT if stop.kind == "mental_health_crisis" else over)
        return min(ends, default=None)

    def keeps_away(self, stop: Stop, person: Person, contact: Contact) -> bool:
        """Whether it stood when the contact began, and forbids such a contact."""
        until = self.until(stop)
        stands = stop.since <= contact.start and (until is None or contact.start < until)
        debts, number = self.about(contact)
        return stands and law.stopped(
            person.place, stop, contact.channel, contact.purpose, debts=debts, number=number
        )  # fmt: skip

    def _touches(self, stop: Stop, person: Person, asked: Asked) -> bool:
        until = self.until(stop)
        stands = stop.since < asked.end and (until is None or asked.start < until)
        return stands and law.stopped(
            person.place, stop, asked.channel, asked.purpose, debts=asked.debts, number=asked.number
        )  # fmt: skip

    def _as_of(self, stop: Stop, asked: Asked) -> Stop:
        """The stop without what was said of its end only later."""
        words = [(who, when) for who, when in stop.words if when <= asked.asked_at]
        closed = stop.closed_at if stop.closed_at is not None and stop.closed_at <= asked.asked_at else None
        return stop if (words, closed) == (stop.words, stop.closed_at) else replace(stop, words=words, closed_at=closed)


def _said_over(stop: Stop) -> datetime | None:
    """The word that ends it; of some kinds the word of a second person."""
    words = [(who, when) for who, when in stop.words if when >= stop.recorded_at]
    if stop.kind not in law.TWO_PEOPLE:
        return words[0][1] if words else None
    return next((when for who, when in words if who != words[0][0]), None)
