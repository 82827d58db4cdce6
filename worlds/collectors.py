"""Those who want contact: they ask for permits, ask again, move what was granted; some come without asking."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.compliance.domain.budget_keys import Keys, joined, keys_about
from services.compliance.domain.decisions import Decision
from services.compliance.domain.facts import Question
from services.compliance.domain.hold_scopes import debts_asked
from services.compliance.domain.local_time import Span
from services.compliance.domain.permits import PermitState
from services.compliance.domain.rulings import Earliest
from shared.events.contact import Channel, Purpose
from worlds.books import sort_of_rule
from worlds.fieldwork import Fieldwork, Plan
from worlds.people import wall
from worlds.stops import Stops
from worlds.truth import Grant, Person, Reason, Refusal
from worlds.world import World

_CHANNELS: Final[tuple[Channel, ...]] = (*("visit",) * 5, *("call",) * 5, "sms", "sms", "email", "letter")
_PURPOSES: Final[tuple[Purpose, ...]] = (*("collection",) * 16, "appointment_admin", "plan_service", "reply", "safety")
_MINUTES: Final[dict[Channel, tuple[int, ...]]] = {
    "visit": (20, 40),
    "call": (5, 10),
    "sms": (1,),
    "email": (1,),
    "letter": (1,),
}
_MUCH_CALLED: Final = 0.5
# Wall-clock minutes at which windows are asked for: openings, closings and their neighbours.
_EDGES: Final = (419, 450, 479, 480, 539, 540, 600, 1_079, 1_080, 1_199, 1_200, 1_259, 1_260, 1_319, 1_320)


class Collectors:
    """Everybody who wants to reach one person."""

    def __init__(self, world: World, person: Person, stops: Stops) -> None:
        self.world = world
        self.person = person
        self.stops = stops
        self.case = world.bureau.cases[person.party_id]
        self.crew = (world.new_id(), world.new_id())
        self.field = Fieldwork(world, person, stops, self.crew, move=self._move)

    def plan(self) -> None:
        """Draw who asks when, and who comes without asking."""
        draw = self.world.draw
        span = self.world.ends - self.world.begins
        wishes = draw.randint(4, 12)
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
        self._plan_calls()

    def _plan_calls(self) -> None:
        """On some day everybody who is reached on one number is called on it again and again. Drawn apart."""
        for number in self.person.numbers:
            draw = Random(f"calls to {number} in world {self.world.history.seed}")
            people = [one for one in self.world.people if number in one.numbers]
            if len(people) < 2 or draw.random() >= _MUCH_CALLED:
                continue
            days = (self.world.ends - self.world.begins).days
            day = self.world.begins.date() + timedelta(days=draw.randrange(days))
            zone = ZoneInfo(self.case.zones[0])
            for minute in range(490 + 20 * people.index(self.person), 1_200, draw.choice((50, 70))):
                asked = wall(day, minute).replace(tzinfo=zone).astimezone(self.world.now.tzinfo)
                self.world.at(asked, partial(self._call, number))

    def _call(self, number: str) -> None:
        start = self.world.now + timedelta(minutes=2)
        about = (None, number)
        self._ask("call", "collection", 5, start, start + timedelta(minutes=5), again=False, about=about)

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
        zone = ZoneInfo(draw.choice(self.case.zones))
        minute = draw.choice(_EDGES) if draw.random() < 0.35 else draw.randint(500, 1_250)
        day = self.world.now.astimezone(zone).date() + timedelta(days=days)
        start = wall(day, minute).replace(tzinfo=zone).astimezone(self.world.now.tzinfo)
        return start if start > self.world.now else start + timedelta(days=1)

    def _ask(
        self,
        channel: Channel,
        purpose: Purpose,
        minutes: int,
        start: datetime,
        end: datetime,
        *,
        again: bool,
        replaces: Grant | None = None,
        about: tuple[frozenset[UUID] | None, str | None] | None = None,
    ) -> bool:
        debts, number = self._about(channel) if about is None else about
        question = self._question(channel, purpose, minutes, Span(start, end), debts, number)
        old = None if replaces is None else replaces.permit_id
        decision, permit = self.world.bureau.ask(question, self.world.moment(), replaces=old)
        what = f"{channel} ({purpose}) for {self.person.name} at {start:%d %b %H:%M}Z"
        if permit is None:
            self.world.tell(f"{what}: {decision.answer}, {', '.join(one.rule.id for one in decision.refusals)}")
            self._refused(question, decision, again=again, replaces=old, about=(debts, number))
            return False
        grant = self._granted(permit.permit_id, question, debts, number)
        if replaces is not None:
            replaces.released_real = self.world.real_now
        self.world.tell(f"{what}: permit {str(grant.permit_id)[:4]} until {end:%H:%M}Z")
        self.field.go(Plan(grant=grant, channel=channel, purpose=purpose, minutes=minutes))
        return True

    def _granted(self, permit_id: UUID, question: Question, debts: frozenset[UUID] | None, number: str | None) -> Grant:
        """Write down what was granted, as it was asked for."""
        grant = Grant(
            permit_id=permit_id,
            party_id=self.person.party_id,
            subject_id=question.subject_id,
            channel=question.channel,
            purpose=question.purpose,
            crew=frozenset(question.crew),
            start=question.span.start,
            end=question.span.end,
            asked_at=self.world.now,
            asked_real=self.world.real_now,
            watermark_real=self.world.watermark(),
            debts=debts,
            number=number,
        )
        self.world.history.grants[permit_id] = grant
        return grant

    def _question(
        self, channel: Channel, purpose: Purpose, minutes: int, span: Span, debts: frozenset[UUID] | None,
        number: str | None,
    ) -> Question:  # fmt: skip
        visit = channel == "visit"
        about = debts_asked(debts, frozenset(self.person.debts))
        point: Keys = {} if number is None else {"contact_point": frozenset({number})}
        return Question(
            party_id=self.person.party_id,
            case_id=self.case.case_id,
            subject_id=self.world.new_id(),
            channel=channel,
            purpose=purpose,
            jurisdiction=self.case.place,
            zones=self.case.zones,
            span=span,
            duration=timedelta(minutes=minutes),
            crew=self.crew if visit else self.crew[:1],
            device_id="device" if visit else None,
            place_cell="88309a5915fffff" if visit else None,
            keys=joined(keys_about(about, self.case.keys()), point),
            debts=about,
            now=self.world.now,
            real_now=self.world.real_now,
        )

    def _move(self, plan: Plan) -> None:
        """Another time in the place of an unused permit: the reservations change places, or nothing changes."""
        old = plan.grant
        unused = self.case.permits[old.permit_id].state is PermitState.GRANTED  # of others the desk refuses a move
        if not unused or self.world.now >= old.start:
            return
        start = self._local_start(days=self.world.draw.choice((0, 1, 2)))
        self.world.tell(f"permit {str(old.permit_id)[:4]} is to be moved")
        end = start + timedelta(minutes=plan.minutes)
        self._ask(plan.channel, plan.purpose, plan.minutes, start, end, again=False, replaces=old)

    def _about(self, channel: Channel) -> tuple[frozenset[UUID] | None, str | None]:
        """Which debts whoever asks names, if any, and which number."""
        draw = self.world.draw
        debts = frozenset({draw.choice(self.person.debts)}) if draw.random() < 0.4 else None
        number = draw.choice(self.person.numbers) if channel in ("call", "sms") and draw.random() < 0.6 else None
        return debts, number

    def _refused(
        self, question: Question, decision: Decision, *, again: bool, replaces: UUID | None,
        about: tuple[frozenset[UUID] | None, str | None],
    ) -> None:  # fmt: skip
        """Write down what was answered. Often somebody asks at once for the earliest lawful moment that was named."""
        earliest = decision.earliest or Earliest()
        kept: bool | None = None
        if again and earliest.at is not None and self.world.draw.random() < 0.5:
            minutes = question.duration // timedelta(minutes=1)
            end = earliest.at + question.duration
            kept = self._ask(question.channel, question.purpose, minutes, earliest.at, end, again=False, about=about)
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
                debts=about[0],
                number=about[1],
                kept=kept,
                replaces=replaces,
            )
        )

    def _intrude(self) -> None:
        """Somebody comes or calls without asking."""
        draw = self.world.draw
        channel, purpose = draw.choice(_CHANNELS), draw.choice(_PURPOSES)
        minutes = draw.choice(_MINUTES[channel])
        start = self._local_start(days=0)
        self.world.at(start, lambda: self.field.come_unasked(channel, purpose, minutes))
