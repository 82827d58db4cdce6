"""What another system kept of a world's people: contacts of before, which count and are judged by nobody."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Final

from shared.events.contact import Channel, ContactRecorded
from worlds.lives import share
from worlds.truth import Contact, Person
from worlds.world import World

_TAKEN_OVER: Final = 0.25
_CHANNELS: Final[tuple[Channel, ...]] = ("visit", "call", "call", "sms", "email", "letter")
_SAME: Final = (
    "contact_id", "party_id", "permit_id", "channel", "purpose", "contact", "conversation", "household_contacted",
    "debtor_met",
)  # fmt: skip


class Takeover:
    """The imported history of one person. It is drawn apart, so that a world without any is what it was before."""

    def __init__(self, world: World, person: Person) -> None:
        self.world = world
        self.person = person
        self._draw = Random(f"history of {person.party_id}")

    def plan(self) -> None:
        """Of some people a few contacts come over, made since their history is attested.

        Of people by themselves only: what another system told of one who shares a home counts on whoever lives there
        (ADR 0126), also where no debt is shared; the law of these worlds does not say that.
        """
        others = (one for one in self.world.people if one is not self.person)
        if self.world.merges or self.world.homes_change or any(share(one, self.person) for one in others):
            return
        days = (self.world.begins.date() - self.person.history_known_from).days
        if days > 2 and self._draw.random() < _TAKEN_OVER:
            for _ in range(self._draw.randint(1, 6)):
                self._take_over(timedelta(days=self._draw.uniform(1, min(days - 1, 35))))

    def _take_over(self, ago: timedelta) -> None:
        draw, world = self._draw, self.world
        channel = draw.choice(_CHANNELS)
        start = world.now - ago
        reached = draw.random() < 0.7
        met = reached and draw.random() < 0.7
        contact = Contact(
            contact_id=world.drawn_id(draw), party_id=self.person.party_id, permit_id=None,
            subject_id=world.drawn_id(draw), channel=channel, purpose="collection", start=start,
            end=start + timedelta(minutes=5), start_real=start + world.real, crew=frozenset(), contact=reached,
            conversation=met, household_contacted=reached, debtor_met=met and channel == "visit", imported=True,
            told_real=world.real_now,
        )  # fmt: skip
        world.history.contacts[contact.contact_id] = contact
        world.tell(f"a {channel} to {self.person.name} on {start:%d %b %H:%M}Z comes over from the system before")
        told = ContactRecorded.model_construct(
            **{name: getattr(contact, name) for name in _SAME}, visit_id=None, started_at=start, ended_at=contact.end,
            started_real=contact.start_real, crew=[], outcome="told",
        )  # fmt: skip
        world.bureau.take_over(told, world.moment())
