"""What becomes of a permit: given back, lost, used by the protocol, or misused; and how it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.compliance.domain.permits import PermitNotReleasable
from shared.events.contact import Channel, ContactRecorded, Purpose
from worlds.stops import Stops
from worlds.truth import FRESHNESS_LIMIT, Contact, Grant, Person
from worlds.world import World

_ROGUE: Final = (
    "early",
    "late",
    "overrun",
    "crew",
    "channel",
    "subject",
    "released",
    "twice",
    "revoked",
    "unreported",
    "ignored",
)
# Nothing happens at one moment with something else; a contact leaves room for that.
_SHORTER: Final = timedelta(seconds=4)
_SAME: Final = (
    "contact_id",
    "party_id",
    "permit_id",
    "channel",
    "purpose",
    "contact",
    "conversation",
    "household_contacted",
    "debtor_met",
    "identity_shown",
    "recording_complete",
    "entered_home",
    "entry_consented",
    "asked_to_leave",
    "left_when_asked",
)


@dataclass(slots=True, kw_only=True)
class Plan:
    """A granted contact that somebody means to make. `list_as_of`: of the revocation list that the device holds."""

    grant: Grant
    channel: Channel
    purpose: Purpose
    minutes: int
    list_as_of: datetime | None = None
    list_revoked: bool = False


class Fieldwork:
    """Those who go to one person, call or write. `move`: ask for another time in the place of a permit."""

    def __init__(
        self, world: World, person: Person, stops: Stops, crew: tuple[UUID, UUID], *, move: Callable[[Plan], None]
    ) -> None:
        self.world = world
        self.person = person
        self.stops = stops
        self.crew = crew
        self._move = move

    def go(self, plan: Plan) -> None:
        """What becomes of the permit."""
        draw, grant = self.world.draw, plan.grant
        luck = draw.random()
        slack = grant.end - grant.start - timedelta(minutes=plan.minutes)
        start = grant.start + (slack + _SHORTER / 2) * draw.random()
        if luck < 0.1:
            moment = grant.start + timedelta(hours=draw.uniform(-2, 30))
            self.world.at(moment, lambda: self._give_back(grant))
        elif luck < 0.15:
            self.world.at(self.world.now + (start - self.world.now) * draw.random(), lambda: self._move(plan))
        elif luck < 0.2:
            self.world.tell(f"the device with permit {str(grant.permit_id)[:4]} is lost")
            if draw.random() < 0.5:
                self.world.at(start, lambda: self._begin(plan, report_after=timedelta(days=draw.uniform(3, 15))))
        elif luck < 0.37:
            self._misbehave(plan, draw.choice(_ROGUE), start)
        else:
            synced = start - timedelta(seconds=draw.choice((5, 60, 110, 200)) * draw.random())
            self.world.at(synced, lambda: self._sync(plan))
            self.world.at(start, lambda: self._begin_if_valid(plan))
            if draw.random() < 0.15:  # somebody dies, or complains, while the crew is on its way
                self.world.at(start - timedelta(seconds=draw.uniform(-5, 300)), self.stops.strike)

    def _sync(self, plan: Plan) -> None:
        plan.list_as_of = self.world.watermark()
        plan.list_revoked = plan.grant.revoked_real is not None

    def _begin_if_valid(self, plan: Plan) -> None:
        """The device's own check: a list younger than F, and the permit not on it."""
        as_of = plan.list_as_of
        valid = as_of is not None and self.world.real_now - as_of <= FRESHNESS_LIMIT and not plan.list_revoked
        if valid:
            self._begin(plan, report_after=None)
        else:
            self._give_back(plan.grant)

    def _give_back(self, grant: Grant) -> None:
        try:
            self.world.bureau.give_back(self.person.party_id, grant.permit_id, self.world.moment(), cause="unused")
        except PermitNotReleasable:
            return
        grant.released_real = grant.released_real or self.world.real_now
        self.world.tell(f"permit {str(grant.permit_id)[:4]} is given back")

    def _begin(self, plan: Plan, *, report_after: timedelta | None) -> None:
        """By the protocol. A device that was lost reports late, and without a list it is no honest contact."""
        contact = self._contact(plan)
        contact.honest = report_after is None
        if self.world.draw.random() < 0.3:
            contact.end = plan.grant.end  # to the last moment that is permitted
        self._report(contact, used=True, after=report_after)

    def _misbehave(self, plan: Plan, how: str, start: datetime) -> None:
        grant = plan.grant
        length = timedelta(minutes=plan.minutes)
        moment = start
        if how == "early":
            moment = grant.start - timedelta(minutes=self.world.draw.randint(1, 300))
        elif how in ("late", "overrun"):
            moment = grant.end - (length / 2 if how == "overrun" else timedelta())
        elif how == "released":
            self.world.at(grant.start - timedelta(minutes=1), lambda: self._give_back(grant))
        self.world.at(moment, lambda: self._do_wrong(plan, how))

    def _do_wrong(self, plan: Plan, how: str) -> None:
        contact = self._contact(plan)
        if how == "crew":
            contact.crew = frozenset({self.world.new_id()})
        elif how == "channel":
            contact.channel = "call" if contact.channel != "call" else "sms"
        elif how == "subject":
            contact.subject_id = self.world.new_id()
        elif how == "revoked":
            contact.permit_id = self._some_revoked() or contact.permit_id
        self._report(contact, used=how != "unreported", after=None)
        if how == "twice":
            second = self._contact(plan)
            second.start += timedelta(minutes=plan.minutes, seconds=1)
            second.end += timedelta(minutes=plan.minutes, seconds=1)
            second.start_real += timedelta(minutes=plan.minutes, seconds=1)
            self._report(second, used=True, after=None)

    def _some_revoked(self) -> UUID | None:
        grants = self.world.history.grants.values()
        return next(
            (one.permit_id for one in grants if one.revoked_real and one.party_id == self.person.party_id), None
        )

    def come_unasked(self, channel: Channel, purpose: Purpose, minutes: int) -> None:
        """A contact without a permit, now."""
        contact = self._new_contact(channel, purpose, minutes, permit_id=None, subject_id=self.world.new_id())
        self._report(contact, used=False, after=None)

    def _contact(self, plan: Plan) -> Contact:
        grant = plan.grant
        return self._new_contact(
            plan.channel, plan.purpose, plan.minutes, permit_id=grant.permit_id, subject_id=grant.subject_id
        )

    def _new_contact(
        self, channel: Channel, purpose: Purpose, minutes: int, *, permit_id: UUID | None, subject_id: UUID
    ) -> Contact:
        draw = self.world.draw
        reached = draw.random() < 0.6
        met = reached and draw.random() < 0.7
        visit = channel == "visit"
        now = self.world.now
        clean = draw.random() < 0.85
        contact = Contact(
            contact_id=self.world.new_id(),
            party_id=self.person.party_id,
            permit_id=permit_id,
            subject_id=subject_id,
            channel=channel,
            purpose=purpose,
            start=now,
            end=now + timedelta(minutes=minutes) - _SHORTER,
            start_real=self.world.real_now,
            crew=frozenset(self.crew if visit else ()),
            contact=reached,
            conversation=met,
            household_contacted=reached and (visit or draw.random() < 0.3),
            debtor_met=met and visit,
        )
        if not clean:
            contact.identity_shown = draw.random() < 0.5
            contact.recording_complete = draw.random() < 0.5
            contact.entered_home = visit and draw.random() < 0.5
            contact.entry_consented = draw.random() < 0.5
            contact.asked_to_leave = visit and draw.random() < 0.4
            contact.left_when_asked = draw.random() < 0.5
            contact.disclosed = draw.random() < 0.2
            contact.conduct = draw.choice((None, "threat", "loitering", "calling_card"))
        return contact

    def _report(self, contact: Contact, *, used: bool, after: timedelta | None) -> None:
        """Use and record reach compliance: soon, in hours or days, in any order, often more than once."""
        draw = self.world.draw
        self.world.history.contacts[contact.contact_id] = contact
        with_permit = "without a permit" if contact.permit_id is None else f"on permit {str(contact.permit_id)[:4]}"
        self.world.tell(f"{contact.channel} to {self.person.name} {with_permit}")
        online = contact.channel != "visit"
        if used and contact.permit_id is not None:
            lag = timedelta() if online else timedelta(seconds=draw.choice((1, 30, 4_000)))
            self.world.at(contact.start + lag + (after or timedelta()), lambda: self._tell_use(contact))
        luck = draw.random()
        delay = timedelta(seconds=draw.uniform(2, 60))
        if luck > 0.6:
            delay = timedelta(hours=draw.uniform(0.1, 20)) if luck < 0.9 else timedelta(days=draw.uniform(1, 6))
        if after is not None:
            delay += after
        elif draw.random() < 0.02:
            return  # never told
        for copy in range(2 if draw.random() < 0.15 else 1):
            self.world.at(
                contact.end + delay * (copy + 1), lambda: self.world.reaches(lambda r: self._record(contact, r))
            )

    def _tell_use(self, contact: Contact) -> None:
        if contact.permit_id is None:
            return
        contact.use_told_real = self.world.real_now
        self.world.bureau.use(
            contact.party_id, contact.permit_id, self.world.moment(), contact_id=contact.contact_id,
            used_at=contact.start,
        )  # fmt: skip

    def _record(self, contact: Contact, reached: datetime) -> None:
        told = ContactRecorded.model_construct(
            **{name: getattr(contact, name) for name in _SAME},
            visit_id=contact.subject_id if contact.permit_id is not None else None,
            started_at=contact.start,
            ended_at=contact.end,
            started_real=contact.start_real,
            crew=sorted(contact.crew),
            debt_disclosed_to_third=contact.disclosed,
            conduct_flags=[] if contact.conduct is None else [contact.conduct],
            outcome="told",
        )
        if contact.told_real is None:
            contact.told_real = self.world.real_now
        self.world.bureau.audit(told, self.world.moment(), reached=reached, use_came_first=contact.channel != "visit")
