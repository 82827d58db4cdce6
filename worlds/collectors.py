"""Those who want contact: they ask for permits, look before they begin, and report; some of them do not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.compliance.domain.decisions import Decision
from services.compliance.domain.facts import Question
from services.compliance.domain.local_time import Span
from services.compliance.domain.permits import PermitNotReleasable
from services.compliance.domain.rulings import Earliest
from shared.events.contact import Channel, ContactRecorded, Purpose
from worlds.books import sort_of_rule
from worlds.people import wall
from worlds.stops import Stops
from worlds.truth import FRESHNESS_LIMIT, Contact, Grant, Person, Reason, Refusal
from worlds.world import World

_CHANNELS: Final[tuple[Channel, ...]] = ("visit", "visit", "visit", "call", "call", "call", "sms")
_PURPOSES: Final[tuple[Purpose, ...]] = (*("collection",) * 16, "appointment_admin", "plan_service", "reply", "safety")
_MINUTES: Final[dict[Channel, tuple[int, ...]]] = {"visit": (20, 40), "call": (5, 10), "sms": (1,)}
# Wall-clock minutes at which windows are asked for: openings, closings and their neighbours.
_EDGES: Final = (419, 450, 479, 480, 539, 540, 600, 1_079, 1_080, 1_199, 1_200, 1_259, 1_260, 1_319, 1_320)
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


class Collectors:
    """Everybody who wants to reach one person."""

    def __init__(self, world: World, person: Person, stops: Stops) -> None:
        self.world = world
        self.person = person
        self.stops = stops
        self.case = world.bureau.cases[person.party_id]
        self.crew = (world.new_id(), world.new_id())

    def plan(self) -> None:
        """Draw who asks when, and who comes without asking."""
        draw = self.world.draw
        span = self.world.ends - self.world.begins
        wishes = draw.randint(4, 13)
        busy = self.world.begins + span * draw.random()
        for number in range(wishes):
            # Half of the wishes fall into one busy week, so that limits are reached.
            crowded = number % 2 and busy + timedelta(days=7 * draw.random()) < self.world.ends
            moment = busy + timedelta(days=7 * draw.random()) if crowded else self.world.begins + span * draw.random()
            self.world.at(moment, self._wish)
        for _ in range(draw.choice((0, 0, 1, 2))):
            self.world.at(self.world.begins + span * draw.random(), self._intrude)
        if draw.random() < 0.2:
            self.world.at(self.world.begins + span * draw.random(), self._invited)

    def _wish(self) -> None:
        draw = self.world.draw
        channel, purpose = draw.choice(_CHANNELS), draw.choice(_PURPOSES)
        minutes = draw.choice(_MINUTES[channel])
        start = self._local_start(days=draw.choice((0, 0, 0, 1, 1, 2, 4)))
        slack = timedelta(minutes=draw.choice((0, 0, 1, 30, 120)))
        self._ask(channel, purpose, minutes, start, start + timedelta(minutes=minutes) + slack, again=True)

    def _invited(self) -> None:
        """The person asks for contact; whoever hears of it asks up to three times on the strength of one request."""
        draw = self.world.draw
        channel = draw.choice(_CHANNELS)
        minutes = draw.choice(_MINUTES[channel])
        if draw.random() < 0.85:
            self.stops.request(channel)

        def ask() -> None:
            start = self._local_start(days=draw.choice((0, 1, 1, 3, 7)))
            end = start + timedelta(minutes=minutes)
            self._ask(channel, "customer_requested", minutes, start, end, again=True)

        for _ in range(draw.randint(1, 3)):
            self.world.at(self.world.now + timedelta(days=4 * draw.random()), ask)

    def _local_start(self, *, days: int) -> datetime:
        """A wall-clock time some days ahead, often exactly on an edge of the lawful hours."""
        draw = self.world.draw
        zone = ZoneInfo(draw.choice(self.person.zones))
        minute = draw.choice(_EDGES) if draw.random() < 0.35 else draw.randint(500, 1_250)
        day = self.world.now.astimezone(zone).date() + timedelta(days=days)
        start = wall(day, minute).replace(tzinfo=zone).astimezone(self.world.now.tzinfo)
        return start if start > self.world.now else start + timedelta(days=1)

    def _ask(
        self, channel: Channel, purpose: Purpose, minutes: int, start: datetime, end: datetime, *, again: bool
    ) -> bool:
        duration = timedelta(minutes=minutes)
        visit = channel == "visit"
        question = Question(
            party_id=self.person.party_id,
            case_id=self.case.case_id,
            subject_id=self.world.new_id(),
            channel=channel,
            purpose=purpose,
            jurisdiction=self.person.place,
            zones=self.person.zones,
            span=Span(start, end),
            duration=duration,
            crew=self.crew if visit else self.crew[:1],
            device_id="device" if visit else None,
            place_cell="88309a5915fffff" if visit else None,
            now=self.world.now,
            real_now=self.world.real_now,
        )
        decision, permit = self.world.bureau.ask(question, self.world.moment())
        what = f"{channel} ({purpose}) for {self.person.name} at {start:%d %b %H:%M}Z"
        if permit is None:
            self.world.tell(f"{what}: {decision.answer}, {', '.join(one.rule.id for one in decision.refusals)}")
            self._refused(question, decision, again=again)
            return False
        grant = Grant(
            permit_id=permit.permit_id,
            party_id=self.person.party_id,
            subject_id=question.subject_id,
            channel=channel,
            purpose=purpose,
            crew=frozenset(question.crew),
            start=start,
            end=end,
            asked_at=self.world.now,
            asked_real=self.world.real_now,
            watermark_real=self.world.watermark(),
        )
        self.world.history.grants[grant.permit_id] = grant
        self.world.tell(f"{what}: permit {str(grant.permit_id)[:4]} until {end:%H:%M}Z")
        self._go(Plan(grant=grant, channel=channel, purpose=purpose, minutes=minutes))
        return True

    def _refused(self, question: Question, decision: Decision, *, again: bool) -> None:
        """Write down what was answered. Often somebody asks at once for the earliest lawful moment that was named."""
        earliest = decision.earliest or Earliest()
        kept: bool | None = None
        if again and earliest.at is not None and self.world.draw.random() < 0.5:
            minutes = question.duration // timedelta(minutes=1)
            end = earliest.at + question.duration
            kept = self._ask(question.channel, question.purpose, minutes, earliest.at, end, again=False)
        reasons = tuple(
            Reason(
                rule=one.rule.id,
                sort=sort_of_rule(self.world.bureau.book, one.rule.id),
                citation=one.rule.citation,
                at=one.earliest.at,
                after=one.earliest.after,
            )
            for one in decision.refusals
        )
        self.world.history.refusals.append(
            Refusal(
                party_id=question.party_id,
                channel=question.channel,
                purpose=question.purpose,
                start=question.span.start,
                end=question.span.end,
                watermark_real=self.world.watermark(),
                asked_at=self.world.now,
                asked_real=self.world.real_now,
                answer=decision.answer.value,
                reasons=reasons,
                at=earliest.at,
                after=earliest.after,
                kept=kept,
            )
        )

    def _go(self, plan: Plan) -> None:
        """What becomes of the permit."""
        draw, grant = self.world.draw, plan.grant
        luck = draw.random()
        slack = grant.end - grant.start - timedelta(minutes=plan.minutes)
        start = grant.start + (slack + _SHORTER / 2) * draw.random()
        if luck < 0.1:
            moment = grant.start + timedelta(hours=draw.uniform(-2, 30))
            self.world.at(moment, lambda: self._give_back(grant))
        elif luck < 0.15:
            self.world.tell(f"the device with permit {str(grant.permit_id)[:4]} is lost")
            if draw.random() < 0.5:
                self.world.at(start, lambda: self._begin(plan, report_after=timedelta(days=draw.uniform(3, 15))))
        elif luck < 0.32:
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

    def _intrude(self) -> None:
        """Somebody comes or calls without asking."""
        draw = self.world.draw
        channel, purpose = draw.choice(_CHANNELS), draw.choice(_PURPOSES)
        minutes = draw.choice(_MINUTES[channel])
        start = self._local_start(days=0)

        def begin() -> None:
            contact = self._new_contact(channel, purpose, minutes, permit_id=None, subject_id=self.world.new_id())
            self._report(contact, used=False, after=None)

        self.world.at(start, begin)

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
        self.world.bureau.use(contact.party_id, contact.permit_id, contact_id=contact.contact_id, used_at=contact.start)

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
